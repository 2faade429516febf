"""Recipes: named runs, each a function that returns its settings."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from contrascope.augment.settings import PolicySettings
from contrascope.data.settings import DataSettings
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.errors import InputError, did_you_mean
from contrascope.evaluation.protocol import Protocol
from contrascope.methods.joint.plain_settings import PlainSettings
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.methods.large_run import LargeRun
from contrascope.methods.settings import MethodInfo, MethodSettings, SmallRun, discover
from contrascope.runs.folder_recipe import fit_to_folder, folder_plain, folder_simclr
from contrascope.runs.method_recipes import OPTIMISERS, digits_run, large_run
from contrascope.runs.settings import ImageFacts, RunSettings
from contrascope.training.settings import OptimSettings, ScheduleSettings, TrainingSettings

CIFAR10, CIFAR100 = "uoft-cs/cifar10", "uoft-cs/cifar100"
CIFAR_MEAN, CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A function to settings, one line of what it is, and how it fits itself to the data (if it does)."""

    make: Callable[[], RunSettings]
    summary: str
    adapt: Callable[[RunSettings, ImageFacts], RunSettings] | None = None
    family: str = ""
    """Its name with METHOD in place of the method's, where many recipes are alike; `FAMILIES` has a line of each."""


def digits_simclr() -> RunSettings:
    """SimCLR on scikit-learn's scans: the demo, in at most three minutes on two cores."""
    return RunSettings(
        data=DataSettings(source="digits"),
        policy=PolicySettings(name="digits"),
        encoder=EncoderSettings(name="convnet", width=16),
        method=SimCLRSettings(temperature=0.5, projector=ProjectorSettings(hidden=(256,), out=64)),
        training=TrainingSettings(epochs=150, batch_size=256, log_every=5, checkpoint_every=50),
        optim=OptimSettings(name="adamw", lr=2e-3, weight_decay=1e-4),
        schedule=ScheduleSettings(warmup_epochs=5.0),
        protocol=Protocol(k=20),
    )


def digits_plain() -> RunSettings:
    """The demo's images, networks and minutes, with a loss of your choice."""
    method = PlainSettings(projector=ProjectorSettings(hidden=(256,), out=64))
    return replace(digits_simclr(), method=method)


def cifar_cpu(info: MethodInfo) -> RunSettings:
    """Ten minutes on two cores: views of 24 px cost little more than half, and lose nothing at 32 (docs/log.md).

    The linear probe is left to `contrascope evaluate`: on raw pixels alone it takes minutes.
    """
    small = small_run(info)
    return RunSettings(
        data=DataSettings(source=CIFAR10, labels="label"),
        policy=PolicySettings(name=small.policy, size=24),
        encoder=EncoderSettings(**{"name": "convnet", "mean": CIFAR_MEAN, "std": CIFAR_STD, **small.encoder}),
        method=info.small_settings,
        training=TrainingSettings(
            **{"epochs": small.epochs, "batch_size": small.batch, "precision": "bf16", **small.training}
        ),
        optim=replace(OPTIMISERS[small.optim], **small.moves),
        schedule=ScheduleSettings(warmup_epochs=1.0),
        protocol=Protocol(probes=("knn", "few_labels")),
    )


def _arcl_cpu(info: MethodInfo) -> RunSettings:
    """`cifar_cpu` with the worst pair of four views: half the epochs, so about the same minutes."""
    plain = cifar_cpu(info)
    training = replace(plain.training, epochs=max(1, plain.training.epochs // 2), num_views=ARCL_VIEWS)
    method = info.settings(**{**small_run(info).changes, "positives": "worst"})
    return replace(plain, method=method, training=training)


def small_run(info: MethodInfo) -> SmallRun:
    """How the method's recipe for a CPU differs from the common one, or an error that there is none."""
    if info.small_run is None:
        raise InputError(f"the method {info.name} has no recipe for a CPU; start from another method's.")
    return info.small_run


def _network(info: MethodInfo) -> str:
    return str(small_run(info).encoder.get("name", "convnet"))


def _cifar(method: MethodSettings, *, lr: float, source: str, labels: str) -> RunSettings:
    """Settings of Huang et al. 2023 (arXiv:2111.00743): batch 512, 800 epochs, SGD, cosine, no warm-up."""
    return RunSettings(
        data=DataSettings(source=source, labels=labels),
        policy=PolicySettings(name="huang-2023"),
        encoder=EncoderSettings(name="resnet18", stem="cifar"),
        method=method,
        training=TrainingSettings(epochs=800, batch_size=512, precision="bf16"),
        optim=OptimSettings(name="sgd", lr=lr, momentum=0.9, weight_decay=5e-4),
    )


CPU_METHODS: dict[str, MethodInfo] = {
    name.replace("_", "-"): info for name, info in discover().items() if info.small_run is not None
}
"""Methods of `cifar10-METHOD-cpu`, as they registered themselves."""

PLAIN_LOSSES: dict[str, PlainSettings] = {
    "spectral": PlainSettings(loss="spectral", loss_settings=("mu=1.0",)),
    "decoupled": PlainSettings(loss="decoupled", loss_settings=("temperature=0.1",)),
}
"""Losses that are methods of papers but need no more than `plain`, of `cifar10-NAME-cpu`: one network, one loss."""

ARCL_VIEWS = 4
"""Views of each image in `cifar10-METHOD-arcl-cpu`; any recipe takes the two settings."""


FAMILIES: dict[str, str] = {
    "cifar10-METHOD-cpu": "a small encoder, minutes on a CPU",
    "cifar10-METHOD-arcl-cpu": f"the same with ArCL: the worst pair of {ARCL_VIEWS} views",
    "digits-METHOD": "the demo's scans, minutes on a CPU",
    "cifar10-METHOD-resnet18": "the literature's settings, for a GPU; cifar100 too",
    "cifar10-METHOD-vit-tiny": "the same with a vision transformer; cifar100 too",
    "cifar10-METHOD": "ResNet-18, 800 epochs (Huang et al. 2023); cifar100 too",
}
"""Recipes that differ in their method, one line each."""
LARGE_PLAIN: dict[str, LargeRun] = {
    "spectral": LargeRun(
        source="ours, after SimCLR's in Huang et al. 2023",
        lr=0.06,
        weight_decay=5e-4,
        epochs=800,
        batch=512,
        policy="huang-2023",
    ),
    "decoupled": LargeRun(
        source="lightly's CIFAR benchmark",
        lr=0.06,
        weight_decay=5e-4,
        epochs=800,
        batch=128,
        policy="simclr-cifar",
    ),
}
"""Of `cifar10-NAME-resnet18`, by loss of `PLAIN_LOSSES`."""


def _marked(info: MethodInfo) -> str:
    """What every list of methods says of one that learns from labels."""
    return " (supervised: a yard-stick)" if info.supervised else ""


def _recipes() -> dict[str, Recipe]:
    recipes = {
        "digits-simclr": Recipe(make=digits_simclr, summary="SimCLR on 1,297 real 8x8 scans; the demo"),
        "digits-plain": Recipe(
            make=digits_plain, summary="any loss on the demo's scans: add --method.loss NAME"
        ),
        "folder-simclr": Recipe(
            make=folder_simclr, summary="SimCLR on your images: add --data.source FOLDER", adapt=fit_to_folder
        ),
        "folder-plain": Recipe(
            make=folder_plain, summary="any loss on your images: add --method.loss NAME", adapt=fit_to_folder
        ),
    }
    for name, info in CPU_METHODS.items():
        recipes[f"cifar10-{name}-cpu"] = Recipe(
            make=lambda info=info: cifar_cpu(info),
            summary=f"{name}{_marked(info)}, a small {_network(info)}, minutes on a CPU",
            family="cifar10-METHOD-cpu",
        )
    for name, method in PLAIN_LOSSES.items():
        recipes[f"cifar10-{name}-cpu"] = Recipe(
            make=lambda method=method: replace(cifar_cpu(CPU_METHODS["plain"]), method=method),
            summary=f"{name} (plain with this loss), a small convnet, minutes on a CPU",
            family="cifar10-METHOD-cpu",
        )
    for name, info in CPU_METHODS.items():
        if small_run(info).arcl:
            recipes[f"cifar10-{name}-arcl-cpu"] = Recipe(
                make=lambda info=info: _arcl_cpu(info),
                summary=f"{name} + ArCL: the worst pair of {ARCL_VIEWS} views, the same minutes",
                family="cifar10-METHOD-arcl-cpu",
            )
    return {**recipes, **_digits_recipes(), **_gpu_recipes()}


def _digits_recipes() -> dict[str, Recipe]:
    """Every method on the demo's scans, but the two that have recipes of their own and those of colours."""
    return {
        f"digits-{name}": Recipe(
            make=lambda info=info: digits_run(info, small_run(info), OPTIMISERS[small_run(info).optim]),
            summary=f"{name}{_marked(info)} on the demo's scans",
            family="digits-METHOD",
        )
        for name, info in CPU_METHODS.items()
        if small_run(info).digits is not None and name not in ("simclr", "plain")
    }


def _gpu_recipes() -> dict[str, Recipe]:
    recipes: dict[str, Recipe] = {}
    for data, source, labels in (
        ("cifar10", CIFAR10, "label"),
        ("cifar100", CIFAR100, "fine_label,coarse_label"),
    ):
        images = DataSettings(source=source, labels=labels)
        for name, info in CPU_METHODS.items():
            if info.paper_rate is not None:
                recipes[f"{data}-{name}"] = Recipe(
                    make=lambda info=info, lr=info.paper_rate, source=source, labels=labels: _cifar(
                        info.settings(), lr=lr, source=source, labels=labels
                    ),
                    summary=f"{name}, ResNet-18, 800 epochs (Huang et al. 2023)",
                    family="cifar10-METHOD",
                )
            if info.large_run is not None:
                recipes |= _large(data, images, name, _marked(info), info.settings, info.large_run)
        for name, large in LARGE_PLAIN.items():
            made = partial(replace, PLAIN_LOSSES[name])
            recipes |= _large(data, images, name, "", made, large)
    return recipes


def _large(
    data: str,
    images: DataSettings,
    name: str,
    marked: str,
    make: Callable[..., MethodSettings],
    large: LargeRun,
) -> dict[str, Recipe]:
    network = str(large.encoder.get("name", "resnet18"))
    recipe = Recipe(
        make=lambda: large_run(make, large, images),
        summary=f"{name}{marked}, {network}, {large.epochs} epochs ({large.source})",
        family=f"cifar10-METHOD-{network}",
    )
    return {f"{data}-{name}-{network}": recipe}


RECIPES = _recipes()
"""Every recipe by name."""


def find_recipe(name: str) -> Recipe:
    """The recipe of this name, or an error with the nearest one."""
    if name not in RECIPES:
        alone = [known for known, recipe in RECIPES.items() if not recipe.family]
        hint = did_you_mean(name, RECIPES, listed=(*alone, *FAMILIES))
        raise InputError(f"there is no recipe {name!r}. {hint}")
    return RECIPES[name]
