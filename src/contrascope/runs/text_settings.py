"""Everything that decides a run on sentences, as one frozen value."""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from contrascope.diagnosis.settings import MonitorSettings
from contrascope.methods.settings import MethodSettings
from contrascope.methods.text.simcse_settings import SimCSESettings
from contrascope.runs.settings import RunSettings
from contrascope.settings import KIND, from_json, kind_of, written_as
from contrascope.text.settings import TextDataSettings, TextEncoderSettings, TextViewSettings
from contrascope.training.settings import OptimSettings, ScheduleSettings, TrainingSettings


@written_as("TextRunSettings")
@dataclass(frozen=True, kw_only=True)
class TextRunSettings:
    """A whole run on sentences: texts, views, network, method and optimisation."""

    data: TextDataSettings = field(default_factory=TextDataSettings)
    views: TextViewSettings = field(default_factory=TextViewSettings)
    encoder: TextEncoderSettings = field(default_factory=TextEncoderSettings)
    method: MethodSettings = field(default_factory=SimCSESettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    optim: OptimSettings = field(default_factory=OptimSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    monitor: MonitorSettings = field(default_factory=lambda: MonitorSettings(images=256))


AnyRunSettings: TypeAlias = RunSettings | TextRunSettings
"""Settings of a run, whatever it learns from."""


def read_any_settings(tree: Any, *, path: str = "settings") -> AnyRunSettings:
    """Settings of a run from JSON, by their kind; without one they are of images."""
    of_text = isinstance(tree, dict) and tree.get(KIND) == kind_of(TextRunSettings)
    return from_json(TextRunSettings, tree, path=path) if of_text else from_json(RunSettings, tree, path=path)
