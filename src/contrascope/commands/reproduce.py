"""contrascope reproduce: a paper's table in one command, the published numbers beside one's own."""

import contextlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from contrascope.commands.command import DONE, WRONG_INPUT, Command, Computing
from contrascope.commands.engine import TrialArguments
from contrascope.errors import InputError
from contrascope.terminal.help import shown
from contrascope.terminal.progress import CommandProgress

if TYPE_CHECKING:
    from contrascope.records.sweeps import TableRecord


@dataclass(frozen=True, kw_only=True)
class ReproduceArguments(TrialArguments, Computing):
    """Train and measure a table of a paper, and show it beside the published one.

    Without a name all tables are listed: what each costs and how far it is in --out. Every cell is a run; all cells of
    one seed come before the next seed. Asked again with the same --out, a table goes on where it stopped.
    """

    table: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[TABLE]")] = ""
    """The table; unset: list all."""
    scale: Literal["cpu", "gpu", "paper"] = "cpu"
    """cpu: a small encoder, few epochs; gpu: the paper's encoder, few epochs; paper: the paper's settings."""
    seeds: int = 1
    """Seeds from 0 on."""
    data: Path | None = None
    """Folder with CIFAR-10 and CIFAR-100 (and sets of transfer), each a folder in hub layout; unset: from the hub."""
    out: Path = Path("runs/papers")
    """Where tables lie, each in a folder of its own."""
    only: tuple[str, ...] = ()
    """Words of names of cells, such as cifar10/simclr; unset: all cells. What was begun before goes on too."""
    precision: Literal["float32", "bf16"] | None = None
    """Arithmetic of all runs; unset: bf16 where it is fast (GPU, AMX, newer AMD), else float32; as it was begun."""
    minutes: float | None = None
    """Stop after so many minutes, saved; unset: at the end."""
    show: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Train and measure nothing: print the page of what --out holds."""
    page: Path | None = None
    """File for the page, in Markdown, with its picture beside it; unset: page.md beside the table's record."""
    dry_run: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Drawn images and one step a cell: does everything run? Its numbers mean nothing."""
    json: bool = False
    """Print the table's record as JSON instead of its page."""


def run(parsed: ReproduceArguments, progress: CommandProgress) -> int:
    """List the tables, or run one and print its page."""
    if not parsed.table:
        from contrascope.terminal.papers import show_tables

        sys.stdout.write(show_tables(parsed.scale, parsed.out.expanduser(), as_json=parsed.json))
        return DONE
    from contrascope.papers.collect import kept_table
    from contrascope.papers.page import page, picture
    from contrascope.papers.place import folder_of
    from contrascope.papers.tables import find_table

    table = find_table(parsed.table)
    folder = parsed.out.expanduser() / folder_of(table.name, parsed.scale, dry=parsed.dry_run)
    record = None
    if not parsed.show:
        record = _made(parsed, folder, progress)
    elif folder.is_dir():
        record = kept_table(folder)
    text = page(table, record, parsed.scale)
    place = parsed.page or (folder / "page.md" if folder.is_dir() else None)
    if place is not None:
        from contrascope.records.inside import write_atomic

        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(place, text.encode())
        drawn = picture(table, record)
        if drawn is not None:
            write_atomic(place.with_name(f"{table.name}.svg"), drawn.encode())
    if parsed.json:
        from contrascope.records.entry import as_tree

        text = json.dumps(None if record is None else as_tree(record), indent=2) + "\n"
    sys.stdout.write(text)
    broken = [] if record is None else [one for one in record.cells if one.state in ("refused", "lost")]
    return WRONG_INPUT if broken else DONE


def _made(parsed: ReproduceArguments, folder: Path, progress: CommandProgress) -> "TableRecord":
    import torch

    from contrascope.machine.device import find_device
    from contrascope.papers.cost import minutes_of
    from contrascope.papers.reproduce import TableRequest, precision_of, reproduce
    from contrascope.papers.scales import find_sources
    from contrascope.papers.table import chosen
    from contrascope.papers.tables import find_table

    if parsed.minutes is not None and parsed.minutes <= 0:
        raise InputError(f"--minutes is {parsed.minutes}; expected more than 0.")
    here = find_device(parsed.device)
    data = None if parsed.data is None else parsed.data.expanduser()
    asked = TableRequest(
        table=find_table(parsed.table),
        scale=parsed.scale,
        seeds=parsed.seeds,
        sources=find_sources(data, dry=parsed.dry_run),
        only=parsed.only,
        precision=parsed.precision or precision_of(folder, torch.device("cuda") if parsed.on_gpus else here),
    )
    cells = chosen(asked.cells, parsed.only)
    progress.say(_plan(len(cells), minutes_of(cells, parsed.scale), parsed))
    with contextlib.ExitStack() as held:
        return reproduce(
            asked,
            folder,
            engine=parsed.engine_for(folder, held),
            jobs=parsed.jobs,
            minutes=parsed.minutes,
            device=parsed.device,
            say=progress.say,
        )


def _plan(cells: int, minutes: float, parsed: ReproduceArguments) -> str:
    if parsed.dry_run:
        return f"{cells} cells, a dry run"
    where = "on one thread alone" if parsed.scale == "cpu" else "on an H100, a guess"
    return f"{cells} cells and {parsed.seeds} seed(s): about {minutes * parsed.seeds:.0f} minutes {where}"


COMMAND = Command(
    name="reproduce",
    group="train",
    words="[TABLE]",
    summary="a table of a paper, the published numbers beside one's own; without a name all tables",
    arguments=ReproduceArguments,
    run=run,
    shown=(
        shown(
            "--scale", "cpu, gpu or paper: minutes a cell here, minutes a cell there, the paper's settings"
        ),
        shown("--seeds", "seeds from 0 on; all cells of one before the next"),
        shown("--data", "folder with CIFAR-10 and CIFAR-100 in hub layout", "from the hub"),
        shown("--out", "where tables lie"),
        shown("--only", "words of names of cells, such as cifar10/simclr", "all cells"),
        shown("--minutes", "stop after so many minutes, saved", "at the end"),
        shown("--jobs", "cells trained at a time; the cores are divided among them"),
        shown("--engine", "local: processes of this machine; slurm: jobs of Slurm; ray: a Ray cluster"),
        shown("--show", "train nothing: the page of what is there"),
        shown("--dry-run", "drawn images and one step a cell"),
        shown("--json", "print every number as JSON"),
        shown("--device", "cpu, cuda, cuda:1 or mps", "the first GPU, or the CPU"),
    ),
    examples=(
        "contrascope reproduce --scale gpu",
        "contrascope reproduce huang-compositions --data ~/cifar --seeds 3 --only cifar10/simclr",
        "contrascope reproduce huang-compositions --show",
    ),
    stopped="What is trained and measured is kept; the same command goes on from here.",
)
