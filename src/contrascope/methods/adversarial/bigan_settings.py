"""Settings of BiGAN, ALI and BigBiGAN; without torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from contrascope.encoders.settings import ProjectorSettings
from contrascope.errors import InputError
from contrascope.methods.hints import NOT_LEARNING, Suspect, width_suspect
from contrascope.methods.large_run import LargeRun
from contrascope.methods.settings import MethodSettings, SmallRun, registered
from contrascope.settings import require_positive, written_as

_HEAD = ProjectorSettings(hidden=(512,), out=64)
SLOW, QUICK = 0.2, 5.0
"""Rates of the discriminator, as a share of the others', beyond which one side outruns the other."""
MANY_STEPS = 5
"""Steps of the discriminator above which it outruns the others; published: 1 and 2."""
MOST_STEPS = 100
"""Steps of the discriminator in one step of training."""


@written_as("BiGANSettings")
@registered(
    "bigan",
    build="contrascope.methods.adversarial.bigan:BiGAN",
    small_run=SmallRun(
        changes={"grid": 3},
        epochs=9,
        policy="crop-flip",
        moves={"lr": 2e-4, "momentum": 0.5, "weight_decay": 0.0},
        digits={"grid": 2, "generator_widths": (32, 16)},
    ),
    large_run=LargeRun(
        source="ALI's on CIFAR-10; networks and number of epochs are ours",
        lr=1e-4,
        optim="adamw",
        weight_decay=0.0,
        epochs=200,
        batch=100,
        warmup_epochs=0.0,
        policy="crop-flip",
        changes={"stochastic": True, "generator_widths": (256, 128, 64)},
        moves={"momentum": 0.5},
    ),
    small={
        "generator_widths": (8, 6),
        "discriminator_width": 4,
        "discriminator_steps": 2,
        "stochastic": True,
        "unary": True,
    },
)
@dataclass(frozen=True, kw_only=True)
class BiGANSettings(MethodSettings):
    """BiGAN (Donahue et al. 2017, arXiv:1605.09782); ALI with `stochastic`, BigBiGAN's loss with `unary` and hinge."""

    projector: ProjectorSettings = _HEAD
    """Head from the encoder's output to the latents; `out` is their width."""
    stochastic: bool = False
    """Whether the encoder gives mean and log variance of a Gaussian from which latents are drawn (ALI), or latents."""
    loss: Literal["logistic", "hinge"] = "logistic"
    """Logistic: BiGAN, ALI; hinge: BigBiGAN, where encoder and generator meet the plain scores."""
    unary: bool = False
    """Whether images and latents are scored alone too, beside the pairs (BigBiGAN)."""
    discriminator_steps: int = 1
    """Moves of the discriminator before each move of encoder and generator."""
    discriminator_rate: float = 1.0
    """The discriminator's learning rate as a multiple of `optim.lr`."""
    generator_widths: tuple[int, ...] = (128, 64, 32)
    """Channels of the generator's maps; the side doubles after each."""
    grid: int | None = None
    """Side of the generator's first map; None: that from which doubling reaches the side of the encoder's images."""
    batch_norm: bool = True
    """Batch norm in the generator; without it, and with an encoder that has none, gradients add up over parts."""
    discriminator_width: int = 32
    """Channels of the discriminator's first map; the last and all vectors have 4 times as many, the joint layer 8."""
    spectral_norm: bool = True
    """Whether every layer of the discriminator is divided by its largest singular value (BigBiGAN)."""

    def check(self) -> None:
        super().check()
        require_positive(discriminator_rate=self.discriminator_rate)
        if not 1 <= self.discriminator_steps <= MOST_STEPS:
            raise InputError(
                f"discriminator_steps is {self.discriminator_steps}; expected 1 to {MOST_STEPS}, usually 1 or 2."
            )
        if not self.generator_widths or min(*self.generator_widths, self.discriminator_width) < 1:
            raise InputError(
                "generator_widths and discriminator_width must be at least 1, with one or more widths; got "
                f"{self.generator_widths} and {self.discriminator_width}."
            )
        if self.grid is not None and self.grid < 1:
            raise InputError(
                f"grid is {self.grid}; expected 1 or more, or None for one that fits the images."
            )

    def suspects(self, word: str, signals: Mapping[str, float]) -> tuple[Suspect, ...]:
        rate, steps = self.discriminator_rate, self.discriminator_steps
        paced = Suspect(
            setting="discriminator_rate",
            value=rate,
            off=not SLOW <= rate <= QUICK,
            cause=f"The discriminator moves {rate:g} times as fast as encoder and generator: it outruns them, its loss "
            "goes to 0, and they are told nothing."
            if rate > 1
            else f"The discriminator moves {rate:g} times as fast as encoder and generator: its loss stays at that of "
            "a guess, and there is nothing to learn from it.",
            next="Set discriminator_rate between 0.5 and 2.",
        )
        repeated = Suspect(
            setting="discriminator_steps",
            value=steps,
            off=steps > MANY_STEPS,
            cause=f"The discriminator moves {steps} times a step: it outruns encoder and generator, and they are told "
            "nothing.",
            next="Set discriminator_steps to 1 or 2.",
        )
        bound = Suspect(
            setting="spectral_norm",
            value="on" if self.spectral_norm else "off",
            off=not self.spectral_norm,
            cause="Nothing bounds the discriminator (spectral_norm is off): once it tells all pairs apart, its "
            "gradient vanishes.",
            next="Switch spectral_norm on.",
        )
        common = (paced, repeated, bound)
        return common if word == NOT_LEARNING else (*common, *width_suspect(signals))
