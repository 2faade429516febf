"""contrascope geometry: what encoder and projector do with each operation."""

import sys
from dataclasses import dataclass, field
from typing import Annotated

import tyro

from contrascope.commands.command import DONE, Command
from contrascope.commands.subject import SHOWN, SubjectArguments, out_or_run, subject_of
from contrascope.diagnosis.settings import GeometrySettings
from contrascope.terminal.help import shown
from contrascope.terminal.progress import CommandProgress


@dataclass(frozen=True, kw_only=True)
class GeometryArguments(SubjectArguments):
    """Measure the geometry of encoder and projector: which operations each layer keeps, damps and removes.

    Takes networks, not files: a run, or an encoder by name with images. Writes geometry.json, which the report shows.
    """

    settings: Annotated[GeometrySettings, tyro.conf.arg(name="")] = field(default_factory=GeometrySettings)


def run(parsed: GeometryArguments, progress: CommandProgress) -> int:
    """Measure, write the record, print the tables."""
    from contrascope.subjects.geometry import measure_anything, write_geometry
    from contrascope.terminal.geometry import show_geometry

    found = measure_anything(parsed.thing, **subject_of(parsed), settings=parsed.settings, say=progress.say)
    out = out_or_run(parsed)
    written = None if out is None else write_geometry(found, parsed.settings, out)
    sys.stdout.write(show_geometry(found, written, as_json=parsed.json))
    return DONE


COMMAND = Command(
    name="geometry",
    group="measure",
    words="RUN_OR_ENCODER [DATA]",
    summary="what encoder and projector do with each operation",
    arguments=GeometryArguments,
    run=run,
    shown=(
        shown("--images", "images that are looked at, drawn at random"),
        shown("--directions", "directions of an operation"),
        shown("--points", "images at which an MLP projector's local map is taken"),
        *SHOWN,
    ),
    examples=(
        "contrascope geometry runs/my-run",
        "contrascope geometry timm:resnet18 ~/photos --policy simclr --images 500",
    ),
)
