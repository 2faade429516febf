"""Signals of known representations: a sound one that learns, and what can be wrong with it."""

from dataclasses import replace
from functools import cache

import torch

from contrascope.diagnosis.checks.expected_input import InputFit
from contrascope.diagnosis.checks.weights import InitialWeights
from contrascope.diagnosis.learning_signals import LearningSignals
from contrascope.diagnosis.signals import Faults, Signals, layer_signals
from contrascope.intervals import Estimate
from contrascope.theory.factors.gallery_recall import RecallGain

N, DIM = 400, 24
MOVED = InitialWeights(norms=4, untouched=(), tensors=4, same_law=0)
FITS = InputFit(given=0.01, best="as given", least=0.01)
WELL = Faults(batch_norm_gap=0.01, initial=MOVED, input=FITS, batch=1e-6)


def gaussian(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)


@cache
def layer(rows):
    """Signals of these rows; measured once of the same tensor."""
    return layer_signals(rows, draws=100)


def views_of(images, noise, seed=1):
    return images + noise * gaussian(2, *images.shape, seed=seed)


def one_way(noise, seed=0):
    return torch.ones(2, N, DIM, dtype=torch.float32) + noise * gaussian(2, N, DIM, seed=seed)


def points(count, noise=0.01):
    return views_of(gaussian(count, DIM)[torch.arange(N) % count], noise)


def flat(directions):
    return views_of(gaussian(N, directions) @ gaussian(directions, DIM, seed=3), 1e-3)


GOOD = views_of(gaussian(N, DIM), 0.3)
RANDOM = views_of(gaussian(N, DIM), 1.5)
"""A random encoder: views find their image now and then."""
TWIN = layer(RANDOM)


def close(value, reach=0.1):
    return Estimate(value=value, low=value - reach, high=value + reach)


def gain(odds, *, reach=0.1, random=0.2):
    share = 1 / (1 + (1 - random) / random / 2.718281828 ** min(odds, 30.0))
    return RecallGain(trained=close(share, 0.01), random=close(random, 0.01), odds=close(odds, reach))


def gains(own=4.0, standard=3.0, *, residual=3.0, bait=0.1, random_bait=0.5, **more):
    """What is known of learning: gains far beyond noise, unless another is given."""
    return LearningSignals(
        own=gain(own, **more),
        standard={name: gain(standard) for name in ("crop", "colour", "crop and colour", "affine", "all")},
        residual={"own": gain(residual)},
        bait=close(bait, 0.02),
        random_bait=close(random_bait, 0.02),
    )


def signals(h=GOOD, z=None, *, reference=TWIN, **changes):
    """Signals of rows [2 n dim] beside the twin's; all is well but for the changes."""
    whole = Signals(
        h=None if h is None else layer(h),
        z=None if z is None else layer(z),
        reference_h=reference,
        reference_z=None if z is None else reference,
        reference="a random encoder of the same shape on the same views",
        equal_views=0.0,
        faults=WELL,
        learning=gains(),
    )
    return replace(whole, **changes)
