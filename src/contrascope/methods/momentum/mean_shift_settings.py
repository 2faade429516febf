"""Settings of MeanShift; without torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from contrascope.encoders.settings import ProjectorSettings
from contrascope.methods.hints import Suspect
from contrascope.methods.large_run import LargeRun
from contrascope.methods.momentum.byol_settings import BYOLSettings
from contrascope.methods.settings import SmallRun, registered
from contrascope.settings import written_as

_PROJECTOR = ProjectorSettings(hidden=(1024,), out=128, batch_norm=True)
_PREDICTOR = ProjectorSettings(hidden=(1024,), out=128, batch_norm=True)
_SMALL = ProjectorSettings(hidden=(512,), out=512, batch_norm=True, batch_norm_out=True)
_SMALL_PREDICTOR = ProjectorSettings(hidden=(512,), out=512, batch_norm=True)
SHARE = 20
"""A queue holds at least this many times as many embeddings as neighbours are taken; published ones 10,000 times."""


@written_as("MeanShiftSettings")
@registered(
    "mean_shift",
    build="contrascope.methods.momentum.mean_shift:MeanShift",
    small_run=SmallRun(
        changes={"projector": _SMALL, "predictor": _SMALL_PREDICTOR, "queue_size": 8192},
        epochs=8,
        batch=128,
        optim="sgd",
        digits={"queue_size": 1024},
    ),
    small={"queue_size": 40, "neighbours": 3},
    large_run=LargeRun(source="ours, after the authors' code on ImageNet", lr=0.06, epochs=800, batch=512),
)
@dataclass(frozen=True, kw_only=True)
class MeanShiftSettings(BYOLSettings):
    """MeanShift (Koohpayegani et al. 2021, arXiv:2105.07269); widths of the authors' code for 512 features."""

    projector: ProjectorSettings = _PROJECTOR
    """Linear 1024, batch norm, ReLU, linear 128: twice and a quarter of the encoder's width."""
    predictor: ProjectorSettings = _PREDICTOR
    """The same shape; its output must be as wide as the projector's."""
    ema_decay: float = 0.99
    """Share of the target network that each step keeps."""
    neighbours: int = 5
    """How many embeddings a prediction is drawn to: the target itself and the nearest of the queue."""
    queue_size: int = 16384
    """Number of old target embeddings; the authors have 128,000 and more on ImageNet."""
    seed: int = 0
    """Seed of the first queue."""

    def suspects(self, word: str, signals: Mapping[str, float]) -> tuple[Suspect, ...]:
        neighbours = Suspect(
            setting="neighbours",
            value=self.neighbours,
            off=SHARE * self.neighbours > self.queue_size,
            cause=f"{self.neighbours} neighbours of a queue of {self.queue_size} are no near ones: all images are "
            "drawn to much the same.",
            next="Set neighbours to 5 and queue_size to 8192 or more.",
        )
        return (*super().suspects(word, signals), neighbours)
