"""What a check of soundness may find, and where the checks cut."""

from collections.abc import Callable
from dataclasses import dataclass

from contrascope.diagnosis.causes import Known
from contrascope.diagnosis.signals import Signals


@dataclass(frozen=True, kw_only=True)
class SoundCuts:
    """Where the checks cut; `benchmarks/verdict.py` tries them with each data set and each kind of fault left out."""

    dead_units: float = 0.5
    """Largest share of constant encoder outputs."""
    distinct: float = 0.5
    """Smallest share of distinct rows."""
    misfit: float = 0.15
    """Largest misfit of batch norm's stored statistics, nats a channel, ..."""
    batch_norm_gap: float = 0.3
    """... and mean squared distance, of 4, between features by stored and by batch statistics."""
    better_input: float = 0.25
    """Another input is named where its misfit is less than this share of the given one's, ..."""
    input_misfit: float = 0.01
    """... and the given one's is above this, in nats."""
    batch: float = 0.1
    """Largest move of a row with its batch, over the distance of rows."""
    spread: float = 1e-3
    """Smallest variance of unit rows; the reference's tenth, where that is less."""
    directions: float = 0.45
    """Smallest centred RankMe of the encoder as a share of its twin's, ..."""
    projector_directions: float = 0.36
    """... and of the projector, which is there to forget."""
    rank: float = 2.5
    """Smallest effective rank of a layer without a twin, ..."""
    rank_share: float = 0.6
    """... unless it is more than this share of the reference's."""
    modes: float = 0.99
    """Largest share of the encoder's variance between 8 clusters; an arc reaches 0.985, a circle 0.95."""
    copies: float = 0.5
    """Largest share of images with a near copy."""
    independent: float = 0.02
    """Identity share below which views given as arrays are called unrelated."""


CUTS = SoundCuts()
NARROWEST = 2
"""Outputs of a layer that has no direction to lose."""


@dataclass(frozen=True, kw_only=True)
class Flaw:
    """One thing that is wrong."""

    reason: str
    """In a few words."""
    sentence: str
    """With the number that shows it."""
    cause: str = ""
    """What it comes from; empty: not known."""
    next: str = ""
    """What to do."""


Check = Callable[[Signals, SoundCuts, Known], Flaw | None]
