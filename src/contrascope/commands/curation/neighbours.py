"""contrascope neighbours: the pictures most like one."""

import sys
from dataclasses import dataclass
from typing import Annotated

import tyro

from contrascope.commands.command import DONE, Command
from contrascope.commands.curation.looking import SHOWN, FoundArguments, folder_for, looked_at
from contrascope.terminal.help import shown
from contrascope.terminal.progress import CommandProgress


@dataclass(frozen=True, kw_only=True)
class NeighboursArguments(FoundArguments):
    """List the pictures that are most like one, by the cosine of encoder outputs, and write a small page of them.

    QUERY is a picture file, or the name of one of the images; for a file of rows it is a name.
    """

    query: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="QUERY")]
    """A picture file, or the name of one of the images."""
    source: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")] = None
    """The images that are searched; unset: a run's own."""
    count: int = 10
    """How many neighbours."""


def run(parsed: NeighboursArguments, progress: CommandProgress) -> int:
    """Search, print, write."""
    from contrascope.curation.neighbours import find_neighbours
    from contrascope.curation.written import write_neighbours
    from contrascope.machine.device import find_device
    from contrascope.terminal.curation import neighbours_json, show_neighbours, show_written

    found = find_neighbours(
        looked_at(parsed, parsed.source, progress.say),
        parsed.query,
        k=parsed.count,
        device=find_device(parsed.device),
        progress=progress.counter("images embedded"),
    )
    out = folder_for(parsed)
    written = None if out is None else write_neighbours(found, out)
    if parsed.json:
        sys.stdout.write(neighbours_json(found))
        return DONE
    sys.stdout.write(f"{show_neighbours(found)}{'' if written is None else show_written(written)}")
    return DONE


COMMAND = Command(
    name="neighbours",
    group="use",
    words="RUN_OR_ENCODER_OR_FILE QUERY [DATA]",
    summary="the pictures most like one, with a small page",
    arguments=NeighboursArguments,
    run=run,
    shown=(shown("--count", "how many"), *SHOWN),
    examples=(
        "contrascope neighbours runs/my-run query.jpg",
        "contrascope neighbours runs/my-run query.jpg ~/photos --count 20",
        "contrascope neighbours features.parquet 2023/01/IMG_0002.JPG",
    ),
)
