"""Settings of BarlowTwins; without torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from contrascope.encoders.settings import ProjectorSettings
from contrascope.methods.hints import NOT_LEARNING, Suspect, width_suspect
from contrascope.methods.large_run import LargeRun
from contrascope.methods.settings import JointSettings, SmallRun, registered
from contrascope.settings import written_as

_PROJECTOR = ProjectorSettings(hidden=(2048, 2048), out=2048, batch_norm=True, batch_norm_out=True)
_SMALL = ProjectorSettings(hidden=(1024,), out=1024, batch_norm=True)


@written_as("BarlowTwinsSettings")
@registered(
    "barlow_twins",
    build="contrascope.methods.joint.barlow_twins:BarlowTwins",
    without_positives={"soft-worst": "its alignment is one number per dimension, over all images"},
    small_run=SmallRun(changes={"projector": _SMALL}, epochs=9, arcl=True),
    paper_rate=0.11,
    large_run=LargeRun(source="solo-learn's CIFAR recipe", lr=0.3, optim="lars", policy="barlow-twins"),
)
@dataclass(frozen=True, kw_only=True)
class BarlowTwinsSettings(JointSettings):
    """Barlow Twins (Zbontar et al. 2021, arXiv:2103.03230); defaults of Huang et al. 2023's CIFAR code."""

    redundancy: float = 5e-3
    """Weight of the off-diagonal terms, lambda of the paper."""
    std: Literal["biased", "unbiased"] = "unbiased"
    """Standardisation: unbiased as in Huang et al.'s code, biased as in the authors' (batch norm)."""
    projector: ProjectorSettings = _PROJECTOR
    """Three layers of 2048, batch norm on each, the output's too (the authors: 8192, none on the output)."""

    def suspects(self, word: str, signals: Mapping[str, float]) -> tuple[Suspect, ...]:
        learns = word == NOT_LEARNING
        redundancy = Suspect(
            setting="redundancy",
            value=self.redundancy,
            off=self.redundancy > 1 if learns else self.redundancy < 1e-4,
            cause=f"The redundancy weight {self.redundancy:g} outweighs the views' agreement."
            if learns
            else f"The redundancy weight {self.redundancy:g} does not keep the dimensions apart.",
            next="Set redundancy near 5e-3.",
        )
        return (redundancy,) if learns else (redundancy, *width_suspect(signals))
