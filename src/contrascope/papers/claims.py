"""A claim of a paper as a rule that was written down before the runs, and what the seeds say of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from contrascope.papers.values import NotMeasuredError, SeedValues, UndecidedError
from contrascope.sweeps.compared import seeds_mean

HOLDS, FAILS, UNCERTAIN, MISSING = (
    "holds",
    "does not hold",
    "cannot be told at this scale",
    "not measured yet",
)
"""What is said of a claim."""
HOLDS_ONCE, FAILS_ONCE = "holds in the only seed", "does not hold in the only seed"
"""What is said where one seed is all there is: how much it varies is not known, so it is no answer yet."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One line of docs/papers/claims.md."""

    key: str
    """Its name there, such as H1."""
    says: str
    """What the paper says."""
    rule: str
    """What the deciding number is, in words."""
    decide: Callable[[SeedValues], float]
    """The deciding number of a seed: the rule holds where it is above 0."""
    equal: bool = False
    """Whether the rule holds at 0 too."""


@dataclass(frozen=True, kw_only=True)
class ClaimAnswer:
    """What the seeds say of a claim."""

    claim: Claim
    """The claim."""
    word: str
    """One of the six."""
    numbers: dict[str, float] = field(default_factory=dict)
    """Seed to deciding number."""
    why: str = ""
    """What decided beside the seeds, or what is missing."""


def answer(claim: Claim, seeds: Mapping[str, SeedValues]) -> ClaimAnswer:
    """The claim holds if its rule holds in every seed, does not if it fails in every seed; else it cannot be told.

    Nor can it where the 95 % interval over seeds of the deciding number reaches both sides of 0; of one seed alone,
    which has no interval, it is said what it shows. Seeds in which a number is missing do not count.

    >>> better = Claim(key="X", says="", rule="", decide=lambda seed: seed("a", "knn") - seed("b", "knn"))
    >>> answer(better, {}).word
    'not measured yet'
    """
    numbers, word, why = {}, MISSING, ""
    for name, seed in seeds.items():
        try:
            numbers[name] = claim.decide(seed)
        except UndecidedError as cause:
            word, why = UNCERTAIN, str(cause)
        except NotMeasuredError as missing:
            why = f"missing: {missing}"
    if not numbers:
        return ClaimAnswer(claim=claim, word=word, why=why)
    right = [value >= 0 if claim.equal else value > 0 for value in numbers.values()]
    if any(right) and not all(right):
        return ClaimAnswer(claim=claim, word=UNCERTAIN, numbers=numbers, why="the seeds differ")
    found = seeds_mean(list(numbers.values()))
    if (
        found is not None
        and found.low is not None
        and found.high is not None
        and found.low <= 0 <= found.high
    ):
        said = f"95 % over seeds: {found.low:.3g} to {found.high:.3g}"
        if found.low < found.high:
            return ClaimAnswer(claim=claim, word=UNCERTAIN, numbers=numbers, why=said)
    yes, no = (HOLDS_ONCE, FAILS_ONCE) if len(numbers) == 1 else (HOLDS, FAILS)
    return ClaimAnswer(claim=claim, word=yes if all(right) else no, numbers=numbers)
