"""Settings of t-SimCLR; without torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from contrascope.encoders.settings import ProjectorSettings
from contrascope.methods.hints import NOT_LEARNING, Suspect, kernel_suspect, width_suspect
from contrascope.methods.large_run import LargeRun
from contrascope.methods.settings import JointSettings, SmallRun, registered
from contrascope.settings import written_as

_PROJECTOR = ProjectorSettings(hidden=(2048,), out=128)
_SMALL = ProjectorSettings(hidden=(512,), out=128)


@written_as("TSimCLRSettings")
@registered(
    "t_simclr",
    build="contrascope.methods.joint.t_simclr:TSimCLR",
    small_run=SmallRun(changes={"projector": _SMALL}, epochs=10),
    large_run=LargeRun(
        source="the released code; batch and rate are ours", lr=0.2, batch=512, policy="moco-v2"
    ),
)
@dataclass(frozen=True, kw_only=True)
class TSimCLRSettings(JointSettings):
    """t-SimCLR (Hu et al. 2023, arXiv:2205.14814); defaults of the released code."""

    temperature: float = 8.0
    """Scale of squared distances, beside the degrees of freedom."""
    degrees: float = 5.0
    """Degrees of freedom of Student's kernel: few make its tail heavy, many make it a Gaussian."""
    projector: ProjectorSettings = _PROJECTOR
    """Linear 2048, ReLU, linear 128, no batch norm; its output is not normalised."""

    def suspects(self, word: str, signals: Mapping[str, float]) -> tuple[Suspect, ...]:
        if word == NOT_LEARNING:
            return ()
        return (kernel_suspect(self.temperature, self.degrees), *width_suspect(signals))
