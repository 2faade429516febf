"""Settings of W-MSE; without torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from contrascope.encoders.settings import ProjectorSettings
from contrascope.methods.hints import NOT_LEARNING, Suspect, width_suspect
from contrascope.methods.large_run import LargeRun
from contrascope.methods.settings import JointSettings, SmallRun, registered
from contrascope.settings import written_as

_PROJECTOR = ProjectorSettings(hidden=(1024,), out=64, batch_norm=True)
_SMALL = ProjectorSettings(hidden=(512,), out=32, batch_norm=True)
_TINY = ProjectorSettings(hidden=(12,), out=3)


@written_as("WMSESettings")
@registered(
    "w_mse",
    build="contrascope.methods.joint.w_mse:WMSE",
    small_run=SmallRun(changes={"projector": _SMALL}, epochs=9),
    small={"sub_batch": 16, "projector": _TINY},
    large_run=LargeRun(
        source="the authors' code",
        lr=3e-3,
        optim="adamw",
        weight_decay=1e-6,
        batch=512,
        policy="crops-global",
    ),
)
@dataclass(frozen=True, kw_only=True)
class WMSESettings(JointSettings):
    """W-MSE (Ermolov et al. 2021, arXiv:2007.06346); defaults of the authors' code."""

    sub_batch: int = 128
    """Images that are whitened together, at least twice the projector's output; a batch that it does not divide makes larger ones."""  # noqa: E501
    seed: int = 0
    """Seed of which images of the joined batch are whitened together, drawn anew in every step."""
    projector: ProjectorSettings = _PROJECTOR
    """Linear 1024, batch norm, ReLU, linear 64."""

    def suspects(self, word: str, signals: Mapping[str, float]) -> tuple[Suspect, ...]:
        return () if word == NOT_LEARNING else width_suspect(signals)
