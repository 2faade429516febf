"""Every interval over images covers what it names: 95 % of samples from a known law, by simulation.

Statistics of a number of images (retrieval, neighbours) are held against their mean over samples of that number; the
others against their value on a very large sample. The largest of several numbers covers at least as often.
"""

import math
from functools import cache

import pytest
import torch

from contrascope.diagnosis.shortcut import shortcut
from contrascope.geometry.negatives import label_sharing, nearest_negatives
from contrascope.intervals import mean_estimate, share_estimate
from contrascope.theory.factors.alignment import alignment, augmentation_robust, r_epsilon
from contrascope.theory.factors.centre_error import nearest_centre_error
from contrascope.theory.factors.confusion import average_confusion_ratio, average_relative_confusion
from contrascope.theory.factors.decompose import cross_correlation_split, info_nce_split
from contrascope.theory.factors.divergence import divergence
from contrascope.theory.factors.retrieval import instance_retrieval
from contrascope.theory.factors.uniformity import uniformity
from contrascope.theory.factors.variance import class_variance

IMAGES, DRAWS, LARGE = 250, 300, 60_000


def sample(n, source, *, classes=5, dim=8):
    """Unit rows of two views about class centres; the images of unlike difficulty."""
    y = torch.randint(0, classes, (n,), generator=source)
    mu = (2 * torch.eye(dim)[:classes] + 1)[y]
    x = mu + torch.randn(n, dim, generator=source)
    noise = 0.15 + 0.3 * torch.rand(n, 1, generator=source)
    h = x + noise * torch.randn(2, n, dim, generator=source)
    return h / h.norm(dim=2, keepdim=True), y


def statistics_of(h):
    return torch.stack([h[0, :, 0] + h[0, :, 1], h[0, :, 2]], dim=1)


POPULATION = {
    "alignment": lambda h, y, draws: alignment(h, draws=draws),
    "L_AR": lambda h, y, draws: augmentation_robust(h, draws=draws),
    "R_epsilon, often": lambda h, y, draws: r_epsilon(h, 0.35, draws=draws),
    "R_epsilon, rarely": lambda h, y, draws: r_epsilon(h, 0.7, draws=draws),
    "InfoNCE": lambda h, y, draws: info_nce_split(h[:, :10_000], draws=draws).loss,
    "L_1": lambda h, y, draws: info_nce_split(h[:, :10_000], draws=draws).l_1,
    "L_2": lambda h, y, draws: info_nce_split(h[:, :10_000], draws=draws).l_2,
    "L_align, standardised": lambda h, y, draws: cross_correlation_split(h, weight=0.5, draws=draws).l_align,
    "uniformity": lambda h, y, draws: uniformity(h[0], draws=draws, max_rows=10_000),
    "mean cosine": lambda h, y, draws: divergence(h, y, draws=draws).mean_cosine,
    "mean inner product": lambda h, y, draws: divergence(h, y, draws=draws).mean_inner,
    "CDNV": lambda h, y, draws: class_variance(h, y, draws=draws).mean_cdnv,
    "directional CDNV": lambda h, y, draws: class_variance(h, y, draws=draws).mean_directional,
}
LARGEST = {
    "largest cosine": lambda h, y, draws: divergence(h, y, draws=draws).max_cosine,
    "largest inner product": lambda h, y, draws: divergence(h, y, draws=draws).max_inner,
    "nearest-centre error": lambda h, y, draws: nearest_centre_error(h, y, draws=draws).error,
}
OF_A_NUMBER = {
    "recall at 1": lambda h, y, draws: instance_retrieval(h, draws=draws).recall[1],
    "recall at 5, both ways": lambda h, y, draws: instance_retrieval(h, draws=draws, pairs=2).recall[5],
    "confusion": lambda h, y, draws: average_confusion_ratio(h, draws=draws),
    "label of the negative": lambda h, y, draws: label_sharing(nearest_negatives(h), y, draws=draws),
    "rank in the statistics": lambda h, y, draws: shortcut(h[0], statistics_of(h), draws=draws).retrieval,
    "share explained": lambda h, y, draws: shortcut(h[0], statistics_of(h), draws=draws).explained,
}
MEANS = {
    "normal": (lambda n, g: torch.randn(n, generator=g), 0.0),
    "exponential": (lambda n, g: -torch.rand(n, generator=g).log(), 1.0),
    "lognormal": (lambda n, g: (0.8 * torch.randn(n, generator=g)).exp(), math.exp(0.32)),
    "two values": (lambda n, g: (torch.rand(n, generator=g) < 0.2).float() * 3, 0.6),
}


def large_sample():
    return sample(LARGE, torch.Generator().manual_seed(99))


IN_BLOCKS = ("InfoNCE", "L_1", "L_2", "uniformity")
"""Statistics of all pairs: the mean over six blocks of 10,000 images."""


@cache
def truth(name):
    h, y = large_sample()
    measure = {**POPULATION, **LARGEST}[name]
    if name not in IN_BLOCKS:
        return measure(h, y, 0).value
    blocks = h.split(10_000, dim=1)
    return sum(measure(block, y, 0).value for block in blocks) / len(blocks)


def coverage(measure, repeats, true=None):
    source = torch.Generator().manual_seed(7)
    found = [measure(*sample(IMAGES, source), DRAWS) for _ in range(repeats)]
    true = sum(one.value for one in found) / repeats if true is None else true
    return sum(one.low <= true <= one.high for one in found) / repeats


QUICK = {
    "L_2",
    "CDNV",
    "L_align, standardised",
    "R_epsilon, rarely",
    "recall at 1",
    "label of the negative",
    "largest cosine",
}
ALL = [*POPULATION, *LARGEST, *OF_A_NUMBER]


def measured(name, repeats):
    if name in OF_A_NUMBER:
        return coverage(OF_A_NUMBER[name], repeats)
    return coverage({**POPULATION, **LARGEST}[name], repeats, truth(name))


@pytest.mark.parametrize("name", [name for name in ALL if name in QUICK])
def test_an_interval_covers_in_200_repeats(name):
    assert 0.90 <= measured(name, 200) <= 0.99


MOST = {"R_epsilon, rarely": 0.985, **dict.fromkeys(LARGEST, 1.0)}
"""One image in hundreds takes few values; maxima cover at least as often."""


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_an_interval_covers_in_1000_repeats(name):
    share = measured(name, 1000)
    print(f"{name}: {100 * share:.1f} %")
    assert 0.93 <= share <= MOST.get(name, 0.97)


@pytest.mark.parametrize("n", [20, 300])
@pytest.mark.parametrize("name", MEANS)
def test_the_interval_of_a_mean_covers(name, n):
    draw, mean = MEANS[name]
    source, hit = torch.Generator().manual_seed(n), 0
    for key in range(400):
        found = mean_estimate(draw(n, source), draws=400, key=str(key))
        hit += found.low <= mean <= found.high
    assert 0.90 <= hit / 400 <= 0.985


@pytest.mark.parametrize("n", [20, 300])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.97])
def test_the_interval_of_a_share_covers(share, n):
    source, hit = torch.Generator().manual_seed(n), 0
    for _ in range(1000):
        found = share_estimate((torch.rand(n, generator=source) < share).double(), draws=1)
        hit += found.low <= share <= found.high
    assert 0.90 <= hit / 1000 <= 1.0


NOISES = {"most are clear": (0.02, 0.05), "few are clear at first": (0.1, 0.2), "few are clear": (0.5, 0.15)}
"""Added to the rows of the encoder, and of the one before training."""


def relative_confusion(n, noises, repeats):
    """Coverage of the ratio of both mean shares, and these shares."""
    source, found, clear = torch.Generator().manual_seed(1), [], []
    for _ in range(repeats):
        h, _ = sample(n, source)
        both = [h + noise * torch.randn(h.shape, generator=source) for noise in noises]
        found.append(average_relative_confusion(*both, draws=DRAWS))
        clear.append([1 - average_confusion_ratio(part).value for part in both])
    over, under = (sum(part) / repeats for part in zip(*clear, strict=True))
    return sum(one.low <= over / under <= one.high for one in found) / repeats, over, under


@pytest.mark.parametrize("noises", NOISES)
def test_relative_confusion_covers_in_200_repeats(noises):
    assert 0.90 <= relative_confusion(60, NOISES[noises], 200)[0] <= 0.99


@pytest.mark.slow
@pytest.mark.parametrize("n", [60, IMAGES])
@pytest.mark.parametrize("noises", NOISES)
def test_relative_confusion_covers_in_1000_repeats(noises, n):
    share, over, under = relative_confusion(n, NOISES[noises], 1000)
    print(f"relative confusion, {n} images, {noises} ({over:.3f} of {under:.3f}): {100 * share:.1f} %")
    assert 0.93 <= share <= 0.98  # seen: 93.5 to 97.5 %, docs/theory/intervals.md
