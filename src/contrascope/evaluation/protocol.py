"""The frozen settings of an evaluation; their hash stands beside every number."""

from dataclasses import asdict, dataclass
from typing import Literal

from contrascope.errors import InputError, did_you_mean
from contrascope.settings import digest, written_as

PROBES = ("knn", "nearest_centre", "linear", "few_labels")
MOST_DRAWS = 1_000_000
"""Draws that a file may ask for: more would take days."""


@written_as("Protocol")
@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Everything that decides a number except the features themselves.

    >>> Protocol().hash == Protocol(k=200).hash != Protocol(k=20).hash
    True
    """

    train_split: str = "train"
    """Split whose labels the probes learn from; what is selected is selected on a part of it."""
    test_split: str = "test"
    """Split that is looked at once."""
    features: Literal["h", "z"] = "h"
    """Encoder output or projector output."""
    probes: tuple[str, ...] = PROBES
    """Which probes to run."""
    k: int = 200
    """Neighbours of the kNN classifier; more than there are training rows are an error."""
    temperature: float = 0.1
    """Temperature of the kNN weights exp(similarity / temperature)."""
    normalisation: Literal["unit", "none"] = "unit"
    """Length of the features for the nearest-centre classifiers (kNN is always on unit features)."""
    probe_grid: tuple[float, ...] = tuple(10.0**power for power in range(-5, 4))
    """Inverse penalties C of the linear probe, as in scikit-learn's LogisticRegression."""
    probe_held_out: float = 0.2
    """Share of train on which C is selected."""
    shots: tuple[int, ...] = (1, 5)
    """Labels a class of the few-label protocol."""
    draws: int = 200
    """Draws of these labels."""
    bootstrap: int = 1000
    """Bootstrap draws of the intervals of differences (the robustness suite); those of shares need none."""
    level: float = 0.95
    """Level of the intervals."""
    seed: int = 0
    """Seed of the held-out part, the few labels and the bootstrap."""

    def __post_init__(self) -> None:
        if not self.probes:
            raise InputError(f"protocol.probes is empty; expected some of {', '.join(PROBES)}.")
        for name in ("draws", "bootstrap"):
            if not 0 <= getattr(self, name) <= MOST_DRAWS:
                raise InputError(f"protocol.{name} is {getattr(self, name)}; expected 0 to {MOST_DRAWS:,}.")
        for probe in self.probes:
            if probe not in PROBES:
                raise InputError(f"no probe {probe!r}. {did_you_mean(probe, PROBES)}")
        if self.features not in ("h", "z"):
            raise InputError(
                f"features={self.features!r} is not known. Choose 'h' (encoder) or 'z' (projector)."
            )
        if self.normalisation not in ("unit", "none"):
            raise InputError(f"normalisation={self.normalisation!r} is not known. Choose 'unit' or 'none'.")

    @property
    def hash(self) -> str:
        """First 12 hex digits of the SHA-256 of the settings as canonical JSON."""
        return digest(asdict(self), length=12)
