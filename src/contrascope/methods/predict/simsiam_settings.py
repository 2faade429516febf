"""Settings of SimSiam; without torch."""

from dataclasses import dataclass

from contrascope.encoders.settings import ProjectorSettings
from contrascope.methods.settings import MethodSettings, registered
from contrascope.settings import written_as

_PROJECTOR = ProjectorSettings(hidden=(2048,), out=2048, batch_norm=True, batch_norm_out=True)


_PREDICTOR = ProjectorSettings(hidden=(512,), out=2048, batch_norm=True)


@written_as("SimSiamSettings")
@registered("simsiam", build="contrascope.methods.predict.simsiam:SimSiam")
@dataclass(frozen=True, kw_only=True)
class SimSiamSettings(MethodSettings):
    """SimSiam (Chen and He 2021, arXiv:2011.10566); defaults of the CIFAR code of Huang et al. 2023."""

    projector: ProjectorSettings = _PROJECTOR
    """Two layers of 2048, batch norm on both (the paper on ImageNet: three)."""
    predictor: ProjectorSettings = _PREDICTOR
    """Bottleneck of 512 with batch norm; its output must be as wide as the projector's."""
