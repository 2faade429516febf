"""Settings of SimSiam; without torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from contrascope.encoders.settings import ProjectorSettings
from contrascope.methods.hints import NOT_LEARNING, Suspect, hidden_suspect, width_suspect
from contrascope.methods.large_run import LargeRun
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
    large_run=LargeRun(source="solo-learn's CIFAR recipe", lr=0.5, weight_decay=1e-5, policy="moco-v2"),
)
@dataclass(frozen=True, kw_only=True)
class SimSiamSettings(JointSettings):
    """SimSiam (Chen and He 2021, arXiv:2011.10566); defaults of the CIFAR code of Huang et al. 2023."""

    projector: ProjectorSettings = _PROJECTOR
    """Two layers of 2048, batch norm on both (the paper on ImageNet: three)."""
    predictor: ProjectorSettings = _PREDICTOR
    """Bottleneck of 512 with batch norm; its output must be as wide as the projector's."""

    def suspects(self, word: str, signals: Mapping[str, float]) -> tuple[Suspect, ...]:
        if word == NOT_LEARNING:
            return ()
        predictor = hidden_suspect(
            "predictor", self.predictor.hidden, "Use a predictor with a hidden layer and batch norm."
        )
        norm = Suspect(
            setting="projector.batch_norm_out",
            value=str(self.projector.batch_norm_out),
            off=not self.projector.batch_norm_out,
            cause="The projector's output has no batch norm, which keeps SimSiam's outputs apart.",
            next="Set projector.batch_norm_out to True.",
        )
        return (predictor, norm, *width_suspect(signals))
