"""Settings of SupCon; without torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from contrascope.encoders.settings import ProjectorSettings
from contrascope.methods.hints import Suspect, softmax_suspects
from contrascope.methods.large_run import LargeRun
from contrascope.methods.settings import MethodSettings, SmallRun, registered
from contrascope.settings import written_as

_PROJECTOR = ProjectorSettings(hidden=(512,), out=128)
_TINY = ProjectorSettings(hidden=(12,), out=6, batch_norm=True, batch_norm_out=True)


@written_as("SupervisedContrastSettings")
@registered(
    "sup_con",
    build="contrascope.methods.joint.sup_con:SupCon",
    small_run=SmallRun(epochs=10),
    supervised=True,
    small={"projector": _TINY},
    large_run=LargeRun(source="the authors' code", lr=0.5, batch=1024),
)
@dataclass(frozen=True, kw_only=True)
class SupervisedContrastSettings(MethodSettings):
    """SupCon (Khosla et al. 2020, arXiv:2004.11362): supervised, it learns from labels; a yard-stick for the others."""

    temperature: float = 0.1
    """Divides the cosines; 0.1 in the authors' code."""
    projector: ProjectorSettings = _PROJECTOR
    """Linear 512, ReLU, linear 128, no batch norm."""
    joint_pass: bool = False
    """One pass for all views: faster for small batches, but batch norm mixes the views' statistics."""

    def suspects(self, word: str, signals: Mapping[str, float]) -> tuple[Suspect, ...]:
        return softmax_suspects(word, signals, temperature=self.temperature)
