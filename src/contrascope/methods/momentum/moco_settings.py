"""Settings of MoCo; without torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from contrascope.encoders.settings import ProjectorSettings
from contrascope.methods.hints import Suspect, decay_suspect, queue_suspect, softmax_suspects
from contrascope.methods.large_run import LargeRun
from contrascope.methods.settings import JointSettings, SmallRun, registered
from contrascope.settings import written_as

_PROJECTOR = ProjectorSettings(hidden=(512,), out=128)


@written_as("MoCoSettings")
@registered(
    "moco",
    build="contrascope.methods.momentum.moco:MoCo",
    small_run=SmallRun(
        changes={"temperature": 0.1, "splits": 0}, epochs=8, arcl=True, digits={"queue_size": 1024}
    ),
    paper_rate=0.08,
    small={"queue_size": 40, "splits": 4},
    large_run=LargeRun(
        source="solo-learn's CIFAR recipe (MoCo v2+)",
        lr=0.3,
        policy="moco-v2",
        changes={
            "temperature": 0.2,
            "queue_size": 32768,
            "projector": ProjectorSettings(hidden=(2048,), out=256),
        },
    ),
)
@dataclass(frozen=True, kw_only=True)
class MoCoSettings(JointSettings):
    """MoCo (He et al. 2020, arXiv:1911.05722); defaults of Huang et al. 2023's CIFAR code."""

    temperature: float = 0.1
    """Divides the cosines; 0.1 in Huang et al.'s code, 0.07 in MoCo, 0.2 in MoCo v2."""
    queue_size: int = 4096
    """Number of old keys that serve as negatives."""
    ema_decay: float = 0.99
    """Share of the key network that each step keeps."""
    splits: int = 8
    """Parts of the joined batch that batch norm sees apart, keys shuffled; 0: synchronised batch norm."""
    seed: int = 0
    """Seed of the first queue and of the shuffles."""
    projector: ProjectorSettings = _PROJECTOR
    """Linear 512, ReLU, linear 128, no batch norm."""

    def suspects(self, word: str, signals: Mapping[str, float]) -> tuple[Suspect, ...]:
        return (
            *softmax_suspects(word, signals, temperature=self.temperature),
            decay_suspect(word, self.ema_decay),
            queue_suspect(self.queue_size),
        )
