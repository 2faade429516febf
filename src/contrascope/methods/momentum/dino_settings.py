"""Settings of DINO; without torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from contrascope.encoders.settings import ProjectorSettings
from contrascope.errors import InputError
from contrascope.methods.crop_settings import MultiCropSettings
from contrascope.methods.hints import NOT_LEARNING, Suspect, decay_suspect, temperature_suspect, width_suspect
from contrascope.methods.large_run import LargeRun
from contrascope.methods.settings import SmallRun, registered
from contrascope.settings import require_positive, written_as

_PROJECTOR = ProjectorSettings(hidden=(2048, 2048), out=256, activation="gelu")
_SMALL = ProjectorSettings(hidden=(512, 512), out=128, activation="gelu", batch_norm=True)
WARM = 0.1
"""Teacher's temperature above which its codes are nearly even; the authors found 0.07 the highest that works."""
STILL = 0.999
"""Decay of the centre above which it hardly moves; published ones lie around 0.9."""


@written_as("DINOSettings")
@registered(
    "dino",
    build="contrascope.methods.momentum.dino:DINO",
    small_run=SmallRun(
        changes={
            "projector": _SMALL,
            "prototypes": 512,
            "ema_decay": 0.99,
            "freeze": 1 / 7,
            "local_views": 2,
        },
        epochs=7,
        policy="crops-global",
        moves={"lr": 1e-3},
        digits={"local_views": 0, "prototypes": 128},
    ),
    small={
        "prototypes": 10,
        "freeze": 0.2,
        "temperature_warmup": 0.5,
        "teacher_temperature": 0.06,
        "local_views": 2,
        "local_size": 5,
        "local_policy": "ab",
    },
    large_run=LargeRun(
        source="lightly's CIFAR benchmark; the teacher as in the paper",
        lr=0.06,
        weight_decay=5e-4,
        epochs=800,
        batch=128,
        changes={
            "projector": ProjectorSettings(hidden=(2048,), out=256, activation="gelu", batch_norm=True),
            "prototypes": 2048,
            "ema_decay": 0.99,
            "freeze": 0.00125,
        },
    ),
)
@dataclass(frozen=True, kw_only=True)
class DINOSettings(MultiCropSettings):
    """DINO (Caron et al. 2021, arXiv:2104.14294); defaults of the authors' code."""

    projector: ProjectorSettings = _PROJECTOR
    """Linear 2048, GELU, linear 2048, GELU, linear 256, no batch norm; its output is normalised."""
    prototypes: int = 65536
    """Width of the last layer, whose rows have length 1 (weight norm with g = 1)."""
    temperature: float = 0.1
    """Divides the student's cosines before the softmax that predicts."""
    teacher_temperature: float = 0.04
    """Divides the teacher's, once it has warmed up: small is sharp."""
    warmup_teacher_temperature: float = 0.04
    """The teacher's temperature at the start."""
    temperature_warmup: float = 0.0
    """Share of training in which the temperature goes from the one to the other in a straight line."""
    ema_decay: float = 0.996
    """Decay of the teacher at the start; it rises to 1 along a cosine."""
    centre_decay: float = 0.9
    """Share of the centre that each step keeps."""
    freeze: float = 0.01
    """Share of training in which the student's last layer stays as drawn; the authors: the first epoch of 100."""

    def check(self) -> None:
        super().check()
        require_positive(
            teacher_temperature=self.teacher_temperature,
            warmup_teacher_temperature=self.warmup_teacher_temperature,
        )
        self.refuse_share(
            freeze=self.freeze, temperature_warmup=self.temperature_warmup, centre_decay=self.centre_decay
        )
        if self.prototypes < 2:
            raise InputError(f"prototypes must be at least 2; got {self.prototypes}.")

    def suspects(self, word: str, signals: Mapping[str, float]) -> tuple[Suspect, ...]:
        warm = Suspect(
            setting="teacher_temperature",
            value=self.teacher_temperature,
            off=self.teacher_temperature > WARM,
            cause=f"The teacher's temperature {self.teacher_temperature:g} makes its codes nearly even: every image "
            "is to predict the same.",
            next="Set teacher_temperature between 0.02 and 0.07.",
        )
        centre = Suspect(
            setting="centre_decay",
            value=self.centre_decay,
            off=self.centre_decay > STILL,
            cause=f"The centre (centre_decay {self.centre_decay:g}) hardly moves: nothing keeps all images from one "
            "prototype.",
            next="Set centre_decay to 0.9.",
        )
        common = (temperature_suspect(self.temperature), warm, decay_suspect(word, self.ema_decay))
        if word == NOT_LEARNING:
            return common
        return (*common, centre, *width_suspect(signals))
