"""Settings of colourisation; without torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from contrascope.errors import InputError
from contrascope.methods.hints import NOT_LEARNING, Suspect
from contrascope.methods.large_run import LargeRun
from contrascope.methods.settings import MethodSettings, SmallRun, registered
from contrascope.settings import require_positive, written_as

FINEST, COARSEST = 5.0, 100.0
"""Sides of a bin between which there are more than a handful of bins and not thousands."""
FEW = 50.0
"""Side of a bin above which a dozen colours are left."""


@written_as("ColourisationSettings")
@registered(
    "colourisation",
    build="contrascope.methods.pretext.colourisation:Colourisation",
    small_run=SmallRun(epochs=15, policy="crop-flip", encoder={"gray": True}, digits=None),
    large_run=LargeRun(
        source="bins of the authors' code; the rest is ours",
        lr=1e-3,
        optim="adamw",
        weight_decay=1e-3,
        epochs=200,
        batch=128,
        warmup_epochs=1.0,
        policy="crop-flip",
        changes={"grid": 10.0, "sigma": 5.0},
        encoder={"name": "resnet18", "stem": "cifar", "gray": True},
    ),
    small={"grid": 40.0, "sigma": 20.0, "neighbours": 5},
)
@dataclass(frozen=True, kw_only=True)
class ColourisationSettings(MethodSettings):
    """Colourisation (Zhang et al. 2016, arXiv:1603.08511), coarser for small images. It needs encoder.gray."""

    grid: float = 20.0
    """Side of a bin of a and b: 77 bins at 20; published: 10."""
    sigma: float = 10.0
    """Width of the normal density by which near bins share a colour; published: 5, half the side of a bin, too."""
    neighbours: int = 10
    """Nearest bins that share a colour; authors' code: 10, paper: 5."""
    uniform: float = 0.5
    """Share of an even spread in the frequencies of colours by which rare ones weigh more; 1: all weigh the same."""
    detail: int = 2
    """Colours along each side of a cell of the encoder's maps: 2 asks for every fourth pixel of our networks' input."""

    def check(self) -> None:
        super().check()
        require_positive(sigma=self.sigma)
        if not FINEST <= self.grid <= COARSEST:
            raise InputError(f"grid must lie between {FINEST:g} and {COARSEST:g}; got {self.grid}.")
        if not 0 < self.uniform <= 1:
            raise InputError(
                f"uniform must lie above 0 (there unseen colours would weigh infinitely) and at most at 1; got "
                f"{self.uniform}."
            )
        if self.detail < 1 or self.neighbours < 1:
            raise InputError(
                f"detail and neighbours must be at least 1; got {self.detail} and {self.neighbours}."
            )

    def suspects(self, word: str, signals: Mapping[str, float]) -> tuple[Suspect, ...]:
        coarse = Suspect(
            setting="grid",
            value=self.grid,
            off=self.grid > FEW,
            cause=f"The bins are {self.grid:g} wide: few colours are told apart.",
            next="Set grid to 20.",
        )
        blurred = Suspect(
            setting="sigma",
            value=self.sigma,
            off=self.sigma > 2 * self.grid,
            cause=f"The targets are nearly even over the bins around a colour (sigma {self.sigma:g}).",
            next="Set sigma to half of grid.",
        )
        alike = Suspect(
            setting="uniform",
            value=self.uniform,
            off=self.uniform >= 1,
            cause="All colours weigh the same: grayish ones, which most pixels have, outweigh the others.",
            next="Set uniform to 0.5.",
        )
        return (coarse, blurred, alike) if word == NOT_LEARNING else (coarse, blurred)
