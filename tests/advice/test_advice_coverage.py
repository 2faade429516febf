"""Every interval that advice prints covers: 95 % of sets of images from a known law, by simulation.

Each number is one of a number of images (an image is a neighbour of others), so it is held against its mean over sets
of that number.
"""

from dataclasses import replace
from functools import cache

import pytest
import torch
from torch.nn.functional import interpolate

from contrascope.advice.curves import Curves
from contrascope.advice.descriptors import describe
from contrascope.advice.neighbours import agreed, chance_of, identity_estimate, lost_estimate, nearer_images
from contrascope.advice.operations import measure_operation
from contrascope.advice.policies import Candidate
from contrascope.advice.proxies import knn_left_out
from contrascope.advice.survey import Groups, handed_share, survey
from contrascope.augment.catalogue import CATALOGUE
from contrascope.diagnosis.checks.near_copies import copied_share

CLASSES, DRAWS = 5, 200
NAMED = {one.name: one for one in CATALOGUE}
OPERATIONS = {
    "crop": replace(NAMED["crop"], strengths=(0.8,)),
    "flip": replace(NAMED["flip"], strengths=(1.0,)),
    "light": replace(NAMED["brightness and contrast"], strengths=(0.25,)),
}
WORLDS = {
    "60 images": {"n": 60, "apart": 0.12, "copied": 0.0},
    "120 images, some copied": {"n": 120, "apart": 0.12, "copied": 0.3},
    "200 images": {"n": 200, "apart": 0.07, "copied": 0.0},
}


def templates(count, source):
    return interpolate(torch.randn(count, 3, 3, 3, generator=source), (8, 8), mode="bilinear")


def drawn(n, apart, source):
    """Pictures about class templates, of unlike difficulty; the templates are not symmetric."""
    y = torch.randint(0, CLASSES, (n,), generator=source)
    own = interpolate(torch.randn(n, 3, 4, 4, generator=source), (8, 8), mode="bilinear")
    own = own * (0.05 + 0.12 * torch.rand(n, 1, 1, 1, generator=source))
    mean = apart * templates(CLASSES, torch.Generator().manual_seed(5))[y]
    return 0.5 + mean + own + 0.02 * torch.randn(n, 3, 8, 8, generator=source), y


def pictures(n, apart, copied, source):
    """Bytes and classes; a share of them is of 80 pictures that are the same in every set, with a little noise."""
    x, y = drawn(n, apart, source)
    pool, known = drawn(80, apart, torch.Generator().manual_seed(6))
    again = torch.rand(n, generator=source) < copied
    which = torch.randint(0, 80, (n,), generator=source)
    x[again] = pool[which[again]] + 0.004 * torch.randn(int(again.sum()), 3, 8, 8, generator=source)
    y[again] = known[which[again]]
    return (255 * x.clamp(0, 1)).round().to(torch.uint8), y


@cache
def one_survey(n, apart, copied):
    """Of one set: what operations do not read of it is not measured anew in every repeat."""
    x, y = pictures(n, apart, copied, torch.Generator().manual_seed(2))
    groups = Groups(name="label", codes=y)
    return survey(
        x.float() / 255, total=n, shape=(3, 8, 8), groups=groups, classes=CLASSES, draws=DRAWS, seed=0
    )[0]


def advised(n, apart, copied, source, seed):
    """Every estimate that the survey and three operations give."""
    x, y = pictures(n, apart, copied, source)
    groups, rows = Groups(name="label", codes=y), describe(x.float() / 255)
    known = agreed({name: part[None] for name, part in rows.items()}, rows, y, draws=DRAWS)
    found = replace(
        one_survey(n, apart, copied),
        known=known.estimate,
        description=known.description,
        chance=chance_of(y),
    )
    estimates = {
        "known": found.known,
        "handed": handed_share(x.float() / 255, draws=DRAWS, seed=seed),
        "knn": knn_left_out(x.float().flatten(1) / 255 - 0.5, y, draws=DRAWS),
    }
    if copied:
        estimates["copies"] = copied_share(x.float() / 255, draws=DRAWS)
    for name, operation in OPERATIONS.items():
        level = measure_operation(operation, x, found, groups, draws=DRAWS, seed=seed).levels[0]
        estimates |= {f"{name} {part}": getattr(level, part) for part in ("identity", "kept", "lost")}
    return estimates


def coverage(estimates):
    """Share of intervals that hold the mean value, and that mean."""
    true = sum(one.value for one in estimates) / len(estimates)
    return sum(one.low <= true + 1e-9 and true - 1e-9 <= one.high for one in estimates) / len(estimates), true


@cache
def in_world(name, repeats):
    source = torch.Generator().manual_seed(11)
    found = [advised(**WORLDS[name], source=source, seed=seed) for seed in range(repeats)]
    return {key: coverage([one[key] for one in found if one[key] is not None]) for key in found[0]}


REPEATS = {"60 images": 1000, "120 images, some copied": 300, "200 images": 300, "concentration": 300}
"""Samples of the slow tests; docs/theory/intervals.md has 1,000 of each (half an hour of one core)."""
EDGE = 0.04
"""Shares nearer to 0 or 1 than this are of few images: a closed interval of them covers at least as often."""


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
def test_intervals_of_advice_cover(world):
    found = in_world(world, REPEATS[world])
    for name, (share, true) in found.items():
        print(f"{world}, {name} ({true:.3f}): {100 * share:.1f} %")
    least, most = (0.93, 0.985) if REPEATS[world] >= 1000 else (0.90, 0.995)
    assert all(share >= least for share, _ in found.values()), found
    # 97 is what is aimed at; four are cautious by at most 1.1 points (docs/theory/intervals.md)
    assert all(share <= most for share, true in found.values() if EDGE < true < 1 - EDGE), found


def rows_of(n, source, *, apart, moved):
    """Rows of a description [n 6], those of two views of each image, and classes."""
    y = torch.randint(0, CLASSES, (n,), generator=source)
    bank = apart * torch.eye(6)[y] + 0.5 * torch.randn(n, 6, generator=source)
    return bank, bank + moved * torch.randn(2, n, 6, generator=source), y


@pytest.mark.parametrize(("n", "moved"), [(40, 0.3), (40, 0.02)])
def test_intervals_of_neighbours_cover_in_200_repeats(n, moved):
    source, found = torch.Generator().manual_seed(3), {"identity": [], "kept": [], "lost": []}
    for _ in range(200):
        bank, views, y = rows_of(n, source, apart=1.5, moved=moved)
        before = agreed({"rows": bank[None]}, {"rows": bank}, y, draws=DRAWS)
        after = agreed({"rows": views}, {"rows": bank}, y, draws=DRAWS)
        found["kept"].append(after.estimate)
        found["lost"].append(lost_estimate(before, after, y))
        found["identity"].append(identity_estimate(nearer_images(views, bank), draws=DRAWS))
    for name, estimates in found.items():
        share, true = coverage(estimates)
        assert share >= 0.90, (name, share)
        assert share <= 0.99 or not EDGE < true < 1 - EDGE, (name, share)


@pytest.mark.parametrize("part", ["copies", "knn"])
def test_other_intervals_of_advice_cover_in_200_repeats(part):
    source, found = torch.Generator().manual_seed(4), []
    for _ in range(200):
        x, y = pictures(60, 0.05, 0.3 if part == "copies" else 0.0, source)
        x = x.float() / 255 - 0.5
        found.append(copied_share(x, draws=1) if part == "copies" else knn_left_out(x.flatten(1), y, draws=1))
    share, true = coverage(found)
    assert EDGE < true < 1 - EDGE
    assert 0.90 <= share <= 0.99, (part, share, true)


def of_classes(classes, repeats):
    """Curves of sets of other classes, ten images of each, at the deltas of the first set."""
    source, found, deltas = torch.Generator().manual_seed(8), [], None
    y = torch.arange(classes).repeat_interleave(10)
    poorest, policy = (Candidate(name="", ops=(NAMED["crop"].make(s, 1.0),)) for s in (0.4, 0.8))
    for seed in range(repeats):
        own = interpolate(torch.randn(len(y), 3, 4, 4, generator=source), (8, 8), mode="bilinear")
        wide = (0.1 + 0.15 * torch.rand(classes, 1, 1, 1, generator=source))[y]
        x = 0.5 + 0.15 * templates(classes, source)[y] + wide * own
        x = (255 * x.clamp(0, 1)).round().to(torch.uint8)
        curves = Curves(x, y, poorest.policy, views=3, draws=DRAWS, seed=seed)
        deltas = deltas or curves._deltas
        curves._deltas = deltas
        found.append(curves.measure(policy, normalised=False).sigma)
    return coverage(found)


@pytest.mark.slow
def test_the_interval_of_concentration_covers_other_classes_at_the_same_deltas():
    share, true = of_classes(10, REPEATS["concentration"])
    print(f"concentration over 10 classes ({true:.3f}): {100 * share:.1f} %")
    assert 0.91 <= share <= 0.995  # of 1,000: 97.9
