"""Is it learning? Better than its random twin at telling images apart, under its own views and under standard ones."""

from collections.abc import Sequence
from dataclasses import dataclass

from contrascope.diagnosis.causes import NO_OP, Known, learning_cause
from contrascope.diagnosis.learning_signals import LearningSignals
from contrascope.diagnosis.signals import Signals
from contrascope.diagnosis.verdict import Answer
from contrascope.intervals import Estimate
from contrascope.records.shortcut import COLOURS, STATISTICS
from contrascope.records.vocabulary import LearningWord, SoundWord
from contrascope.theory.factors.gallery_recall import RecallGain

HARD = ("crop and colour", "crop")
"""Standard views, the hardest first: the first that these images allow decides."""


@dataclass(frozen=True, kw_only=True)
class LearningCuts:
    """Where the answer cuts; `benchmarks/verdict.py` tries them with each data set and each kind of fault left out."""

    own: float = 0.25
    """Log odds over the twin's, under the own views, ..."""
    standard: float = 0.1
    """... and under the hard standard views, from which a gain is called learning and not barely learning."""
    easy: float = 0.8
    """Recall of the random twin above which the own policy tells nothing."""
    bait: float = 0.5
    """Share of views that lie nearer to their own shuffled pixels, above which colours alone may be told apart."""


CUTS = LearningCuts()


def is_learning(
    signals: Signals, sound: Answer[SoundWord], known: Known, cuts: LearningCuts = CUTS
) -> Answer[LearningWord]:
    """The answer; never of an unsound representation, whose numbers say nothing about learning."""
    if sound.word != "sound":
        return Answer(
            word="cannot be told", reason="it is not sound", next="Mend what is unsound, then measure again."
        )
    found = signals.learning
    if found is None:
        return _without_twin(signals)
    hard = hardest(found)
    decides = found.own if hard is None else found.standard[hard]
    evidence = [_gain("under its own views", found.own)]
    evidence += [] if hard is None else [_gain(f"under standard views ({hard})", decides)]
    own, standard = found.own.odds, decides.odds
    if found.own.random.value > cuts.easy and standard.low <= 0:
        return _too_easy(signals, found, evidence)
    if (own.low <= 0 and standard.low <= 0) or own.high < 0 or standard.high < 0:
        told = learning_cause(signals, known)
        return Answer(word="not learning", evidence=tuple(evidence), cause=told.cause, next=told.next)
    shortcut = _shortcut(found, cuts)
    if shortcut is not None:
        return Answer(
            word="may rest on a shortcut",
            reason=shortcut[0],
            evidence=(*evidence, shortcut[1]),
            cause="Colour, brightness or sharpness survive the augmentation in both views, and suffice to tell images "
            "apart.",
            next="Distort what is left in the views: stronger colour distortion (d), colour dropping (c), "
            "smaller crops; or "
            "cut the background away.",
        )
    if own.value < cuts.own or standard.value < cuts.standard or own.low <= 0 or standard.low <= 0:
        return Answer(
            word="barely learning",
            reason=_both(own, standard, hard),
            evidence=tuple(evidence),
            cause="The gain over random weights is small, or not beyond noise under both kinds of views.",
            next="More training may help; then measure again. A few labels decide whether it is useful.",
        )
    return Answer(
        word="learning",
        reason=_both(own, standard, hard),
        evidence=tuple(evidence),
        next="Whether it serves your classes, a few labels tell: contrascope label.",
    )


def hardest(found: LearningSignals) -> str | None:
    """The standard views that decide; None of plain arrays."""
    return next((name for name in HARD if name in found.standard), None)


def _without_twin(signals: Signals) -> Answer[LearningWord]:
    if signals.h is not None and signals.h.views is None:
        return Answer(
            word="cannot be told",
            reason="one view of each image",
            evidence=(
                "Learning shows only where several views of an image are compared with random weights'.",
            ),
            next="Diagnose the encoder with its images: contrascope diagnose ENCODER DATA.",
        )
    return Answer(
        word="cannot be told",
        reason="nothing to compare with",
        evidence=("There is no random encoder with the same views beside it.",),
        next="Diagnose the encoder with its images, or give reference=: what the model makes of the views with random "
        "weights.",
    )


def _too_easy(signals: Signals, found: LearningSignals, evidence: Sequence[str]) -> Answer[LearningWord]:
    nothing = signals.equal_views > NO_OP
    return Answer(
        word="policy too easy to tell",
        reason="it changes nothing" if nothing else "random weights find their image too",
        evidence=tuple(evidence),
        cause=learning_cause(signals, Known()).cause
        if nothing
        else f"Random weights find the image of a view in {100 * found.own.random.value:.0f} % of galleries: "
        "nothing has to be learnt for that.",
        next="Give a policy that acts on this data: larger crops, stronger colour or geometry.",
    )


def _shortcut(found: LearningSignals, cuts: LearningCuts) -> tuple[str, str] | None:
    """A statistic that the gain may rest on, and its evidence."""
    if found.bait is None or found.random_bait is None:
        return None
    if found.bait.low > cuts.bait and found.bait.low > found.random_bait.high:
        return (
            COLOURS,
            f"For {100 * found.bait.value:.0f} % of the images a view lies nearer to its own pixels in random "
            "order than to "
            f"another view; for the random encoder {100 * found.random_bait.value:.0f} %.",
        )
    own, rest = found.own.odds, found.residual["own"].odds
    if own.low > 0 and rest.high < 0:
        return (
            STATISTICS,
            f"Without what mean, contrast and sharpness of a view predict, the gain under its own views is gone "
            f"(odds {_times(rest)}).",
        )
    return None


def _gain(where: str, found: RecallGain) -> str:
    mine, other = found.trained, found.random
    return (
        f"{where[0].upper()}{where[1:]}, a view finds another view of its image first among 100 in "
        f"{_share(mine)} of cases, with random weights in {_share(other)}: odds {_times(found.odds)}."
    )


def _share(found: Estimate) -> str:
    return f"{100 * found.value:.1f} % [{100 * found.low:.1f}, {100 * found.high:.1f}]"


def _both(own: Estimate, standard: Estimate, hard: str | None) -> str:
    first = f"odds {_times(own)} under its own views"
    return first if hard is None else f"{first}, {_times(standard)} under standard ones"


def _times(odds: Estimate) -> str:
    """A log odds ratio as a factor with its interval."""
    value, low, high = (2.718281828459045 ** min(one, 99.0) for one in (odds.value, odds.low, odds.high))
    return f"x {value:.2g} [{low:.2g}, {high:.2g}]"
