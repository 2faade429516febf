"""Settings of NNCLR; without torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from contrascope.encoders.settings import ProjectorSettings
from contrascope.methods.hints import FEW_NEGATIVES, Suspect, softmax_suspects
from contrascope.methods.large_run import LargeRun
from contrascope.methods.settings import JointSettings, SmallRun, registered
from contrascope.settings import written_as

_PROJECTOR = ProjectorSettings(hidden=(2048, 2048), out=256, batch_norm=True, batch_norm_out=True)
_PREDICTOR = ProjectorSettings(hidden=(4096,), out=256, batch_norm=True)
_SMALL = ProjectorSettings(hidden=(512,), out=128, batch_norm=True, batch_norm_out=True)
_SMALL_PREDICTOR = ProjectorSettings(hidden=(512,), out=128, batch_norm=True)


@written_as("NNCLRSettings")
@registered(
    "nnclr",
    build="contrascope.methods.joint.nnclr:NNCLR",
    small_run=SmallRun(
        changes={
            "projector": _SMALL,
            "predictor": _SMALL_PREDICTOR,
            "temperature": 0.1,
            "queue_size": 8192,
        },
        epochs=9,
        digits={"queue_size": 1024},
    ),
    small={"queue_size": 40},
    large_run=LargeRun(
        source="solo-learn's CIFAR recipe; a queue of 16,384 and the views are ours",
        lr=0.4,
        optim="lars",
        policy="barlow-twins",
        changes={"queue_size": 16384},
    ),
)
@dataclass(frozen=True, kw_only=True)
class NNCLRSettings(JointSettings):
    """NNCLR (Dwibedi et al. 2021, arXiv:2104.14548); defaults of solo-learn's CIFAR recipe."""

    temperature: float = 0.2
    """Divides the cosines; 0.2 in solo-learn, 0.1 in the paper on ImageNet."""
    queue_size: int = 65536
    """Number of old embeddings among which the neighbour is looked for; above an epoch's images it holds each once."""
    seed: int = 0
    """Seed of the first queue."""
    projector: ProjectorSettings = _PROJECTOR
    """Linear 2048, twice, then 256; batch norm on each, the output's too."""
    predictor: ProjectorSettings = _PREDICTOR
    """Linear 4096, batch norm, ReLU, linear 256; its output must be as wide as the projector's."""

    def suspects(self, word: str, signals: Mapping[str, float]) -> tuple[Suspect, ...]:
        queue = Suspect(
            setting="queue_size",
            value=self.queue_size,
            off=self.queue_size < FEW_NEGATIVES,
            cause=f"The queue holds {self.queue_size} embeddings: the nearest of them is an image of another kind.",
            next="Set queue_size to 8192 or more.",
        )
        return (*softmax_suspects(word, signals, temperature=self.temperature), queue)
