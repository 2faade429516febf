"""Settings of MoCo; without torch."""

from dataclasses import dataclass

from contrascope.encoders.settings import ProjectorSettings
from contrascope.methods.settings import MethodSettings, registered
from contrascope.settings import written_as

_PROJECTOR = ProjectorSettings(hidden=(512,), out=128)


@written_as("MoCoSettings")
@registered("moco", build="contrascope.methods.momentum.moco:MoCo")
@dataclass(frozen=True, kw_only=True)
class MoCoSettings(MethodSettings):
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
