"""The settings of the suites: robustness under fixed transformations, and transfer to other sets."""

from dataclasses import dataclass, field
from typing import Literal

from contrascope.augment.severities import SEVERITIES
from contrascope.errors import InputError, did_you_mean
from contrascope.evaluation.protocol import Protocol
from contrascope.settings import digest, to_json, written_as


@written_as("AugmentedSettings")
@dataclass(frozen=True, kw_only=True)
class AugmentedSettings:
    """What the robustness suite does besides the protocol of its probe."""

    corruptions: tuple[str, ...] = tuple(SEVERITIES)
    """Corruptions to test the original's probe on; none: leave them out."""
    severities: tuple[int, ...] = (1, 2, 3, 4, 5)
    """Their severities."""
    references: bool = True
    """Measure a random encoder and raw pixels beside."""
    train_images: int | None = None
    """Training images of the probes, drawn at random; unset: all."""
    seed: int = 0
    """Seed of the transformed copies: with the image's id it decides each picture."""

    def __post_init__(self) -> None:
        for name in self.corruptions:
            if name not in SEVERITIES:
                raise InputError(f"no corruption {name!r}. {did_you_mean(name, SEVERITIES)}")
        for severity in self.severities:
            if severity not in range(1, 6):
                raise InputError(f"severity {severity} is not known; expected 1, 2, 3, 4 or 5.")
        if self.train_images is not None and self.train_images < 10:
            raise InputError(f"train_images is {self.train_images}; expected at least 10, or unset.")

    def hash(self, protocol: Protocol) -> str:
        """First 12 hex digits of the SHA-256 of these settings, the protocol of the probe and the copies."""
        from contrascope.evaluation.copies import COPIES  # with torch, which settings alone do without

        values = {"suite": "augmented", "settings": to_json(self), "protocol": to_json(protocol)}
        return digest({**values, "copies": repr(COPIES)}, length=12)


@written_as("FinetuneSettings")
@dataclass(frozen=True, kw_only=True)
class FinetuneSettings:
    """The protocol of Ericsson et al. 2021 (arXiv:2011.13377): SGD with Nesterov momentum 0.9, cosine to 0."""

    steps: int = 5000
    """Steps of each training."""
    batch_size: int = 64
    """Images of a step."""
    rates: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 1e-1)
    """Peak learning rates of the grid."""
    decays: tuple[float, ...] = (0.0, 1e-6, 1e-5, 1e-4, 1e-3)
    """Weight decays of the grid."""
    seed: int = 0
    """Seed of the head, the order of the images and their crops."""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch_size < 1:
            raise InputError(f"steps={self.steps}, batch_size={self.batch_size}; both are at least 1.")
        if not self.rates or min(self.rates) <= 0 or not self.decays or min(self.decays) < 0:
            raise InputError(
                f"rates={self.rates}, decays={self.decays}; expected rates above 0 and decays of at least 0."
            )

    @property
    def grid(self) -> list[tuple[float, float]]:
        """Every (rate, decay), rates first."""
        return [(rate, decay) for rate in self.rates for decay in self.decays]


MODES = ("linear", "few_labels", "finetune")


@written_as("TransferProtocol")
@dataclass(frozen=True, kw_only=True)
class TransferProtocol:
    """Everything that decides a transfer score except the encoder and the sets.

    Linear and fine-tuning are those of Ericsson et al. 2021 (arXiv:2011.13377), which ArCL follows.

    >>> protocol = TransferProtocol()
    >>> len(protocol.grid), protocol.grid[0], protocol.hash == TransferProtocol(draws=9).hash
    (45, 1e-05, False)
    """

    modes: tuple[Literal["linear", "few_labels", "finetune"], ...] = ("linear", "few_labels")
    """What to measure; fine-tuning trains (grid + 1) times a set and wants a GPU."""
    size: int | None = None
    """Side in px to which every set is brought; unset: the side that the encoder was made for, or 224."""
    train_images: int | None = None
    """Training images of a set at most, drawn at random, and validation images likewise; unset: all."""
    test_images: int | None = None
    """Test images of a set at most, drawn at random; unset: all."""
    references: bool = True
    """Measure a random encoder beside."""
    powers: tuple[float, float] = (-6.0, 5.0)
    """Powers of ten between which 1/C of the linear protocol lies, evenly in the exponent."""
    penalties: int = 45
    """How many values of it."""
    held_out: float = 0.2
    """Validation share of train where a set has no validation split."""
    tolerance: float = 1e-3
    """Where the solver stops: its objective is then about half the square of this above the minimum, in nats."""
    max_iter: int = 500
    """Steps of the solver after which it stops in any case."""
    shots: tuple[int, ...] = (1, 5, 10)
    """Labels a class of the few-label protocol."""
    draws: int = 20
    """Draws of these labels."""
    finetune: FinetuneSettings = field(default_factory=FinetuneSettings)
    bootstrap: int = 1000
    """Without effect, since intervals of shares are in closed form; kept so that suites of version 0.1 go on."""
    level: float = 0.95
    """Level of the intervals."""
    seed: int = 0
    """Seed of the validation share, and the few labels."""

    def __post_init__(self) -> None:
        for mode in self.modes:
            if mode not in MODES:
                raise InputError(f"no mode {mode!r}. {did_you_mean(mode, MODES)}")
        few = min(count for count in (self.train_images, self.test_images, 10) if count is not None)
        if few < 10:
            raise InputError(f"{few} images of a set are too few; expected at least 10, or unset for all.")
        if self.penalties < 1 or not self.powers[0] <= self.powers[1]:
            raise InputError(
                f"powers={self.powers}, penalties={self.penalties}; expected low <= high and 1 or more."
            )

    @property
    def grid(self) -> tuple[float, ...]:
        """Inverse penalties C, rising."""
        low, high = self.powers
        step = (high - low) / max(1, self.penalties - 1)
        return tuple(10 ** -(high - index * step) for index in range(self.penalties))

    @property
    def hash(self) -> str:
        """First 12 hex digits of the SHA-256 of the settings that decide a number: not of what is measured beside."""
        values = {name: value for name, value in to_json(self).items() if name not in ("modes", "references")}
        return digest({"suite": "transfer", "settings": values}, length=12)
