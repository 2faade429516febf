"""contrascope robustness: transformed copies and corruptions of the data."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from contrascope.commands.command import DONE, Command, Computing
from contrascope.data.settings import DataSettings
from contrascope.evaluation.protocol import Protocol
from contrascope.evaluation.suites import AugmentedSettings
from contrascope.terminal.help import shown
from contrascope.terminal.progress import CommandProgress


@dataclass(frozen=True, kw_only=True)
class RobustnessArguments(Computing):
    """Ask whether an encoder serves as well on six transformed copies of the data, and on corrupted images.

    The record is kept in the run's folder after each part; the same command goes on where it stopped.
    """

    encoder: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN_OR_ENCODER")]
    """A run's folder, or an encoder's name."""
    source: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")] = None
    """The images: digits, scenes, shapes, a folder, an array file, or a name on the hub; unset: the run's own."""
    settings: Annotated[AugmentedSettings, tyro.conf.arg(name="")] = field(default_factory=AugmentedSettings)
    data: DataSettings = field(default_factory=DataSettings)
    protocol: Protocol = field(default_factory=Protocol)
    out: Path | None = None
    """Folder of the record; unset: the run's, or a folder here."""
    json: bool = False
    """Print every number as JSON instead of tables."""


def run(parsed: RobustnessArguments, progress: CommandProgress) -> int:
    """Run the suite and print its tables."""
    from contrascope.suites.run import evaluate_suite
    from contrascope.terminal.suites import show_suite
    from contrascope.training.device import find_device

    record = evaluate_suite(
        "augmented",
        parsed.encoder,
        parsed.data,
        source=parsed.source,
        protocol=parsed.protocol,
        augmented=parsed.settings,
        out=parsed.out,
        device=find_device(parsed.device),
        say=progress.say,
    )
    sys.stdout.write(show_suite(record, as_json=parsed.json))
    return DONE


COMMAND = Command(
    name="robustness",
    group="measure",
    words="RUN_OR_ENCODER [DATA]",
    summary="accuracy on transformed and corrupted images",
    arguments=RobustnessArguments,
    run=run,
    shown=(
        shown("--corruptions", "corruptions to test on; none: leave them out"),
        shown("--severities", "their severities, 1 to 5"),
        shown("--train-images", "training images of the probes", "all"),
        shown("--no-references", "leave the random encoder and raw pixels out"),
        shown("--seed", "of the transformed copies"),
        shown("--out", "folder of the record", "the run's, or a folder here"),
        shown("--json", "print every number as JSON"),
        shown("--device", "cpu, cuda, cuda:1 or mps", "the first GPU, or the CPU"),
    ),
    examples=(
        "contrascope robustness runs/my-run",
        "contrascope robustness runs/my-run DATA --train-images 10000 --corruptions noise blur",
    ),
    stopped="What is measured is kept; the same command goes on from here.",
)
