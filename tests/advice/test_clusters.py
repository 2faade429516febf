"""Clear clusters without labels: of colour, place and turn; what erases them; and no policy that does not learn."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from advise_cases import HUES, arrow, drawn_folder, picture, placed, small

from contrascope.advice.advise import advise, recommended
from contrascope.advice.advisor import Background, ClusterLoss, Level, OperationFacts, judge_operation
from contrascope.advice.clusters import clear_clusters, place, turn
from contrascope.advice.policies import candidates
from contrascope.advice.proxies import ProxyScore
from contrascope.augment.crop import RandomResizedCrop
from contrascope.augment.flip import HorizontalFlip
from contrascope.augment.jitter import Grayscale
from contrascope.augment.policy_file import read_policy
from contrascope.data.settings import DataSettings
from contrascope.intervals import Estimate
from contrascope.terminal.advice import show_advice

UNSAFE = ("cannot be told", "destructive")


def pixels(pictures):
    rows = np.stack([np.asarray(one) for one in pictures])
    return torch.from_numpy(rows).permute(0, 3, 1, 2).float() / 255


def arrows(count=160, seed=0):
    random = np.random.default_rng(seed)
    return [arrow(random, (row % 4) / 4, row // 4 % 4) for row in range(count)]


def corners(count=160, seed=0):
    random = np.random.default_rng(seed)
    return [placed(random, row % 4) for row in range(count)]


def alike(codes, truth):
    """Share of the images in clusters that are of one class each."""
    table = torch.zeros(int(codes.max()) + 1, int(truth.max()) + 1)
    table.index_put_((codes, truth), torch.ones(len(codes)), accumulate=True)
    return float(table.amax(dim=1).sum()) / len(codes)


def test_colour_and_turn_are_found_where_both_are_the_class():
    found = {one.name: one.codes for one in clear_clusters(pixels(arrows()))}
    rows = torch.arange(160)
    assert alike(found["colour"], rows % 4) > 0.95
    assert alike(found["turn"], rows // 4 % 4) > 0.95
    assert "place" not in found


def test_place_is_found_where_it_is_the_class():
    found = {one.name: one.codes for one in clear_clusters(pixels(corners()))}
    assert alike(found["place"], torch.arange(160) % 4) > 0.95
    assert not {"colour", "turn"} & found.keys()


@pytest.mark.parametrize("channels", [1, 3])
def test_noise_falls_into_no_clusters(channels):
    images = torch.rand(200, channels, 16, 16, generator=torch.Generator().manual_seed(1))
    assert clear_clusters(images) == ()
    assert clear_clusters(images[:20]) == ()


def test_shapes_anywhere_have_clusters_of_colour_alone():
    random = np.random.default_rng(0)
    found = clear_clusters(pixels([picture(random, (row % HUES) / HUES) for row in range(144)]))
    assert {one.name for one in found} <= {"colour"}


def test_place_and_turn_by_hand():
    blank = torch.full((1, 3, 8, 8), 0.5)
    blank[:, :, 0, 7] = 1.0
    assert place(blank)[0].tolist() == pytest.approx([7.5 / 8, 0.5 / 8], abs=1e-3)
    up, down = pixels([arrow(np.random.default_rng(3), 0.0, way) for way in (0, 2)])
    bins = turn(torch.stack((up, up.flip(1), down)))
    assert torch.allclose(turn((1 - up)[None])[0], bins[0], atol=0.05)  # dark on light is as light on dark
    assert float((bins[0] - bins[2]).norm()) > 0.3


def words(advice):
    return {one.name: one.word for one in advice.verdicts}


def test_without_labels_nothing_that_erases_colour_or_turn_is_called_useful(tmp_path):
    data = DataSettings(source=str(drawn_folder(tmp_path / "arrows", arrows())))
    advice = advise(data, budget=0.0, out=tmp_path / "p.json", settings=small(images=160))
    found = words(advice)
    assert found["hue and saturation"] in UNSAFE
    assert found["colour dropping"] in UNSAFE
    assert found["flip"] in UNSAFE
    ops = read_policy(tmp_path / "p.json").ops
    assert not any(isinstance(op, Grayscale | HorizontalFlip) for op in ops)
    text = show_advice(advice, as_json=False)
    assert "clusters of turn" in text


def test_without_labels_nothing_that_erases_place_is_called_useful(tmp_path):
    data = DataSettings(source=str(drawn_folder(tmp_path / "corners", corners())))
    advice = advise(data, budget=0.0, out=tmp_path / "p.json", settings=small(images=160))
    found = words(advice)
    assert found["flip"] in UNSAFE
    assert found["affine"] in UNSAFE
    assert found["colour dropping"] == "useful"
    crop = next(one for one in advice.verdicts if one.name == "crop")
    assert crop.strength < 0.92  # at which the interval of what is lost of the place reaches a fifth
    assert "of what they know of 4 clusters of place" in crop.reason
    ops = read_policy(tmp_path / "p.json").ops
    assert not any(isinstance(op, HorizontalFlip) for op in ops)
    strong = [op for op in ops if isinstance(op, RandomResizedCrop) and op.scale[0] < 0.2]
    assert not strong
    assert "only labels tell" in show_advice(advice, as_json=False)


def about(value, width=0.02):
    return Estimate(value=value, low=value - width, high=value + width)


def level(strength, lost):
    clusters = (ClusterLoss(name="place", clusters=4, lost=about(lost)),)
    return Level(
        strength=strength,
        changed=1.0,
        moved=strength,
        identity=about(0.9),
        kept=None,
        lost=None,
        clusters=clusters,
    )


def test_clusters_that_vanish_cannot_be_told_and_the_level_that_keeps_them_is_used():
    known = Background(groups="", labelled=False, known=None, chance=0.0, handed=about(0.5))
    facts = OperationFacts(
        name="op", unit="strength {:g}", levels=(level(0.1, 0.05), level(0.5, 0.6)), mirrors=False
    )
    found = judge_operation(facts, known)
    assert (found.word, found.strength) == ("cannot be told", 0.1)
    assert "4 clear clusters of place" in found.reason
    assert "It is used up to strength 0.1 until then." in found.reason
    alone = judge_operation(replace(facts, levels=(level(0.5, 0.6),)), known)
    assert (alone.word, alone.strength) == ("cannot be told", None)
    assert alone.reason.endswith("It is left out until then.")
    assert judge_operation(replace(facts, levels=(level(0.5, 0.1),)), known).word == "useful"


def score(value, epochs=1):
    return ProxyScore(epochs=epochs, seconds=0.0, retrieval=about(value), lidar=1.0, rankme=1.0, knn=None)


def test_a_policy_that_is_no_better_than_random_weights_is_never_recommended(tmp_path):
    data = DataSettings(source=str(drawn_folder(tmp_path / "corners", corners(64))))
    advice = advise(data, budget=0.0, out=tmp_path / "p.json", settings=small(images=64))
    first, second = (row.name for row in advice.ranking[:2])
    trained = replace(advice, random=score(0.4, 0), proxies={first: score(0.41), second: score(0.6)})
    assert recommended(trained).name == second
    nothing = replace(trained, proxies={first: score(0.41), second: score(0.3)}, policy="")
    assert recommended(nothing) is None
    text = show_advice(nothing, as_json=False)
    assert "No policy that was tried learns" in text
    assert "random weights 0.400" in text
    assert "Label some images and ask again with --labels" in text
    assert "The best policy is in" not in text


def test_usual_means_one_thing():
    from contrascope.advice.advisor import OperationVerdict

    def verdict(name, strength):
        return OperationVerdict(name=name, word="useful", strength=strength, reason="")

    usual = candidates([verdict("crop", 0.2), verdict("flip", 1.0), verdict("cutout", 0.25)], most=9)
    assert usual[0].name == "usual"
    assert {type(op).__name__ for op in usual[0].ops} == {"RandomResizedCrop", "HorizontalFlip"}
    left = candidates([verdict("cutout", 0.25)], most=9)
    assert left[0].name == "what is left"
    assert not any("usual" in one.name for one in left)
