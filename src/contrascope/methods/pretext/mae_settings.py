"""Settings of the masked autoencoder; without torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from contrascope.errors import InputError
from contrascope.methods.hints import NOT_LEARNING, Suspect
from contrascope.methods.large_run import LargeRun
from contrascope.methods.settings import MethodSettings, SmallRun, registered
from contrascope.settings import written_as

LITTLE, MUCH = 0.25, 0.95
"""Shares of hidden patches below which they follow from their neighbours, and above which nothing is left to see."""
LOUD = 1.0
"""Weight of the spread above which it outweighs the pixels; published: 0.01."""


@written_as("MAESettings")
@registered(
    "mae",
    build="contrascope.methods.pretext.mae:MAE",
    small_run=SmallRun(
        changes={"decoder_width": 64, "decoder_depth": 2, "decoder_heads": 2},
        epochs=30,
        policy="crop-flip",
        moves={"weight_decay": 0.05},
        training={"clip_norm": 1.0},
        encoder={"name": "vit-tiny", "width": 128, "depth": 6, "heads": 4, "patch": 4},
        digits_encoder={"name": "vit-tiny", "width": 64, "depth": 4, "heads": 4, "patch": 2},
    ),
    small={"decoder_width": 8, "decoder_depth": 1, "decoder_heads": 2},
    large_run=LargeRun(
        source="solo-learn's CIFAR recipe",
        lr=2e-4,
        optim="adamw",
        weight_decay=0.05,
        policy="crop-flip",
        encoder={"name": "vit-tiny", "width": 384, "depth": 12, "heads": 6, "patch": 4},
    ),
)
@dataclass(frozen=True, kw_only=True)
class MAESettings(MethodSettings):
    """Masked autoencoder (He et al. 2022, arXiv:2111.06377); defaults of the authors' code. It needs vit-tiny."""

    mask_ratio: float = 0.75
    """Share of the patches that is hidden, above 0 and below 1."""
    decoder_width: int = 512
    """Width of a token in the decoder; a multiple of 4 and of its heads."""
    decoder_depth: int = 8
    """Blocks of the decoder."""
    decoder_heads: int = 16
    """Attention heads of the decoder."""
    normalised: bool = True
    """Whether a patch's pixels are found relative to its own mean and standard deviation."""
    spread: float = 0.0
    """Weight of the mean squared product of images' unit vectors; U-MAE (Zhang et al. 2022) has 0.01, MAE 0."""

    def check(self) -> None:
        super().check()
        if not 0 < self.mask_ratio < 1:
            raise InputError(f"mask_ratio must lie between 0 and 1; got {self.mask_ratio}.")
        if not 0 <= self.spread < float("inf"):
            raise InputError(f"spread must be a finite number of at least 0; got {self.spread}.")
        width, heads = self.decoder_width, self.decoder_heads
        if min(width, heads, self.decoder_depth) < 1 or width % 4 or width % heads:
            raise InputError(
                f"decoder_width must be a multiple of 4 and of its heads, decoder_depth at least 1; got {width}, "
                f"{heads} heads and {self.decoder_depth}."
            )

    def suspects(self, word: str, signals: Mapping[str, float]) -> tuple[Suspect, ...]:
        masked = Suspect(
            setting="mask_ratio",
            value=self.mask_ratio,
            off=not LITTLE <= self.mask_ratio <= MUCH,
            cause=f"With a share of {self.mask_ratio:g} hidden, patches are copied from their neighbours."
            if self.mask_ratio < LITTLE
            else f"With a share of {self.mask_ratio:g} hidden, nothing is left to find the rest from.",
            next="Set mask_ratio between 0.5 and 0.9.",
        )
        if word == NOT_LEARNING:
            loud = Suspect(
                setting="spread",
                value=self.spread,
                off=self.spread > LOUD,
                cause=f"The spread (weight {self.spread:g}) outweighs the pixels.",
                next="Set spread between 0.01 and 0.1.",
            )
            return (masked, loud)
        return (masked,)
