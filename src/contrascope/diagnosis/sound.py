"""Is it sound? Faults and collapse, each decidable without labels; the cause that explains most comes first."""

from contrascope.diagnosis.causes import Known
from contrascope.diagnosis.checks.collapse import few_directions, few_points, one_direction
from contrascope.diagnosis.checks.faults import (
    batch_dependent,
    batch_norm,
    copied_images,
    dead_units,
    initial_weights,
    other_input,
    stopped,
    unrelated_views,
)
from contrascope.diagnosis.checks.findings import CUTS, Check, SoundCuts
from contrascope.diagnosis.signals import Signals
from contrascope.diagnosis.verdict import Answer
from contrascope.records.vocabulary import SoundWord


def is_sound(signals: Signals, known: Known, cuts: SoundCuts = CUTS) -> Answer[SoundWord]:
    """Every check is made; the first finding names the answer, all give evidence."""
    found = [one for check in CHECKS if (one := check(signals, cuts, known)) is not None]
    if not found:
        return Answer(word="sound", evidence=(_looked_at(signals),))
    first = found[0]
    return Answer(
        word="unsound",
        reason=first.reason,
        evidence=tuple(one.sentence for one in found),
        cause=first.cause,
        next=first.next,
    )


def _looked_at(signals: Signals) -> str:
    layer, faults = signals.h, signals.faults
    assert layer is not None
    parts = [
        f"all values are finite, {100 * (1 - faults.dead_units):.0f} % of the outputs alive, "
        f"{100 * faults.distinct:.0f} % of the rows distinct, effective rank {layer.effective_rank:.1f} of {layer.dim}"
    ]
    if faults.input is not None:
        parts.append(f"the input fits what batch norm remembers (misfit {faults.input.given:.2g} nats)")
    if faults.batch is not None:
        parts.append("rows do not depend on their batch")
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


CHECKS: tuple[Check, ...] = (
    stopped,
    initial_weights,
    other_input,
    batch_dependent,
    batch_norm,
    dead_units,
    few_points,
    one_direction,
    few_directions,
    unrelated_views,
    copied_images,
)
"""First to last: what explains most comes first."""
