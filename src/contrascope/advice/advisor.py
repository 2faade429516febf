"""What an operation does to a set of images, in a word and a sentence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from contrascope.errors import InputError
from contrascope.intervals import Estimate

Word = Literal["no-op", "destructive", "cannot be told", "saturated", "useful"]

CHANGED = 0.01
"""Share of images below which an operation that changes no others does nothing."""
LOST = 1 / 3
"""Share of what neighbours know about the groups whose loss is destruction (lower end of the interval)."""
HARMLESS = 0.2
"""Share whose loss is none worth speaking of (upper end of the interval)."""
KNOWN = 0.35
"""Share of the way from chance to certainty that neighbours must know of the groups to show a loss."""
FORGOTTEN = 0.05
"""Share of views that find their own image below which nothing of it is left (upper end of the interval)."""
HANDED = 0.65
"""Share of images told from their mirror images above which left and right have a meaning (lower end)."""
SAME_MOVE = 0.98
"""A weaker level that moves pixels by this share of the strongest one does the same."""


@dataclass(frozen=True, kw_only=True)
class ClusterLoss:
    """What views lose of clusters that nobody named."""

    name: str
    """colour, place, turn or shape."""
    clusters: int
    """How many there are."""
    lost: Estimate
    """Share of what the clean images' neighbours know of them above chance that the views lose."""


@dataclass(frozen=True, kw_only=True)
class Level:
    """What an operation does at one strength, always applied."""

    strength: float
    """In the operation's own unit."""
    changed: float
    """Share of images in which some pixel changes by more than 1/255."""
    moved: float
    """Root mean square change of a pixel, in [0, 1]."""
    identity: Estimate
    """Share of views whose nearest clean image is their own, in the description that keeps most."""
    kept: Estimate | None
    """Share of a view's nearest other images that are of its group; None without groups."""
    lost: Estimate | None
    """Share of what the clean images' neighbours know above chance that the views lose; None if they know little."""
    clusters: tuple[ClusterLoss, ...] = ()
    """The same of clear clusters, where there are no labels."""


@dataclass(frozen=True, kw_only=True)
class OperationFacts:
    """An operation at rising strengths."""

    name: str
    """As the catalogue calls it."""
    unit: str
    """How its strength is said, such as "sigma {:g} px"; empty where there is one level."""
    levels: tuple[Level, ...]
    """Rising strength."""
    mirrors: bool
    """Whether it exchanges left and right."""


@dataclass(frozen=True, kw_only=True)
class Background:
    """What the survey found that verdicts read."""

    groups: str
    """The label's name, `hue` for groups of hue found without labels, or empty."""
    labelled: bool
    """Whether the groups are labels that were given."""
    known: Estimate | None
    """Share of an image's nearest others that are of its group."""
    chance: float
    """The same at random."""
    handed: Estimate
    """Share of images told from their mirror images; chance is 0.5."""


@dataclass(frozen=True, kw_only=True)
class OperationVerdict:
    """One word, the strength to use, and why."""

    name: str
    """The operation."""
    word: Word
    """no-op, destructive, cannot be told, saturated or useful."""
    strength: float | None
    """The largest strength that loses nothing worth speaking of; None: leave the operation out."""
    reason: str
    """A sentence with its numbers."""


def neighbours_know(known: Estimate | None, chance: float) -> bool:
    """Whether neighbours tell enough of the groups for a loss to be seen.

    >>> neighbours_know(Estimate(value=0.9, low=0.85, high=0.95), 0.1), neighbours_know(None, 0.1)
    (True, False)
    """
    return known is not None and known.low - chance > KNOWN * (1 - chance)


def judge_operation(facts: OperationFacts, background: Background) -> OperationVerdict:
    """The verdict on one operation.

    In this order: `no-op` if the strongest level changes fewer than 1 % of the images; `destructive` if some level
    loses a third of what neighbours know of the groups, or leaves fewer than 5 % of the views (beyond its interval),
    or none at all, nearest to their own image, or mirrors images whose left and right differ while no labels say that
    this is harmless; `cannot be told` if, without labels, some level loses a third of what neighbours know of clear
    clusters, which may be the classes or not; `saturated` if a weaker level moves pixels as much as the strongest;
    else `useful`.
    """
    if not facts.levels:
        raise InputError(f"operation {facts.name!r} was measured at no strength; expected at least one.")
    top = facts.levels[-1]
    if top.changed < CHANGED:
        return OperationVerdict(
            name=facts.name,
            word="no-op",
            strength=None,
            reason=f"Changes {_percent(top.changed)} of the images, even at {_at(facts, top)}.",
        )
    if facts.mirrors and _means_something(background, top):
        return OperationVerdict(
            name=facts.name, word="destructive", strength=None, reason=_handed_reason(background, top)
        )
    harmful = [level for level in facts.levels if _destroys(level)]
    if harmful:
        return _destructive(facts, background, harmful)
    untold = [level for level in facts.levels if _worst_cluster(level) is not None]
    if untold:
        return _cannot_be_told(facts, untold[0])
    same = next(level for level in facts.levels if level.moved >= SAME_MOVE * top.moved)
    if same.strength < top.strength:
        return OperationVerdict(
            name=facts.name,
            word="saturated",
            strength=same.strength,
            reason=f"Beyond {_at(facts, same)} more strength moves pixels no further "
            f"({same.moved:.3f} against {top.moved:.3f}).",
        )
    usable = _largest_harmless(facts) or facts.levels[0]
    return OperationVerdict(
        name=facts.name,
        word="useful",
        strength=usable.strength,
        reason=_useful(background, usable) + _of_clusters(usable),
    )


def _destroys(level: Level) -> bool:
    forgotten = level.identity.high < FORGOTTEN or level.identity.value == 0
    return forgotten or (level.lost is not None and level.lost.low > LOST)


def _worst_cluster(level: Level) -> ClusterLoss | None:
    """The clusters that the views lose most of, where they lose a third for sure."""
    found = [one for one in level.clusters if one.lost.low > LOST]
    return max(found, key=lambda one: one.lost.value, default=None)


def _cannot_be_told(facts: OperationFacts, level: Level) -> OperationVerdict:
    worst, safe = _worst_cluster(level), _largest_harmless(facts)
    assert worst is not None
    if safe is not None and safe.strength > level.strength:
        safe = None
    use = "It is left out" if safe is None else f"It is used up to {_at(facts, safe)}"
    return OperationVerdict(
        name=facts.name,
        word="cannot be told",
        strength=None if safe is None else safe.strength,
        reason=(
            f"The images fall into {worst.clusters} clear clusters of {worst.name}, and at {_at(facts, level)} views "
            f"lose {_percent(worst.lost.value)} ({_between(worst.lost)}) of what neighbours know of them. Whether "
            f"these clusters are your classes, only labels tell. {use} until then."
        ),
    )


def _means_something(background: Background, level: Level) -> bool:
    """Left and right differ, and no labels show that the groups survive the exchange."""
    harmless = background.labelled and level.lost is not None and level.lost.high < HARMLESS
    return background.handed.low > HANDED and not harmless


def _largest_harmless(facts: OperationFacts) -> Level | None:
    fine = [
        level
        for level in facts.levels
        if not _destroys(level)
        and (level.lost is None or level.lost.high < HARMLESS)
        and all(one.lost.high < HARMLESS for one in level.clusters)
    ]
    return fine[-1] if fine else None


def _destructive(facts: OperationFacts, background: Background, harmful: Sequence[Level]) -> OperationVerdict:
    first = harmful[0]
    if first.lost is not None and first.lost.low > LOST:
        what = background.groups if background.labelled else f"the groups of {background.groups}"
        reason = (
            f"At {_at(facts, first)} views lose {_percent(first.lost.value)} ({_between(first.lost)}) of what "
            f"neighbours know of {what}: what tells them apart vanishes."
        )
    else:
        own = _percent(first.identity.value)
        reason = f"At {_at(facts, first)} only {own} of the views are nearest to their own image."
    safe = _largest_harmless(facts)
    if safe is not None and safe.strength > first.strength:
        safe = None
    advice = (
        "Leave it out." if safe is None else f"Up to {_at(facts, safe)} it may be used{_small_loss(safe)}."
    )
    return OperationVerdict(
        name=facts.name,
        word="destructive",
        strength=None if safe is None else safe.strength,
        reason=f"{reason} {advice}",
    )


def _small_loss(level: Level) -> str:
    return "" if level.lost is None else f": {_percent(max(0.0, level.lost.value))} is lost"


def _handed_reason(background: Background, level: Level) -> str:
    told = f"{_percent(background.handed.value)} ({_between(background.handed)})"
    reason = (
        f"A simple rule tells {told} of the images from their mirror images, so left and right mean something"
    )
    if background.labelled and level.lost is not None:
        reason += (
            f"; flipped, they lose {_percent(level.lost.value)} ({_between(level.lost)}) of what neighbours know "
            f"of {background.groups}"
        )
    return f"{reason}. Leave it out."


def _of_clusters(level: Level) -> str:
    """What is lost of clear clusters, as a sentence more."""
    parts = [
        f"{_percent(max(0.0, one.lost.value))} ({_between(one.lost)}) of what they know of {one.clusters} clusters of "
        f"{one.name}"
        for one in level.clusters
    ]
    return f" Neighbours lose {' and '.join(parts)}." if parts else ""


def _useful(background: Background, level: Level) -> str:
    if level.lost is not None:
        of = background.groups if background.labelled else f"groups of {background.groups}"
        return f"Loses {_percent(max(0.0, level.lost.value))} ({_between(level.lost)}) of what neighbours know of {of}."
    kept = f"{_percent(level.identity.value)} of the views stay nearest to their own image."
    if background.known is None:
        return kept
    return (
        f"{kept} Neighbours know too little of {background.groups} to show a loss "
        f"({_percent(background.known.value)}, chance {_percent(background.chance)})."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _between(share: Estimate) -> str:
    return f"{100 * share.low:.0f} to {100 * share.high:.0f} %"


def _at(facts: OperationFacts, level: Level) -> str:
    return facts.unit.format(level.strength) if facts.unit else "full strength"
