"""Settings of VICReg; without torch."""

from dataclasses import dataclass

from contrascope.encoders.settings import ProjectorSettings
from contrascope.methods.settings import MethodSettings, registered
from contrascope.settings import written_as

_PROJECTOR = ProjectorSettings(hidden=(2048, 2048), out=2048, batch_norm=True)


@written_as("VICRegSettings")
@registered("vicreg", build="contrascope.methods.joint.vicreg:VICReg")
@dataclass(frozen=True, kw_only=True)
class VICRegSettings(MethodSettings):
    """VICReg (Bardes et al. 2022, arXiv:2105.04906)."""

    invariance: float = 25.0
    """Weight of the mean squared distance of views."""
    variance: float = 25.0
    """Weight of the hinge that keeps every standard deviation above 1."""
    covariance: float = 1.0
    """Weight of the squared off-diagonal covariances."""
    projector: ProjectorSettings = _PROJECTOR
    """Three layers of 2048, a width for CIFAR (the paper: 8192), batch norm on the hidden ones."""
