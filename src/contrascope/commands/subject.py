"""What is measured, as diagnose and geometry take it: a run, an encoder or a file, its images and its views."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from contrascope.commands.command import Computing
from contrascope.data.settings import DataSettings
from contrascope.terminal.help import shown


@dataclass(frozen=True, kw_only=True)
class SubjectArguments(Computing):
    """A subject and where its numbers go."""

    thing: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN_OR_ENCODER_OR_FILE")]
    """A run's folder, an exported encoder's, an encoder's name, or a file of embeddings (.npy, .npz, .safetensors,
    .parquet)."""
    source: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")] = None
    """The images of an encoder; a run has its own."""
    labels: str | None = None
    """Label column to show beside what needs none, and by which diagnose tells whether it is useful; unset: every
    column is shown, and usefulness is not told; `none`: no labels."""
    policy: str | None = None
    """Policy that makes the views, a preset, letters or a policy file (.json); unset: the run's own, or simclr."""
    strength: float | None = None
    """Strength of the policy's colour distortion; unset: the policy's own."""
    step: int | None = None
    """Checkpoint of a run by its step; unset: the newest."""
    out: Path | None = None
    """File for the full numbers; unset: in the run's folder, or none."""
    data: DataSettings = field(default_factory=DataSettings)
    json: bool = False
    """Print the full numbers as JSON instead of a summary."""


SHOWN = (
    shown("--policy", "what makes the views: a preset, letters or a policy file", "the run's own, or simclr"),
    shown("--step", "checkpoint of a run", "the newest"),
    shown("--labels", "label column: is it useful for these classes? or none", "every column is shown"),
    shown("--out", "file for every number", "in the run's folder, or none"),
    shown("--json", "print every number as JSON"),
    shown("--device", "cpu, cuda, cuda:1 or mps", "the first GPU, or the CPU"),
)
"""What people set of a subject."""


def subject_of(parsed: SubjectArguments) -> dict[str, Any]:
    """The subject as the jobs take it."""
    from contrascope.augment.policy_file import named_policy
    from contrascope.machine.device import find_device

    return {
        "data": None if parsed.source is None else replace(parsed.data, source=parsed.source),
        "policy": None if parsed.policy is None else named_policy(parsed.policy, strength=parsed.strength),
        "labels": parsed.labels,
        "step": parsed.step,
        "device": find_device(parsed.device),
    }


def out_or_run(parsed: SubjectArguments) -> Path | None:
    """Where the numbers go: --out, or the run's folder; into an exported encoder's nothing is written."""
    from contrascope.exports.blueprint import is_export

    folder = Path(parsed.thing).expanduser()
    return parsed.out or (folder if folder.is_dir() and not is_export(folder) else None)
