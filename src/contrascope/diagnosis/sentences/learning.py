"""Is an encoder of sentences learning? Better than its random twin where counts of words hardly help."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.diagnosis.checks.findings import CUTS as SOUND_CUTS
from contrascope.diagnosis.checks.findings import SoundCuts
from contrascope.diagnosis.learning import CUTS, LearningCuts
from contrascope.diagnosis.signals import unit_spread
from contrascope.diagnosis.verdict import Answer
from contrascope.intervals import GROUPS, Estimate
from contrascope.records.vocabulary import LearningWord, SoundWord
from contrascope.theory.factors.gallery_recall import RecallGain, gallery_recall, mean_gain

HALVES = "disjoint halves"
"""The standard views of sentences: the words before the middle, and those after it. They share no place."""


@dataclass(frozen=True, kw_only=True)
class TextLearning:
    """What the answer rests on."""

    halves: RecallGain
    """Encoder over its twin: the other half of a sentence is found among 100."""
    words: RecallGain | None
    """Encoder over TF-IDF on the same halves; None where nothing was counted."""
    equal: float | None
    """Share of the sentences whose two views, as it was trained, give one vector; None without training views."""
    spread: float = 1.0
    """Variance of the unit rows of both halves with dropout off, in [0, 1]."""
    twin_spread: float = 1.0
    """The same of the twin."""


def text_learning(
    encoder: Float[Tensor, "two n dim"],
    twin: Float[Tensor, "two n other"],
    words: Float[Tensor, "two n size"] | None,
    *,
    equal: float | None,
    draws: int = 200,
) -> TextLearning:
    """Recalls of the halves by encoder, twin and TF-IDF, compared on the same sentences."""
    groups = GROUPS if draws else 0
    mine, other = (gallery_recall(rows, groups=groups)[None] for rows in (encoder, twin))
    counted = None if words is None else gallery_recall(words, groups=groups)[None]
    return TextLearning(
        halves=mean_gain(mine, other),
        words=None if counted is None else mean_gain(mine, counted),
        equal=equal,
        spread=unit_spread(encoder.flatten(0, 1).double()),
        twin_spread=unit_spread(twin.flatten(0, 1).double()),
    )


def sound_at_rest(
    sound: Answer[SoundWord], found: TextLearning | None, *, cuts: SoundCuts = SOUND_CUTS
) -> Answer[SoundWord]:
    """The answer with dropout off: what differs between rows of a collapsed encoder may all be dropout's.

    The cuts are those of one direction on images: a variance of 0.001, or a tenth of the twin's where that is less.
    """
    if found is None or sound.word != "sound" or found.spread >= min(cuts.spread, 0.1 * found.twin_spread):
        return sound
    return Answer(
        word="unsound",
        reason="complete collapse",
        evidence=(
            f"With dropout off all sentences have nearly one vector: the variance of unit rows is {found.spread:.2g}, "
            f"with random weights {found.twin_spread:.2g}. What differs in training is dropout's.",
            *sound.evidence,
        ),
        cause="Nothing in the loss drives sentences apart, or the learning rate was too high.",
        next="Use a loss with negatives, or with variance and covariance terms; lower the learning rate.",
    )


def both_answers(
    sound: Answer[SoundWord], found: TextLearning | None
) -> tuple[Answer[SoundWord], Answer[LearningWord]]:
    """Sound also with dropout off, and learning."""
    at_rest = sound_at_rest(sound, found)
    return at_rest, is_text_learning(found, at_rest)


def is_text_learning(
    found: TextLearning | None, sound: Answer[SoundWord], *, cuts: LearningCuts = CUTS
) -> Answer[LearningWord]:
    """The answer; `cuts.standard` is that of images, and was not tried on encoders of sentences.

    That a view finds its own sentence proves nothing where both hold the same words; halves share none by place.
    """
    if sound.word != "sound":
        return Answer(
            word="cannot be told", reason="it is not sound", next="Mend what is unsound, then measure again."
        )
    if found is None:
        return Answer(
            word="cannot be told",
            reason="nothing to compare with",
            evidence=("There is no random encoder of the same shape beside it.",),
        )
    odds, evidence = found.halves.odds, tuple(_evidence(found))
    if found.equal is not None and found.equal > 0.5:
        return Answer(
            word="not learning",
            reason="its two views are one",
            evidence=(
                f"The two views of {100 * found.equal:.0f} % of the sentences give the same vector in training.",
                *evidence,
            ),
            cause="Dropout is off, or one mask serves both views: the positive pair is exact at no cost, and the "
            "loss only drives sentences apart.",
            next="Set encoder.dropout and encoder.attention_dropout to 0.1, views.same_mask to false, or give views "
            "that change words.",
        )
    if odds.low <= 0:
        return Answer(
            word="not learning",
            evidence=evidence,
            cause="Random weights find the other half of a sentence as often.",
            next="Hide more of the words in the views (views.first delete=0.5), or look at rate and temperature.",
        )
    if odds.value < cuts.standard:
        return Answer(
            word="barely learning",
            reason=_times(odds),
            evidence=evidence,
            next="More training may help; then measure again.",
        )
    return Answer(
        word="learning",
        reason=f"odds {_times(odds)} over random weights, on {HALVES}",
        evidence=evidence,
        next="Whether it beats counts of words at your task, scored pairs tell: contrascope evaluate RUN FOLDER "
        "--suite sts.",
    )


def equal_views(rows: Float[Tensor, "views n dim"]) -> float:
    """Share of sentences whose first two views give one vector, within a millionth of its length.

    >>> equal_views(torch.ones(2, 3, 4))
    1.0
    """
    gap = (rows[0] - rows[1]).norm(dim=1)
    return float((gap <= 1e-6 * rows[0].norm(dim=1)).double().mean())


def _evidence(found: TextLearning) -> list[str]:
    mine, twin = found.halves.trained, found.halves.random
    lines = [
        f"Half of a sentence finds the other half first among 100 in {_share(mine)} of cases, with random weights in "
        f"{_share(twin)}: odds {_times(found.halves.odds)}."
    ]
    if found.words is not None:
        odds = found.words.odds
        word = "more often than" if odds.low > 0 else "less often than" if odds.high < 0 else "as often as"
        lines.append(f"That is {word} TF-IDF, which needs no training: {_share(found.words.random)}.")
    return lines


def _share(found: Estimate) -> str:
    return f"{100 * found.value:.1f} % [{100 * found.low:.1f}, {100 * found.high:.1f}]"


def _times(odds: Estimate) -> str:
    """A log odds ratio as a factor with its interval."""
    value, low, high = torch.tensor([odds.value, odds.low, odds.high]).clamp_max(99.0).exp().tolist()
    return f"x {value:.2g} [{low:.2g}, {high:.2g}]"
