"""Settings of BYOL; without torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from contrascope.encoders.settings import ProjectorSettings
from contrascope.methods.hints import NOT_LEARNING, Suspect, decay_suspect, hidden_suspect, width_suspect
from contrascope.methods.large_run import LargeRun
from contrascope.methods.settings import JointSettings, SmallRun, registered
from contrascope.settings import written_as

_PROJECTOR = ProjectorSettings(hidden=(4096,), out=256, batch_norm=True)
_PREDICTOR = ProjectorSettings(hidden=(4096,), out=256, batch_norm=True)
_SMALL = ProjectorSettings(hidden=(512,), out=512, batch_norm=True, batch_norm_out=True)
_SMALL_PREDICTOR = ProjectorSettings(hidden=(512,), out=512, batch_norm=True)


@written_as("BYOLSettings")
@registered(
    "byol",
    build="contrascope.methods.momentum.byol:BYOL",
    small_run=SmallRun(
        changes={"projector": _SMALL, "predictor": _SMALL_PREDICTOR, "ema_decay": 0.99},
        epochs=7,
        batch=128,
        optim="sgd",
    ),
    paper_rate=0.05,  # absent in the paper: that of its nearest kin,
    large_run=LargeRun(
        source="solo-learn's CIFAR recipe",
        lr=1.0,
        optim="lars",
        weight_decay=1e-5,
        policy="byol",
        changes={"ema_decay": 0.99},
    ),
)
@dataclass(frozen=True, kw_only=True)
class BYOLSettings(JointSettings):
    """BYOL (Grill et al. 2020, arXiv:2006.07733, section 3.2)."""

    projector: ProjectorSettings = _PROJECTOR
    """Linear 4096, batch norm, ReLU, linear 256."""
    predictor: ProjectorSettings = _PREDICTOR
    """The same shape; its output must be as wide as the projector's."""
    ema_decay: float = 0.996
    """Decay of the target at the start; it rises to 1 along a cosine."""

    def suspects(self, word: str, signals: Mapping[str, float]) -> tuple[Suspect, ...]:
        decay = decay_suspect(word, self.ema_decay)
        if word == NOT_LEARNING:
            return (decay,)
        predictor = hidden_suspect(
            "predictor", self.predictor.hidden, "Use a predictor with a hidden layer and batch norm."
        )
        return (decay, predictor, *width_suspect(signals))
