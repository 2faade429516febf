"""What a notebook shows of a diagnosis: the three answers and the main signals beside their reference."""

from contrascope.diagnosis.signals import LayerSignals, Signals
from contrascope.diagnosis.verdict import Verdict
from contrascope.intervals import Estimate
from contrascope.notebook import Summary
from contrascope.records.answers import shown_answers
from contrascope.records.vocabulary import LAYERS, SIGNALS


def diagnosis_summary(verdict: Verdict, signals: Signals) -> Summary:
    """The answers with evidence, cause and advice; the main signals of encoder and projector beside their reference."""
    known = {title: layer for name, title in LAYERS.items() if (layer := getattr(signals, name)) is not None}
    rows = [
        (one.named, *(_shown(layer, one.path) for layer in known.values())) for one in SIGNALS if one.main
    ]
    return Summary(
        title="Diagnosis",
        answers=tuple((one.line, one.sentences) for one in shown_answers(verdict)),
        head=("signal", *known),
        rows=[row for row in rows if set(row[1:]) - {"–"}],
        note=f"Reference: {signals.reference}. In brackets: 95 % intervals.",
    )


def _shown(layer: LayerSignals, path: str) -> str:
    value: object = layer
    for part in path.split("."):
        value = getattr(value, part, None)
    if isinstance(value, Estimate):
        middle = f"{value.value:.3g}"
        return middle if value.low == value.high else f"{middle} [{value.low:.3g}, {value.high:.3g}]"
    return f"{value:.3g}" if isinstance(value, int | float) else "–"
