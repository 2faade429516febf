"""Settings of SimSiam; without torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from contrascope.encoders.settings import ProjectorSettings
from contrascope.methods.hints import Hint
from contrascope.methods.settings import JointSettings, SmallRun, registered
from contrascope.settings import written_as

_PROJECTOR = ProjectorSettings(hidden=(2048,), out=2048, batch_norm=True, batch_norm_out=True)
_PREDICTOR = ProjectorSettings(hidden=(512,), out=2048, batch_norm=True)
_SMALL = ProjectorSettings(hidden=(512,), out=512, batch_norm=True, batch_norm_out=True)
_SMALL_PREDICTOR = ProjectorSettings(hidden=(512,), out=512, batch_norm=True)


@written_as("SimSiamSettings")
@registered(
    "simsiam",
    build="contrascope.methods.predict.simsiam:SimSiam",
    small_run=SmallRun(
        changes={"projector": _SMALL, "predictor": _SMALL_PREDICTOR}, epochs=10, batch=128, optim="sgd"
    ),
    paper_rate=0.05,
)
@dataclass(frozen=True, kw_only=True)
class SimSiamSettings(JointSettings):
    """SimSiam (Chen and He 2021, arXiv:2011.10566); defaults of the CIFAR code of Huang et al. 2023."""

    projector: ProjectorSettings = _PROJECTOR
    """Two layers of 2048, batch norm on both (the paper on ImageNet: three)."""
    predictor: ProjectorSettings = _PREDICTOR
    """Bottleneck of 512 with batch norm; its output must be as wide as the projector's."""

    def hint(self, word: str, signals: Mapping[str, float]) -> Hint | None:
        if word == "not learning":
            return None
        return Hint(
            cause="Nothing holds the outputs apart: the stop-gradient is missing, the predictor is too weak or "
            "learns too slowly, or the projector's last batch norm is off.",
            next="Check that the target is detached; raise the predictor's learning rate; keep batch norm on "
            "the projector's output.",
        )
