"""Has a continued training lost what its encoder could at the start? Beside that start, on the same views."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from contrascope.diagnosis.exhibits import Exhibits, ShownRows
from contrascope.diagnosis.learning_signals import learning_signals
from contrascope.intervals import Estimate, generator, grouped_estimate, mean_estimate
from contrascope.linalg import nearest, non_finite, unit_rows
from contrascope.records.forgetting import ForgettingWord
from contrascope.theory.factors.gallery_recall import RecallGain
from contrascope.theory.factors.spectrum import spectrum

NEIGHBOURS = 10
"""Nearest images that are compared."""
MOST = 1000
"""Images that are looked at; of more that many, drawn at random."""
LEAST = 50
"""Images below which nothing is said."""
LEAST_OWN = 0.1
"""Share of the start that random weights do not tell, below which there is nothing to forget."""
RIDGE = 1e-2
"""Penalty of the regression, of rows whose variance is 1 in all."""
FORGOTTEN = 0.53
"""Share of the start that is kept, below which the alarm is raised; `benchmarks/forgetting.py` has the cases."""
WORSE = -1.0
"""Log odds of finding an image's other view over the start's, under the standard views that suffered most, below which
it is raised too: the odds are a third and less."""

NEXT = (
    "Start again with a smaller learning rate (--optim.lr, a tenth first), or train fewer weights: "
    "--encoder.train-last 1, or --encoder.lora 8."
)
"""What is to be tried first."""
CUT = f"; below {WORSE:+.0f} the alarm is raised"


@dataclass(frozen=True, kw_only=True)
class Forgetting:
    """What is left of a start, and what was gained over it; of encoder outputs."""

    word: ForgettingWord
    """The alarm, or that there is none."""
    reason: str
    """What decided where it cannot be told; else empty."""
    images: int
    """Images that were looked at."""
    kept: Estimate | None
    """Of what the start's rows hold beyond a random network's, the share that a linear map of today's gives on images
    that it did not see: (R2 of today's - R2 of random weights) / (R2 of the start's own - R2 of random weights). 1 is
    all; below 0 random weights give more."""
    explained: float | None
    """Share of the variance of the start's rows that a linear map of today's gives, on images that it did not see."""
    random_explained: float | None
    """The same of random weights."""
    neighbours: Estimate | None
    """Share of an image's 10 nearest images at the start that are among its 10 nearest today, in [0, 1]."""
    random_neighbours: float | None
    """The same of random weights."""
    rank: float | None
    """Effective rank over that of the start."""
    own: RecallGain | None
    """Gain over the start at finding an image's other view, under the run's own views."""
    standard: RecallGain | None
    """The same under the standard views that suffered most."""


def forgetting(
    now: ShownRows,
    start: ShownRows,
    random: Float[Tensor, "n dim"] | None,
    exhibits: Exhibits,
    *,
    draws: int = 200,
    seed: int = 0,
) -> Forgetting:
    """Compares an encoder with the one that its training started from, on the views of a diagnosis.

    `random` is what random weights make of the first views; None where there are none: then kept is the share explained
    itself. With `draws` of 0 the intervals are points.
    """
    gains = learning_signals(now, start, exhibits, draws=draws, seed=seed)
    kinds = [] if gains is None else list(gains.standard.values())
    worst = min(kinds, key=lambda one: one.odds.value, default=None)
    own = None if gains is None else gains.own
    chosen = _chosen(now.h.shape[1], seed)
    rows = [one[0][chosen] for one in (now.h, start.h)]
    rows += [] if random is None else [random[chosen]]
    if len(chosen) < LEAST:
        return _untold(f"fewer than {LEAST} images", len(chosen), own, worst)
    if any(non_finite(one) for one in rows):
        return _untold("values that are not finite", len(chosen), own, worst)
    fitted = (
        torch.rand(len(chosen), generator=generator(seed, "fitted"), dtype=torch.float32).argsort()
        < len(chosen) // 2
    )
    errors = [_errors(one, rows[1], fitted) for one in rows]
    total = _spread(rows[1], fitted)

    def explained(place: int, some: Tensor) -> float:
        return max(0.0, 1 - float(errors[place][some].sum() / total[some].sum().clamp_min(1e-12)))

    def kept(some: Tensor) -> float:
        least = 0.0 if random is None else explained(2, some)
        return (explained(0, some) - least) / max(1e-12, explained(1, some) - least)

    everyone = torch.arange(len(total))
    floor = None if random is None else explained(2, everyone)
    same = [_same_neighbours(one, rows[1]) for one in (rows[0], *rows[2:])]
    found = grouped_estimate(kept, len(total), draws=draws)
    nothing = explained(1, everyone) - (floor or 0.0) < LEAST_OWN
    lost = (not nothing and found.value < FORGOTTEN) or (worst is not None and worst.odds.value < WORSE)
    word: ForgettingWord = "forgotten" if lost else "cannot be told" if nothing else "kept"
    return Forgetting(
        word=word,
        reason="random weights tell as much as the start" if nothing and not lost else "",
        images=len(chosen),
        kept=found,
        explained=explained(0, everyone),
        random_explained=floor,
        neighbours=mean_estimate(same[0], draws=draws, seed=seed, key="kept", within=(0.0, 1.0)),
        random_neighbours=None if random is None else float(same[1].mean()),
        rank=_rank(rows[0]) / max(1e-12, _rank(rows[1])),
        own=own,
        standard=worst,
    )


def _untold(reason: str, images: int, own: RecallGain | None, worst: RecallGain | None) -> Forgetting:
    return Forgetting(
        word="cannot be told",
        reason=reason,
        images=images,
        kept=None,
        explained=None,
        random_explained=None,
        neighbours=None,
        random_neighbours=None,
        rank=None,
        own=own,
        standard=worst,
    )


def _chosen(count: int, seed: int) -> Tensor:
    order = torch.randperm(count, generator=generator(seed, "forgetting"))
    return order[:MOST].sort().values


def _errors(
    rows: Float[Tensor, "n dim"], start: Float[Tensor, "n other"], fitted: Bool[Tensor, " n"]
) -> Float64[Tensor, " rest"]:
    """Squared error of the start's rows that are not `fitted`, predicted by a ridge regression on those that are."""
    x, y = unit_rows(rows.double()), unit_rows(start.double())
    mean, centre = x[fitted].mean(dim=0), y[fitted].mean(dim=0)
    x = x - mean
    x = x / x[fitted].var(dim=0).sum().sqrt().clamp_min(1e-12)
    if x.shape[1] > len(x):  # more directions than images: the same regression in fewer terms
        left, values, _ = torch.linalg.svd(x, full_matrices=False)
        x = left * values
    own = x[fitted]
    weight = torch.linalg.solve(
        own.T @ own + RIDGE * torch.eye(own.shape[1], dtype=own.dtype), own.T @ (y[fitted] - centre)
    )
    return (y[~fitted] - centre - x[~fitted] @ weight).square().sum(dim=1)


def _spread(start: Float[Tensor, "n other"], fitted: Bool[Tensor, " n"]) -> Float64[Tensor, " rest"]:
    y = unit_rows(start.double())
    return (y[~fitted] - y[fitted].mean(dim=0)).square().sum(dim=1)


def _same_neighbours(rows: Tensor, start: Tensor) -> Float64[Tensor, " n"]:
    k = min(NEIGHBOURS, len(rows) - 1)
    mine, theirs = (nearest(one, one, k, exclude_self=True).index for one in (rows, start))
    found: Bool[Tensor, "n k k"] = mine[:, :, None] == theirs[:, None, :]
    return found.any(dim=2).double().mean(dim=1)


def _rank(rows: Float[Tensor, "n dim"]) -> float:
    return spectrum(rows).effective_rank


def told(found: Forgetting) -> tuple[tuple[str, ...], str]:
    """The evidence in sentences, and what to do next."""
    evidence: list[str] = []
    if found.kept is not None:
        evidence.append(
            f"Of what the start's features hold beyond random weights', {_percent(found.kept)} is left for a linear "
            f"map of today's; below {100 * FORGOTTEN:.0f} % the alarm is raised."
        )
    if found.neighbours is not None:
        beside = (
            ""
            if found.random_neighbours is None
            else f" (random weights: {100 * found.random_neighbours:.0f} %)"
        )
        evidence.append(
            f"Of the {NEIGHBOURS} images nearest to an image at the start, {_percent(found.neighbours)} are still "
            f"among its {NEIGHBOURS} nearest{beside}."
        )
    if found.rank is not None:
        evidence.append(f"Effective rank: {found.rank:.2f} of the start's.")
    rows = (("its own views", found.own, ""), ("the standard views that suffered most", found.standard, CUT))
    for views, gain, cut in rows:
        if gain is not None:
            evidence.append(
                f"Under {views} another view of an image is found first among 100 in {100 * gain.trained.value:.1f} % "
                f"of cases, at the start in {100 * gain.random.value:.1f} %: log odds {gain.odds.value:+.2f} "
                f"[{gain.odds.low:+.2f}, {gain.odds.high:+.2f}]{cut}."
            )
    return tuple(evidence), NEXT if found.word == "forgotten" else ""


def _percent(found: Estimate) -> str:
    return f"{100 * found.value:.0f} % [{100 * found.low:.0f}, {100 * found.high:.0f}]"
