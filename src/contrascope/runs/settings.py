"""Everything that decides a run, as one frozen value."""

from dataclasses import dataclass, field

from contrascope.augment.settings import PolicySettings
from contrascope.data.settings import DataSettings
from contrascope.diagnosis.settings import GeometryProbeSettings, MonitorSettings
from contrascope.encoders.settings import EncoderSettings
from contrascope.evaluation.protocol import Protocol
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.methods.settings import MethodSettings
from contrascope.settings import written_as
from contrascope.training.settings import OptimSettings, ScheduleSettings, TrainingSettings


@written_as("RunSettings")
@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """A whole run: images, views, networks, method, optimisation and evaluation."""

    data: DataSettings = field(default_factory=DataSettings)
    policy: PolicySettings = field(default_factory=PolicySettings)
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    method: MethodSettings = field(default_factory=SimCLRSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    optim: OptimSettings = field(default_factory=OptimSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    protocol: Protocol = field(default_factory=Protocol)
    monitor: MonitorSettings = field(default_factory=MonitorSettings)
    geometry: GeometryProbeSettings = field(default_factory=GeometryProbeSettings)


@dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """Number of images, their channels and typical shorter side in px, and where training would run."""

    count: int
    channels: int
    side: int
    device: str
    bf16: bool = False
    """Whether the device multiplies bf16 faster than float32."""
