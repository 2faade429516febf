"""Settings of VICReg; without torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from contrascope.encoders.settings import ProjectorSettings
from contrascope.methods.hints import Hint
from contrascope.methods.settings import JointSettings, SmallRun, registered
from contrascope.settings import written_as

_PROJECTOR = ProjectorSettings(hidden=(2048, 2048), out=2048, batch_norm=True)
_SMALL = ProjectorSettings(hidden=(1024,), out=1024, batch_norm=True)


@written_as("VICRegSettings")
@registered(
    "vicreg",
    build="contrascope.methods.joint.vicreg:VICReg",
    small_run=SmallRun(changes={"projector": _SMALL}, epochs=9),
    paper_rate=0.11,
)
@dataclass(frozen=True, kw_only=True)
class VICRegSettings(JointSettings):
    """VICReg (Bardes et al. 2022, arXiv:2105.04906)."""

    invariance: float = 25.0
    """Weight of the mean squared distance of views."""
    variance: float = 25.0
    """Weight of the hinge that keeps every standard deviation above 1."""
    covariance: float = 1.0
    """Weight of the squared off-diagonal covariances."""
    projector: ProjectorSettings = _PROJECTOR
    """Three layers of 2048, a width for CIFAR (the paper: 8192), batch norm on the hidden ones."""

    def hint(self, word: str, signals: Mapping[str, float]) -> Hint | None:
        if word == "not learning":
            return None
        return Hint(
            cause=f"The weights (invariance {self.invariance:g}, variance {self.variance:g}, covariance "
            f"{self.covariance:g}) let the outputs shrink or move together.",
            next="Go back to 25, 25 and 1; raise the variance weight against complete collapse, the covariance "
            "weight against lost dimensions.",
        )
