"""What a notebook shows of a diagnosis: the verdict and the main signals beside their reference."""

from contrascope.diagnosis.signals import LayerSignals, Signals
from contrascope.diagnosis.verdict import Verdict
from contrascope.intervals import Estimate
from contrascope.notebook import Summary
from contrascope.records.lookup import verdict_word
from contrascope.records.vocabulary import LAYERS, SIGNALS


def diagnosis_summary(verdict: Verdict, signals: Signals) -> Summary:
    """The verdict with evidence, cause and advice; the main signals of encoder and projector beside their reference."""
    known = {title: layer for name, title in LAYERS.items() if (layer := getattr(signals, name)) is not None}
    rows = [
        (one.named, *(_shown(layer, one.path) for layer in known.values())) for one in SIGNALS if one.main
    ]
    return Summary(
        title="Diagnosis without labels",
        word=verdict.word,
        mark=verdict_word(verdict.word).sign,
        sentences=verdict_sentences(verdict),
        head=("signal", *known),
        rows=[row for row in rows if set(row[1:]) - {"–"}],
        note=f"Reference: {signals.reference}. In brackets: 95 % intervals.",
    )


def verdict_sentences(verdict: Verdict) -> tuple[str, ...]:
    """Evidence, then cause and advice where there are any.

    >>> verdict_sentences(Verdict(word="healthy", evidence=("a",), cause="", next="b"))
    ('a', 'b')
    """
    return (*verdict.evidence, *(text for text in (verdict.cause, verdict.next) if text))


def _shown(layer: LayerSignals, path: str) -> str:
    value: object = layer
    for part in path.split("."):
        value = getattr(value, part, None)
    if isinstance(value, Estimate):
        middle = f"{value.value:.3g}"
        return middle if value.low == value.high else f"{middle} [{value.low:.3g}, {value.high:.3g}]"
    return f"{value:.3g}" if isinstance(value, int | float) else "–"
