"""Settings of BYOL; without torch."""

from dataclasses import dataclass

from contrascope.encoders.settings import ProjectorSettings
from contrascope.methods.settings import MethodSettings, registered
from contrascope.settings import written_as

_PROJECTOR = ProjectorSettings(hidden=(4096,), out=256, batch_norm=True)


_PREDICTOR = ProjectorSettings(hidden=(4096,), out=256, batch_norm=True)


@written_as("BYOLSettings")
@registered("byol", build="contrascope.methods.momentum.byol:BYOL")
@dataclass(frozen=True, kw_only=True)
class BYOLSettings(MethodSettings):
    """BYOL (Grill et al. 2020, arXiv:2006.07733, section 3.2)."""

    projector: ProjectorSettings = _PROJECTOR
    """Linear 4096, batch norm, ReLU, linear 256."""
    predictor: ProjectorSettings = _PREDICTOR
    """The same shape; its output must be as wide as the projector's."""
    ema_decay: float = 0.996
    """Decay of the target at the start; it rises to 1 along a cosine."""
