"""Settings of BarlowTwins; without torch."""

from dataclasses import dataclass
from typing import Literal

from contrascope.encoders.settings import ProjectorSettings
from contrascope.methods.settings import MethodSettings, registered
from contrascope.settings import written_as

_PROJECTOR = ProjectorSettings(hidden=(2048, 2048), out=2048, batch_norm=True, batch_norm_out=True)


@written_as("BarlowTwinsSettings")
@registered("barlow_twins", build="contrascope.methods.joint.barlow_twins:BarlowTwins")
@dataclass(frozen=True, kw_only=True)
class BarlowTwinsSettings(MethodSettings):
    """Barlow Twins (Zbontar et al. 2021, arXiv:2103.03230); defaults of Huang et al. 2023's CIFAR code."""

    redundancy: float = 5e-3
    """Weight of the off-diagonal terms, lambda of the paper."""
    std: Literal["biased", "unbiased"] = "unbiased"
    """Standardisation: unbiased as in Huang et al.'s code, biased as in the authors' (batch norm)."""
    projector: ProjectorSettings = _PROJECTOR
    """Three layers of 2048, batch norm on each, the output's too (the authors: 8192, none on the output)."""
