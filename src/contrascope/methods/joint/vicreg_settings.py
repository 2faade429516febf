"""Settings of VICReg; without torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from contrascope.encoders.settings import ProjectorSettings
from contrascope.methods.hints import NOT_LEARNING, Suspect, width_suspect
from contrascope.methods.large_run import LargeRun
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
    large_run=LargeRun(
        source="solo-learn's CIFAR recipe; views are ours", lr=0.3, optim="lars", policy="crops-global"
    ),
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

    def suspects(self, word: str, signals: Mapping[str, float]) -> tuple[Suspect, ...]:
        usual = "Go back to 25, 25 and 1 (invariance, variance, covariance)."
        if word == NOT_LEARNING:
            weak = self.invariance < 1 or self.variance > 3 * self.invariance
            cause = (
                f"The invariance weight {self.invariance:g} beside a variance weight of {self.variance:g} hardly pulls "
                "views together."
            )
            return (
                Suspect(setting="invariance", value=self.invariance, off=weak, cause=cause, next=usual),
                Suspect(
                    setting="covariance",
                    value=self.covariance,
                    off=self.covariance > self.invariance,
                    cause=f"The covariance weight {self.covariance:g} outweighs the views' agreement.",
                    next=usual,
                ),
            )
        return (
            Suspect(
                setting="variance",
                value=self.variance,
                off=self.variance < self.invariance / 5,
                cause=f"The variance weight {self.variance:g} beside an invariance weight of {self.invariance:g} lets "
                "the outputs shrink.",
                next=usual,
            ),
            Suspect(
                setting="covariance",
                value=self.covariance,
                off=self.covariance < self.invariance / 250,
                cause=f"The covariance weight {self.covariance:g} lets the outputs move together.",
                next=usual,
            ),
            *width_suspect(signals),
        )
