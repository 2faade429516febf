"""What is looked through: a run, an encoder with images or a file of rows, and where the findings go."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from contrascope.commands.command import Computing
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError
from contrascope.progress import Say
from contrascope.terminal.help import shown


@dataclass(frozen=True, kw_only=True)
class FoundArguments(Computing):
    """A subject, and a folder for what is found; DATA comes with the command."""

    thing: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN_OR_ENCODER_OR_FILE")]
    """A run's folder, an encoder's name, or a file of rows (.npy, .npz, .safetensors, .parquet)."""
    step: int | None = None
    """Checkpoint of a run by its step; unset: the newest."""
    out: Path | None = None
    """Folder for page and table; unset: the run's, or none."""
    data: DataSettings = field(default_factory=DataSettings)
    json: bool = False
    """Print everything as JSON."""


@dataclass(frozen=True, kw_only=True)
class LookArguments(FoundArguments):
    """A subject, its images, and a folder for what is found."""

    source: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")] = None
    """The images; unset: a run's own."""


SHOWN = (
    shown("--out", "folder for page and table", "the run's, or none"),
    shown("--data.split", "split of DATA; all joins them"),
    shown("--data.on-bad-image", "what a broken image does: error or skip"),
    shown("--json", "print everything as JSON"),
    shown("--device", "cpu, cuda, cuda:1 or mps", "the first GPU, or the CPU"),
)
"""What people set of what is looked through."""


def settings_of(source: str | None, data: DataSettings) -> DataSettings | None:
    """The settings of DATA, without its labels unless some are asked for; None for a run's own images.

    Raises `InputError` for settings that belong to no DATA.
    """
    if source is None:
        if data != DataSettings():
            raise InputError("--data.* are settings of DATA, and none is named. Name it after the run.")
        return None
    return replace(data, source=source, labels=data.labels or "none")


def looked_at(parsed: FoundArguments, source: str | None, say: Say) -> Any:
    """The subject, after a word on how its images were read."""
    from contrascope.runs.bad_images import tell_images
    from contrascope.subjects.open import open_subject

    subject = open_subject(parsed.thing, data=settings_of(source, parsed.data), step=parsed.step)
    if subject.networks is not None:
        tell_images(subject.images, say)
    return subject


def folder_for(parsed: FoundArguments) -> Path | None:
    """Where page and table go: --out, or a run's folder, or nowhere."""
    folder = Path(parsed.thing).expanduser()
    return parsed.out or (folder if folder.is_dir() else None)
