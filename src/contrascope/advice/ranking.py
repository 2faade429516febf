"""The ranking of policies, and which of them is recommended: none that has not learnt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contrascope.advice.policies import Candidate
from contrascope.advice.proxies import ProxyScore, value_of
from contrascope.errors import InputError
from contrascope.intervals import Estimate


def learnt(score: ProxyScore, random: ProxyScore, *, labelled: bool) -> bool:
    """Whether a short training is better than random weights: its interval lies above their score.

    >>> one, other = (Estimate(value=v, low=v - 0.1, high=v + 0.1) for v in (0.5, 0.3))
    >>> rows = [ProxyScore(epochs=1, seconds=0.0, retrieval=v, lidar=1.0, rankme=1.0, knn=None) for v in (one, other)]
    >>> learnt(*rows, labelled=False), learnt(rows[1], rows[1], labelled=False)
    (True, False)
    """
    return value_of(score, labelled=labelled).low > value_of(random, labelled=labelled).value


def first_that_learns(
    best: Sequence[Candidate],
    proxies: Mapping[str, ProxyScore],
    random: ProxyScore | None,
    *,
    labelled: bool,
) -> Candidate | None:
    """The first whose short training is better than random weights; the first of all where none was trained."""
    if random is None or not proxies:
        return best[0]
    return next(
        (one for one in best if one.name in proxies and learnt(proxies[one.name], random, labelled=labelled)),
        None,
    )


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A policy and how it did."""

    name: str
    """What it is, in words."""
    stage: int
    """How far it came: rounds of training that it was kept for; 0 without training."""
    score: Estimate
    """Larger is better; comparable within a stage only."""
    measure: str
    """What the score is."""


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A place in the ranking."""

    place: int
    """From 1."""
    name: str
    """The policy."""
    stage: int
    """Rounds of training."""
    score: Estimate
    """Its score in its last stage."""
    reason: str
    """A sentence."""


def ranking(scored: Sequence[Scored]) -> tuple[Ranked, ...]:
    """Policies best first: those that came farther before the others, then by score; ties keep their order.

    Successive halving (Jamieson and Talwalkar 2016, arXiv:1502.07943): a policy that was dropped early was not
    trained as long, so its score is not compared with those of later stages.

    >>> one, two = (Estimate(value=v, low=v - 0.1, high=v + 0.1) for v in (0.4, 0.9))
    >>> rows = [Scored(name="a", stage=1, score=one, measure="kNN"), Scored(name="b", stage=0, score=two, measure="d")]
    >>> [row.name for row in ranking(rows)]
    ['a', 'b']
    """
    if not scored:
        raise InputError("there is no policy to rank; expected at least one.")
    order = sorted(scored, key=lambda row: (-row.stage, -row.score.value))
    return tuple(
        Ranked(
            place=place,
            name=row.name,
            stage=row.stage,
            score=row.score,
            reason=_reason(row, order[0]),
        )
        for place, row in enumerate(order, start=1)
    )


def _reason(row: Scored, best: Scored) -> str:
    said = f"{row.measure} {_number(row.score)}"
    if row is best:
        return f"{said}, the highest{' of the last round' if row.stage else ''}."
    if row.stage < best.stage and row.stage == 0:
        return f"{said}; not trained within the budget."
    if row.stage < best.stage:
        return f"{said}; dropped after round {row.stage}, so compared only with that round."
    if row.score.high >= best.score.low:
        return f"{said}; its interval meets that of the best, so the two are not told apart."
    return f"{said}, {best.score.value - row.score.value:.3f} below the best."


def _number(score: Estimate) -> str:
    return f"{score.value:.3f} ({score.low:.3f} to {score.high:.3f})"
