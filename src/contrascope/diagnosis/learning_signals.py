"""Is an encoder better than random weights at telling images apart? Under its own views, and under standard ones."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from contrascope.diagnosis.exhibits import Exhibits, ShownRows
from contrascope.diagnosis.trivial import predicted
from contrascope.intervals import GROUPS, Estimate, share_estimate
from contrascope.linalg import non_finite, unit_rows
from contrascope.theory.factors.gallery_recall import RecallGain, gallery_recall, mean_gain

BOTH = "all"
"""The mean over the standard policies."""


@dataclass(frozen=True, kw_only=True)
class LearningSignals:
    """Encoder against its random twin; shares in galleries of 100 images, so that their number does not matter.

    Of plain arrays `own` alone is known.
    """

    own: RecallGain
    """Under the policy that it was trained with."""
    standard: dict[str, RecallGain]
    """Under each standard policy, and the mean over `all`."""
    residual: dict[str, RecallGain]
    """The same with what trivial statistics of the views predict taken away from both encoders; `own` among them."""
    bait: Estimate | None = None
    """Share of images whose view is nearer to its own shuffled pixels than to its other view, in [0, 1]."""
    random_bait: Estimate | None = None
    """The same of the twin."""


def array_gain(
    rows: Float[Tensor, "views n dim"], reference: Float[Tensor, "known m other"], *, draws: int = 200
) -> LearningSignals | None:
    """The gain of arrays over those of the same model with random weights; None with one view or values not finite.

    Of as many views and images as both have.
    """
    if min(len(rows), len(reference)) < 2 or any(non_finite(one.flatten(0, 1)) for one in (rows, reference)):
        return None
    groups = GROUPS if draws else 0
    views, count = (min(rows.shape[axis], reference.shape[axis]) for axis in (0, 1))
    both = (gallery_recall(one[:views, :count], groups=groups)[None] for one in (rows, reference))
    return LearningSignals(own=mean_gain(*both), standard={}, residual={})


def learning_signals(
    trained: ShownRows, random: ShownRows, exhibits: Exhibits, *, draws: int = 200, seed: int = 0
) -> LearningSignals | None:
    """Gains of an encoder over its twin on the same views; None where a value is not finite.

    With `draws` of 0 the intervals are points.
    """
    groups = GROUPS if draws else 0
    parts = [
        rows for shown in (trained, random) for rows in (shown.h, shown.shuffled, *shown.standard.values())
    ]
    if any(non_finite(rows.flatten(0, -2)) for rows in parts):
        return None

    def recall(rows: Tensor) -> Tensor:
        return gallery_recall(rows, groups=groups)

    def gain(mine: Tensor, other: Tensor) -> RecallGain:
        return mean_gain(mine[None], other[None])

    def rest(rows: Tensor, statistics: Tensor) -> Tensor:
        unit = unit_rows(rows.flatten(0, 1)).view(rows.shape).double()
        return recall(unit - predicted(unit, statistics, seed=seed).rows)

    own_rest = [rest(shown.h[:2], exhibits.own.statistics[:2]) for shown in (trained, random)]
    plain, residual = {}, {}
    for name, views in exhibits.standard.items():
        plain[name] = [recall(shown.standard[name]) for shown in (trained, random)]
        residual[name] = [rest(shown.standard[name], views.statistics) for shown in (trained, random)]
    return LearningSignals(
        own=gain(recall(trained.h), recall(random.h)),
        standard={name: gain(*both) for name, both in plain.items()} | {BOTH: _mean(plain)},
        residual={"own": gain(*own_rest)}
        | {name: gain(*both) for name, both in residual.items()}
        | {BOTH: _mean(residual)},
        bait=_bait(trained, exhibits, draws),
        random_bait=_bait(random, exhibits, draws),
    )


def _mean(found: dict[str, list[Tensor]]) -> RecallGain:
    mine, other = (torch.stack([both[place] for both in found.values()]) for place in (0, 1))
    return mean_gain(mine, other)


def _bait(shown: ShownRows, exhibits: Exhibits, draws: int) -> Estimate:
    """Ties count for the bait."""
    bait, other = bait_cosines(shown, exhibits)
    return share_estimate((bait >= other).double(), draws=draws)


def bait_cosines(shown: ShownRows, exhibits: Exhibits) -> Float64[Tensor, "two some"]:
    """Cosines of the first view of the chosen images with its shuffled pixels, and with the second view."""
    view, other = (unit_rows(shown.h[place, exhibits.chosen].double()) for place in (0, 1))
    bait = unit_rows(shown.shuffled.double())
    return torch.stack(((view * bait).sum(dim=1), (view * other).sum(dim=1)))
