"""Settings of CERT; without torch."""

from dataclasses import dataclass

from contrascope.encoders.settings import ProjectorSettings
from contrascope.methods.momentum.moco_settings import MoCoSettings
from contrascope.methods.settings import registered
from contrascope.settings import written_as

_PROJECTOR = ProjectorSettings(hidden=(256,), out=128)


@written_as("CERTSettings")
@registered("cert", build="contrascope.methods.momentum.moco:MoCo", items="sentences")
@dataclass(frozen=True, kw_only=True)
class CERTSettings(MoCoSettings):
    """CERT (Fang et al. 2020, arXiv:2005.12766): MoCo on pairs that say the same, such as two back-translations.

    Pairs come from the data (two columns); without them a sentence is its own pair. The loss is MoCo's here, over both
    directions.
    """

    temperature: float = 0.07
    """Divides the cosines."""
    queue_size: int = 4096
    """Number of old keys that serve as negatives; 6,720 in the released code."""
    ema_decay: float = 0.99
    """Share of the key network that each step keeps; 0.999 in the released code, for runs a hundred times as long."""
    splits: int = 0
    """No batch norm, nothing to split."""
    projector: ProjectorSettings = _PROJECTOR
    """Linear, ReLU, linear 128."""
    joint_pass: bool = True
    """One pass for all views."""
