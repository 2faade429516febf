"""Settings of t-MoCo; without torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from contrascope.encoders.settings import ProjectorSettings
from contrascope.methods.hints import (
    NOT_LEARNING,
    Suspect,
    decay_suspect,
    kernel_suspect,
    queue_suspect,
    width_suspect,
)
from contrascope.methods.large_run import LargeRun
from contrascope.methods.momentum.moco_settings import MoCoSettings
from contrascope.methods.settings import SmallRun, registered
from contrascope.settings import written_as

_PROJECTOR = ProjectorSettings(hidden=(2048,), out=128, batch_norm_out=True)
_SMALL = ProjectorSettings(hidden=(512,), out=128, batch_norm_out=True)
_TINY = ProjectorSettings(hidden=(12,), out=6, batch_norm=True, batch_norm_out=True)


@written_as("TMoCoSettings")
@registered(
    "t_moco",
    build="contrascope.methods.momentum.t_moco:TMoCo",
    small_run=SmallRun(changes={"projector": _SMALL, "splits": 0}, epochs=8, digits={"queue_size": 1024}),
    small={"queue_size": 40, "splits": 4, "projector": _TINY, "temperature": 0.25},
    large_run=LargeRun(
        source="the released code of t-SimCLR; rate and views are ours", lr=0.2, batch=512, policy="moco-v2"
    ),
)
@dataclass(frozen=True, kw_only=True)
class TMoCoSettings(MoCoSettings):
    """t-MoCo (Hu et al. 2023, arXiv:2205.14814): t-SimCLR's kernel with MoCo's queue."""

    temperature: float = 5.0
    """Scale of squared distances, beside the degrees of freedom; 5 by the name of the released script."""
    degrees: float = 10.0
    """Degrees of freedom of Student's kernel; 10 by the name of the released script."""
    projector: ProjectorSettings = _PROJECTOR
    """Linear 2048, ReLU, linear 128, batch norm without scale and shift on the output."""

    def suspects(self, word: str, signals: Mapping[str, float]) -> tuple[Suspect, ...]:
        decay = decay_suspect(word, self.ema_decay)
        if word == NOT_LEARNING:
            return (decay,)
        norm = Suspect(
            setting="projector.batch_norm_out",
            value=str(self.projector.batch_norm_out),
            off=not self.projector.batch_norm_out,
            cause="The projector's output has no batch norm, which sets the scale of distances in t-MoCo.",
            next="Set projector.batch_norm_out to True.",
        )
        kernel = kernel_suspect(self.temperature, self.degrees)
        return (kernel, norm, decay, queue_suspect(self.queue_size), *width_suspect(signals))
