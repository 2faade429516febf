"""What both suites take: an encoder, how images are opened, and where the record goes; and their call."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from contrascope.commands.command import DONE, WRONG_INPUT, Computing
from contrascope.data.settings import DataSettings
from contrascope.terminal.help import shown
from contrascope.terminal.progress import CommandProgress


@dataclass(frozen=True, kw_only=True)
class SuiteArguments(Computing):
    """An encoder and where its record goes."""

    encoder: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN_OR_ENCODER")]
    """A run's folder, or an encoder's name."""
    data: DataSettings = field(default_factory=DataSettings)
    out: Path | None = None
    """Folder of the record; unset: the run's, or a folder here."""
    json: bool = False
    """Print every number as JSON instead of tables."""


SHOWN = (
    shown("--out", "folder of the record", "the run's, or a folder here"),
    shown("--json", "print every number as JSON"),
    shown("--device", "cpu, cuda, cuda:1 or mps", "the first GPU, or the CPU"),
)
"""What people set of every suite."""
STOPPED = "What is measured is kept; the same command goes on from here."
"""What a stop says."""


def run_suite(
    suite: Literal["augmented", "transfer"], parsed: SuiteArguments, progress: CommandProgress, **asked: Any
) -> int:
    """Run the suite and print its tables; `asked` is what this suite alone takes.

    A suite of which nothing could be had is wrong input, though its tables say why.
    """
    from contrascope.machine.device import find_device
    from contrascope.records.suites import TransferRecord
    from contrascope.suites.run import evaluate_suite
    from contrascope.terminal.suites import show_suite

    record = evaluate_suite(
        suite,
        parsed.encoder,
        parsed.data,
        **asked,
        out=parsed.out,
        device=find_device(parsed.device),
        say=progress.say,
    )
    sys.stdout.write(show_suite(record, as_json=parsed.json))
    nothing = isinstance(record, TransferRecord) and not any(one.rows for one in record.sets.values())
    return WRONG_INPUT if nothing else DONE
