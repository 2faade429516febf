from dataclasses import replace

import pytest

from contrascope.advice.proxies import check_base
from contrascope.commands.train import recipe_lines
from contrascope.errors import InputError
from contrascope.runs.build import build
from contrascope.runs.facts import ImageFacts
from contrascope.runs.folder_recipe import fit_to_folder, folder_simclr
from contrascope.runs.recipes import CPU_METHODS, FAMILIES, LARGE_PLAIN, RECIPES, find_recipe


def test_an_unknown_recipe_suggests_the_nearest():
    with pytest.raises(InputError, match=r"no recipe 'digit-simclr'\. Did you mean 'digits-simclr'\?"):
        find_recipe("digit-simclr")


def test_where_no_name_is_near_families_are_listed_and_not_every_recipe():
    with pytest.raises(InputError, match=r"Known: cifar10-METHOD, .*folder-simclr\.$") as caught:
        find_recipe("qqqq")
    assert len(str(caught.value)) < 400


def test_the_cifar_recipes_are_those_of_huang_et_al():
    settings = find_recipe("cifar100-barlow-twins").make()
    assert settings.data.labels == "fine_label,coarse_label"
    assert (settings.training.batch_size, settings.training.epochs) == (512, 800)
    assert (settings.optim.name, settings.optim.lr, settings.optim.weight_decay) == ("sgd", 0.11, 5e-4)
    assert (settings.encoder.name, settings.encoder.stem) == ("resnet18", "cifar")


def test_every_recipe_of_huang_et_al_has_its_own_method():
    for data in ("cifar10", "cifar100"):
        alike = {name: one for name, one in RECIPES.items() if one.family == "cifar10-METHOD"}
        kinds = {type(one.make().method) for name, one in alike.items() if name.startswith(data)}
        assert len(kinds) == 6


@pytest.mark.parametrize("name", [name for name in CPU_METHODS if name != "plain"] + list(LARGE_PLAIN))
def test_every_method_has_a_recipe_for_a_gpu_that_can_be_built(name):
    for data in ("cifar10", "cifar100"):
        [recipe] = [
            RECIPES[f"{data}-{name}-{network}"].make()
            for network in ("resnet18", "vit-tiny")
            if f"{data}-{name}-{network}" in RECIPES
        ]
        assert recipe.training.epochs >= 100
    recipe.method.check()
    narrow = {"width": 16} if recipe.encoder.name == "resnet18" else {"width": 24, "depth": 1}
    build(replace(recipe, encoder=replace(recipe.encoder, **narrow)), (3, 32, 32))


@pytest.mark.parametrize("name", [name for name in RECIPES if RECIPES[name].family == "digits-METHOD"])
def test_a_recipe_on_the_scans_can_be_built(name):
    settings = RECIPES[name].make()
    settings.method.check()
    assert settings.data.source == "digits"
    build(settings, (1, 8, 8))


def test_every_recipe_is_listed_alone_or_with_its_family():
    told = "\n".join(recipe_lines())
    for name, recipe in RECIPES.items():
        assert name in told or recipe.family in FAMILIES
    assert set(FAMILIES) == {recipe.family for recipe in RECIPES.values()} - {""}


@pytest.mark.parametrize("count", [2, 7, 16, 100, 1_000, 60_000, 1_000_000])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_any_folder_gets_a_batch_it_can_fill_and_limited_sizes(count, device):
    fitted = fit_to_folder(folder_simclr(), ImageFacts(count=count, channels=3, side=300, device=device))
    assert 1 <= fitted.training.batch_size <= min(count, 512)
    assert 10 <= fitted.training.epochs <= 800
    assert fitted.data.size == (64 if device == "cpu" else 224)
    assert fitted.encoder.name == ("convnet" if device == "cpu" else "resnet50")
    assert fitted.protocol.k >= 1


@pytest.mark.parametrize(("bf16", "precision"), [(True, "bf16"), (False, "float32")])
def test_a_folder_trains_in_the_arithmetic_that_the_device_is_fast_at(bf16, precision):
    facts = ImageFacts(count=1_000, channels=3, side=64, device="cpu", bf16=bf16)
    assert fit_to_folder(folder_simclr(), facts).training.precision == precision


@pytest.mark.parametrize(("side", "views"), [(300, 48), (32, 24), (28, 21), (8, None)])
def test_on_a_cpu_views_are_smaller_than_the_images_and_kernels_are_turned(side, views):
    fitted = fit_to_folder(folder_simclr(), ImageFacts(count=1_000, channels=3, side=side, device="cpu"))
    assert (fitted.policy.size, fitted.optim.name) == (views, "muon")
    build(fitted, (3, min(side, 64), min(side, 64)))
    gpu = fit_to_folder(folder_simclr(), ImageFacts(count=1_000, channels=3, side=side, device="cuda"))
    assert (gpu.policy.size, gpu.optim.name) == (None, "adamw")


@pytest.mark.parametrize("name", ["simclr", "moco", "barlow-twins"])
def test_the_arcl_recipes_are_the_plain_ones_with_the_worst_of_four_views_in_half_the_epochs(name):
    plain, arcl = (find_recipe(f"cifar10-{name}{kind}-cpu").make() for kind in ("", "-arcl"))
    assert (arcl.method.positives, arcl.training.num_views) == ("worst", 4)
    assert arcl.training.epochs == plain.training.epochs // 2
    method = replace(arcl.method, positives="average")
    training = replace(arcl.training, num_views=2, epochs=plain.training.epochs)
    assert replace(arcl, method=method, training=training) == plain


@pytest.mark.parametrize(
    ("name", "loss", "told"),
    [("spectral", "spectral", {"mu": 1.0}), ("decoupled", "decoupled", {"temperature": 0.1})],
)
def test_a_loss_of_a_paper_that_needs_one_network_has_the_recipe_of_plain_with_it(name, loss, told):
    plain, found = find_recipe("cifar10-plain-cpu").make(), find_recipe(f"cifar10-{name}-cpu").make()
    assert (found.method.loss, found.method.told) == (loss, told)
    found.method.check()
    assert replace(found, method=plain.method) == plain


def test_a_method_that_learns_from_labels_is_no_base_of_advice():
    with pytest.raises(InputError, match="'sup-con' learns from labels; advice trains without them"):
        check_base("sup-con")
    check_base("nnclr")
