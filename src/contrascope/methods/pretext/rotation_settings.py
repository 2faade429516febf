"""Settings of rotation prediction; without torch."""

from dataclasses import dataclass

from contrascope.methods.large_run import LargeRun
from contrascope.methods.settings import MethodSettings, SmallRun, registered
from contrascope.settings import written_as


@written_as("RotationSettings")
@registered(
    "rotation",
    build="contrascope.methods.pretext.rotation:Rotation",
    small_run=SmallRun(epochs=5, optim="sgd", policy="crop-flip", moves={"nesterov": True}),
    large_run=LargeRun(
        source="the authors' code; cosine in place of steps",
        lr=0.1,
        weight_decay=5e-4,
        epochs=200,
        batch=128,
        warmup_epochs=0.0,
        policy="crop-flip",
        moves={"nesterov": True},
    ),
)
@dataclass(frozen=True, kw_only=True)
class RotationSettings(MethodSettings):
    """Rotation prediction (Gidaris et al. 2018, arXiv:1803.07728): nothing to set beside the run's own settings.

    No setting of it can collapse the encoder or keep it from learning; what can is the policy, if it turns images.
    """
