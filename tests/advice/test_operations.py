import numpy as np
import pytest
import torch
from advise_cases import HUES, picture
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.advice.advisor import OperationVerdict
from contrascope.advice.curves import (
    Curves,
    few_per_class,
    policy_views,
)
from contrascope.advice.descriptors import describe
from contrascope.advice.neighbours import Agreed, agreed, agreement, chance_of, lost_estimate
from contrascope.advice.operations import measure_operation
from contrascope.advice.policies import HUE, LIGHT, Candidate, candidates, compose, pair_sweep
from contrascope.advice.proxies import Timing, halving_plan, knn_left_out
from contrascope.advice.survey import (
    Groups,
    coloured,
    handed_share,
    handedness,
    hue_groups,
    survey,
)
from contrascope.augment.catalogue import CATALOGUE, operations_for
from contrascope.augment.colour import adjust_hue_
from contrascope.augment.jitter import ColorJitter
from contrascope.augment.views import make_views
from contrascope.diagnosis.checks.near_copies import copied_share, near_copies
from contrascope.errors import InputError
from contrascope.intervals import random_halves

SEEDS = st.integers(0, 2**31 - 1)


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def hues():
    random = np.random.default_rng(0)
    codes = torch.arange(120) % HUES
    pictures = [np.asarray(picture(random, int(code) / HUES, side=16)) for code in codes]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous(), codes


@settings(derandomize=True, deadline=None, max_examples=10)
@given(seed=SEEDS, gain=st.floats(0.2, 1.0))
def test_shape_does_not_see_light_and_colour_does_not_see_place(seed, gain):
    images = noise(3, 3, 12, 12, seed=seed)
    assert torch.allclose(describe(images)["shape"], describe(images * gain)["shape"], atol=0.02)
    moved = describe(images.roll((5, 3), dims=(2, 3)))
    assert torch.allclose(describe(images)["colour"], moved["colour"], atol=1e-5)


def test_a_turn_of_the_hue_by_one_bin_turns_the_colour_histogram_by_one_bin():
    red = torch.tensor([0.8, 0.2, 0.2]).view(1, 3, 1, 1).expand(1, 3, 4, 4).contiguous()
    turned = adjust_hue_(red.clone(), torch.tensor([1 / 6]))
    before, after = describe(red)["colour"], describe(turned)["colour"]
    assert before.argmax() == 0
    assert after.argmax() == 4
    assert torch.allclose(after, before.roll(4, dims=1), atol=1e-3)  # a root: rounding grows


def test_gray_images_have_no_colour_whatever_their_channels():
    gray = noise(2, 1, 8, 8).expand(2, 3, 8, 8)
    assert describe(gray)["colour"].abs().max() < 1e-5
    assert "colour" not in describe(noise(2, 1, 8, 8))
    assert coloured(gray).tolist() == [False, False]
    assert coloured(noise(2, 3, 8, 8)).tolist() == [True, True]


def test_four_channels_are_described_without_colour():
    assert set(describe(noise(2, 4, 8, 8))) == {"pixels", "shape"}


def test_agreement_by_loops():
    views, bank, codes = noise(2, 9, 3), noise(9, 3, seed=1), torch.arange(9) % 2
    expected = []
    for image in range(9):
        share = []
        for view in range(2):
            apart = [(float((views[view, image] - bank[j]).norm()), j) for j in range(9) if j != image]
            share += [int(codes[j] == codes[image]) for _, j in sorted(apart)[:3]]
        expected.append(sum(share) / 6)
    assert torch.allclose(agreement(views, bank, codes).double(), torch.tensor(expected).double(), atol=1e-6)


def test_agreement_in_halves_by_loops():
    views, bank, codes = noise(2, 12, 3), noise(12, 3, seed=1), torch.arange(12) % 2
    found = agreed({"rows": views}, {"rows": bank}, codes, draws=1).halved
    half = random_halves(12)
    for split in (0, 41, 99):
        for image in range(12):
            share = []
            for view in range(2):
                mine = [j for j in range(12) if j != image and half[split, j] == half[split, image]]
                near = sorted(mine, key=lambda j: float((views[view, image] - bank[j]).norm()))[:3]
                share += [int(codes[j] == codes[image]) for j in near]
            assert float(found[split, image]) == pytest.approx(sum(share) / 6)


def test_a_loss_of_all_that_neighbours_know_is_one():
    codes, none = torch.tensor([0, 0, 0, 1, 1, 1]), torch.zeros(0, 6)
    full = Agreed(description="", values=torch.full((6,), 0.9), halved=none)
    chance = Agreed(description="", values=torch.full((6,), chance_of(codes)), halved=none)
    assert lost_estimate(full, chance, codes).value == pytest.approx(1)
    assert lost_estimate(full, full, codes).value == 0


def test_the_survey_holds_the_intervals_of_neighbours(hues):
    images, codes = hues
    found, _ = measured("flip", images, Groups(name="label", codes=codes))
    x = images.float() / 255
    assert found.handed == handed_share(x, draws=50)
    assert found.copies == copied_share(x, draws=50)
    assert found.known.low < found.known.value <= found.known.high
    assert found.symmetric.low == 0 < found.symmetric.high < 0.05


def test_chance_counts_pairs_of_other_images():
    assert chance_of(torch.tensor([0, 0, 0, 1])) == pytest.approx(6 / 12)
    assert chance_of(torch.tensor([0, 1, -1, 2])) == 0


def test_a_set_that_all_faces_left_is_handed_and_one_that_faces_both_ways_is_not():
    one_way = noise(200, 1, 8, 8) * torch.linspace(0.2, 1, 8)
    told = handedness(one_way)
    assert told.mean() > 0.95
    both = torch.cat((one_way[:100], one_way[100:].flip(3)))
    assert abs(handedness(both).mean() - 0.5) < 0.12


def test_images_that_equal_their_mirror_image_are_told_by_nobody():
    half = noise(20, 3, 8, 4)
    assert torch.equal(handedness(torch.cat((half, half.flip(3)), dim=3)), torch.full((20,), 0.5))


def test_near_copies_are_found_and_others_are_not():
    images = noise(6, 3, 8, 8)
    images[4] = (images[1] + 0.01).clamp(0, 1)
    assert near_copies(images).tolist() == [False, True, False, False, True, False]


def test_separate_hues_are_found_without_labels_and_an_even_spread_is_not(hues):
    images, codes = hues
    groups, silhouette = hue_groups(images.float() / 255)
    assert silhouette > 0.9
    assert groups.codes.max() + 1 == HUES
    agree = groups.codes[:, None] == groups.codes
    assert torch.equal(agree, codes[:, None] == codes)
    random = np.random.default_rng(1)
    spread = np.stack([np.asarray(picture(random, hue, side=16)) for hue in random.uniform(size=120)])
    none, low = hue_groups(torch.from_numpy(spread).permute(0, 3, 1, 2).float() / 255)
    assert none is None
    assert low < 0.9


def measured(name, images, groups):
    found, chosen = survey(
        images.float() / 255,
        total=len(images),
        shape=tuple(images.shape[1:]),
        groups=groups,
        classes=HUES,
        draws=50,
        seed=0,
    )
    operation = next(one for one in CATALOGUE if one.name == name)
    return found, measure_operation(operation, images, found, chosen, draws=50, seed=0)


def test_colour_dropping_loses_hues_and_a_flip_loses_nothing(hues):
    images, codes = hues
    found, facts = measured("colour dropping", images, Groups(name="label", codes=codes))
    assert found.description == "colour"
    assert found.known.value > 0.9
    assert facts.levels[0].lost.low > 0.5
    _, flip = measured("flip", images, Groups(name="label", codes=codes))
    assert abs(flip.levels[0].lost.value) < 0.05
    assert flip.levels[0].changed == 1


def test_stronger_levels_move_pixels_further(hues):
    for name in ("crop", "affine", LIGHT, HUE, "blur", "cutout"):
        _, facts = measured(name, hues[0], None)
        moved = [level.moved for level in facts.levels]
        assert moved == sorted(moved), name


def test_measuring_twice_gives_the_same_numbers(hues):
    groups = Groups(name="label", codes=hues[1])
    assert measured("crop", hues[0], groups) == measured("crop", hues[0], groups)


def verdict(name, strength):
    return OperationVerdict(name=name, word="useful", strength=strength, reason="")


def test_candidates_differ_and_contain_no_operation_that_was_left_out():
    verdicts = [verdict("crop", 0.8), verdict("flip", None), verdict(LIGHT, 0.5), verdict("affine", 15.0)]
    found = candidates(verdicts, most=20)
    assert [one.name for one in found] == ["usual", "usual, weaker", "crop alone", "usual with affine"]
    assert len({one.key for one in found}) == len(found)
    assert all(type(op).__name__ != "HorizontalFlip" for one in found for op in one.ops)
    assert [type(op).__name__ for op in found[3].ops] == ["RandomResizedCrop", "Affine", "ColorJitter"]
    assert found[1].ops[0].scale == (0.6, 1.0)
    assert len(candidates(verdicts, most=2)) == 2
    with pytest.raises(InputError, match="no operation is left"):
        candidates([verdict("crop", None)], most=3)


def test_both_halves_of_colour_distortion_are_one_jitter_as_published():
    (jitter,) = compose({LIGHT: 0.5, HUE: 0.5})
    assert jitter == ColorJitter.of_strength(0.5, p=0.8)
    assert compose({HUE: 1.0}, always=True) == (ColorJitter(saturation=0.8, hue=0.2),)


def test_pairs_are_all_pairs():
    assert [one.name for one in pair_sweep({"crop": 0.8, "flip": 1.0, "blur": 1.0})] == [
        "crop + flip",
        "crop + blur",
        "flip + blur",
    ]


def test_operations_made_for_colours_are_not_tried_on_four_channels():
    assert len(operations_for(3)) == len(operations_for(1)) == len(CATALOGUE)
    assert LIGHT not in [one.name for one in operations_for(4)]
    images = (noise(4, 4, 8, 8) * 255).to(torch.uint8)
    for operation in operations_for(4):
        one = Candidate(name="x", ops=(operation.make(operation.strengths[-1], 1.0),)).policy
        views, _ = make_views(images, one, ids=torch.arange(4), seed=0, epoch=0)
        assert torch.isfinite(views).all()


def test_curves_rise_and_the_richer_policy_brings_images_nearer(hues):
    images, codes = hues[0][:60], hues[1][:60]
    crop = Candidate(name="crop", ops=compose({"crop": 0.4}))
    more = Candidate(name="more", ops=compose({"crop": 0.92, HUE: 1.0}))
    curves = Curves(images, codes, crop.policy, views=5, draws=10, seed=0)
    poor, rich = curves.measure(crop), curves.measure(more)
    assert list(poor.raw) == sorted(poor.raw)
    assert sum(rich.raw) > sum(poor.raw)
    assert curves.grid.classes == HUES
    assert rich.sigma.value == pytest.approx(sum(rich.raw) / len(rich.raw))
    assert curves.measure(crop, normalised=False).normalised == ()


def test_curves_do_not_need_labels_and_say_so(hues):
    crop = Candidate(name="crop", ops=compose({"crop": 0.4}))
    curves = Curves(hues[0][:40], None, crop.policy, views=3, draws=10, seed=0)
    assert curves.grid.classes_from.startswith("pseudo-classes")
    with pytest.raises(InputError, match="concentration of 3 images; expected at least 4"):
        Curves(hues[0][:3], None, crop.policy, views=3, draws=10, seed=0)


def test_the_image_itself_is_the_first_view(hues):
    images = hues[0][:5]
    views = policy_views(images, Candidate(name="x", ops=compose({"crop": 0.8})).policy, views=3, seed=0)
    assert torch.allclose(views[0], images.flatten(1).float() / 255)
    assert not torch.allclose(views[1], views[0])


def test_few_per_class_takes_equal_numbers_and_no_class_beyond_the_limit():
    y = torch.arange(100) % 7
    rows = few_per_class(y, per_class=3, classes=4, seed=0)
    counts = torch.unique(y[rows], return_counts=True)[1]
    assert counts.tolist() == [3, 3, 3, 3]
    assert torch.equal(rows, rows.sort().values)
    assert torch.equal(rows, few_per_class(y, per_class=3, classes=4, seed=0))


@pytest.mark.parametrize("budget", [10.0, 60.0, 600.0])
@pytest.mark.parametrize("count", [2, 5, 8])
def test_a_plan_fits_its_budget_and_doubles_epochs(budget, count):
    timing = Timing(epoch=1.3, score=0.4)
    plan = halving_plan(count, budget=budget, timing=timing)
    spent, before, trained = 0.0, 0, {}
    for policies, epochs in plan.rounds:
        spent += policies * ((epochs - before) * timing.epoch + timing.score)
        before = epochs
        trained[policies] = epochs
    assert spent <= budget
    assert all(
        2 * a[1] == b[1] and b[0] == a[0] // 2 for a, b in zip(plan.rounds, plan.rounds[1:], strict=False)
    )
    assert plan.rounds[-1][0] >= 2


def test_a_plan_that_cannot_afford_an_epoch_is_empty():
    assert halving_plan(8, budget=1.0, timing=Timing(epoch=1.0, score=0.0)).rounds == ()
    assert halving_plan(8, budget=2.5, timing=Timing(epoch=1.0, score=0.0)).rounds == ((2, 1),)


def test_knn_leaves_the_image_itself_out():
    h = torch.eye(4).repeat_interleave(6, dim=0) + 0.01 * noise(24, 4)
    y = torch.arange(4).repeat_interleave(6)
    assert knn_left_out(h, y, draws=10).value == 1.0
    lonely = knn_left_out(torch.eye(4), torch.arange(4), draws=10)
    assert lonely.value == 0.0
    assert knn_left_out(h, None, draws=10) is None
