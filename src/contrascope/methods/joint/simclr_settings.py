"""Settings of SimCLR; without torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from contrascope.encoders.settings import ProjectorSettings
from contrascope.methods.hints import Suspect, softmax_suspects
from contrascope.methods.large_run import LargeRun
from contrascope.methods.settings import JointSettings, SmallRun, registered
from contrascope.settings import written_as

_PROJECTOR = ProjectorSettings(hidden=(512,), out=128)


@written_as("SimCLRSettings")
@registered(
    "simclr",
    build="contrascope.methods.joint.simclr:SimCLR",
    small_run=SmallRun(changes={"temperature": 0.1}, epochs=14, optim="muon", arcl=True),
    paper_rate=0.06,
    large_run=LargeRun(
        source="solo-learn's CIFAR recipe",
        lr=0.4,
        optim="lars",
        changes={"temperature": 0.2, "projector": ProjectorSettings(hidden=(2048,), out=256)},
    ),
)
@dataclass(frozen=True, kw_only=True)
class SimCLRSettings(JointSettings):
    """SimCLR (Chen et al. 2020, arXiv:2002.05709); defaults of Huang et al. 2023's CIFAR code."""

    temperature: float = 0.5
    """Divides the cosines; 0.5 in Huang et al.'s code, 0.1 to 0.5 elsewhere."""
    projector: ProjectorSettings = _PROJECTOR
    """Linear 512, ReLU, linear 128, no batch norm."""

    def suspects(self, word: str, signals: Mapping[str, float]) -> tuple[Suspect, ...]:
        return softmax_suspects(word, signals, temperature=self.temperature)
