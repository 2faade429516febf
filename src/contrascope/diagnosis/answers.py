"""The three answers from signals, and from labels where there are some."""

from contrascope.diagnosis.causes import Known
from contrascope.diagnosis.learning import is_learning
from contrascope.diagnosis.signals import Signals
from contrascope.diagnosis.sound import is_sound
from contrascope.diagnosis.verdict import Answer, Verdict
from contrascope.records.vocabulary import UsefulWord

WITHOUT_LABELS: Answer[UsefulWord] = Answer(
    word="cannot be told without labels",
    evidence=("Whether a representation serves certain classes depends on the classes.",),
    next="Label a few images: contrascope label RUN; then contrascope diagnose RUN --labelled RUN/label.csv.",
)
"""What nobody can know."""


def judge(
    signals: Signals, *, known: Known | None = None, useful: Answer[UsefulWord] = WITHOUT_LABELS
) -> Verdict:
    """Sound and learning from label-free signals; `useful` comes from labels. `known` only words causes."""
    known = known or Known()
    sound = is_sound(signals, known)
    return Verdict(sound=sound, learning=is_learning(signals, sound, known), useful=useful)
