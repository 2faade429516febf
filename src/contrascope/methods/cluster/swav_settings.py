"""Settings of SwAV; without torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from contrascope.encoders.settings import ProjectorSettings
from contrascope.errors import InputError
from contrascope.methods.crop_settings import MultiCropSettings
from contrascope.methods.hints import NOT_LEARNING, Suspect, temperature_suspect, width_suspect
from contrascope.methods.large_run import LargeRun
from contrascope.methods.settings import SmallRun, registered
from contrascope.settings import require_positive, written_as

_PROJECTOR = ProjectorSettings(hidden=(2048,), out=128, batch_norm=True)
_SMALL = ProjectorSettings(hidden=(256,), out=64, batch_norm=True)
BLURRED = 0.2
"""Epsilon above which codes of cosines are nearly even; published ones lie between 0.03 and 0.05."""
FEW = 10
"""Prototypes below which a code says little."""


@written_as("SwAVSettings")
@registered(
    "swav",
    build="contrascope.methods.cluster.swav:SwAV",
    small_run=SmallRun(
        changes={
            "projector": _SMALL,
            "prototypes": 128,
            "epsilon": 0.03,
            "freeze": 1 / 7,
            "local_views": 2,
        },
        epochs=7,
        policy="crops-global",
        digits={"local_views": 0, "prototypes": 64},
    ),
    small={
        "prototypes": 10,
        "queue_size": 24,
        "queue_from": 0.3,
        "freeze": 0.2,
        "local_views": 2,
        "local_size": 5,
        "local_policy": "ab",
    },
    large_run=LargeRun(
        source="solo-learn's CIFAR recipe; 512 prototypes as in lightly's",
        lr=1.2,
        optim="lars",
        weight_decay=1e-6,
        batch=512,
        policy="crops-global",
        changes={"prototypes": 512, "freeze": 0.002, "queue_size": 3840, "queue_from": 0.05},
    ),
)
@dataclass(frozen=True, kw_only=True)
class SwAVSettings(MultiCropSettings):
    """SwAV (Caron et al. 2020, arXiv:2006.09882); defaults of the authors' code."""

    projector: ProjectorSettings = _PROJECTOR
    """Linear 2048, batch norm, ReLU, linear 128; its output is normalised."""
    prototypes: int = 3000
    """Number of clusters; with more than images in batch and queue some stay empty."""
    temperature: float = 0.1
    """Divides cosines with prototypes before the softmax that predicts."""
    epsilon: float = 0.05
    """Divides them before the codes are made: small is sharp, large is even."""
    iterations: int = 3
    """Sinkhorn's iterations; with 0 nothing keeps all images from one prototype."""
    freeze: float = 0.0025
    """Share of training in which prototypes stay as drawn; the authors: the first epoch, here of 400."""
    queue_size: int = 0
    """Old embeddings that are shared out with the batch, for batches smaller than `prototypes`; 0: none."""
    queue_from: float = 0.0375
    """Share of training after which the queue begins to fill; the authors: epoch 15 of 400."""

    def check(self) -> None:
        super().check()
        require_positive(epsilon=self.epsilon)
        self.refuse_share(freeze=self.freeze, queue_from=self.queue_from)
        if self.iterations < 0 or self.prototypes < 2 or self.queue_size < 0:
            raise InputError(
                "iterations must be at least 0, prototypes 2 and queue_size 0; got "
                f"{self.iterations}, {self.prototypes} and {self.queue_size}."
            )

    def suspects(self, word: str, signals: Mapping[str, float]) -> tuple[Suspect, ...]:
        epsilon = Suspect(
            setting="epsilon",
            value=self.epsilon,
            off=self.epsilon > BLURRED,
            cause=f"The codes are nearly even over all prototypes (epsilon {self.epsilon:g}): every image is to "
            "predict the same.",
            next="Set epsilon between 0.03 and 0.05.",
        )
        few = Suspect(
            setting="prototypes",
            value=self.prototypes,
            off=self.prototypes < FEW,
            cause=f"There are {self.prototypes} prototypes: images need not be kept apart beyond them.",
            next="Set prototypes to several times the number of kinds of images.",
        )
        alone = Suspect(
            setting="iterations",
            value=self.iterations,
            off=self.iterations < 1,
            cause="The codes are not shared out over the prototypes (iterations 0): one may have all images.",
            next="Set iterations to 3.",
        )
        held = Suspect(
            setting="freeze",
            value=self.freeze,
            off=self.freeze >= 1,
            cause="The prototypes are frozen all the time.",
            next="Set freeze to the share of one epoch.",
        )
        common = (temperature_suspect(self.temperature), epsilon)
        if word == NOT_LEARNING:
            return (*common, held)
        return (*common, alone, few, *width_suspect(signals))
