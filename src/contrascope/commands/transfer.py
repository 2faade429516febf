"""contrascope transfer: what a frozen encoder is worth on other data."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from contrascope.commands.command import DONE, Command, Computing
from contrascope.data.settings import DataSettings
from contrascope.evaluation.suites import TransferProtocol
from contrascope.terminal.help import shown
from contrascope.terminal.progress import CommandProgress


@dataclass(frozen=True, kw_only=True)
class TransferArguments(Computing):
    """Ask other sets what an encoder is worth: linear probe, few labels, fine-tuning, beside a random encoder.

    The record is kept in the run's folder after each number; the same command goes on where it stopped. What cannot
    be had is named, and stops none of the others.
    """

    encoder: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN_OR_ENCODER")]
    """A run's folder, or an encoder's name."""
    sets: tuple[str, ...] = ()
    """The sets: aircraft, pets, ..., or SOURCE, SOURCE@COLUMN, SOURCE@COLUMN@METRIC (top1 or mean); unset: the nine."""
    settings: Annotated[TransferProtocol, tyro.conf.arg(name="")] = field(default_factory=TransferProtocol)
    data: DataSettings = field(default_factory=DataSettings)
    out: Path | None = None
    """Folder of the record; unset: the run's, or a folder here."""
    json: bool = False
    """Print every number as JSON instead of tables."""


def run(parsed: TransferArguments, progress: CommandProgress) -> int:
    """Run the suite and print its tables."""
    from contrascope.suites.run import evaluate_suite
    from contrascope.terminal.suites import show_suite
    from contrascope.training.device import find_device

    record = evaluate_suite(
        "transfer",
        parsed.encoder,
        parsed.data,
        sets=parsed.sets,
        transfer=parsed.settings,
        out=parsed.out,
        device=find_device(parsed.device),
        say=progress.say,
    )
    sys.stdout.write(show_suite(record, as_json=parsed.json))
    return DONE


COMMAND = Command(
    name="transfer",
    group="measure",
    words="RUN_OR_ENCODER --sets SET ...",
    summary="what it is worth on other sets",
    arguments=TransferArguments,
    run=run,
    shown=(
        shown("--sets", "pets, dtd, ..., or SOURCE@COLUMN@METRIC of your own", "the nine of the literature"),
        shown("--modes", "what to measure: linear, few_labels, finetune"),
        shown("--train-images", "training images of a set, at most", "all"),
        shown("--test-images", "test images of a set, at most", "all"),
        shown("--size", "side in px of every set", "the encoder's, or 224"),
        shown("--no-references", "leave the random encoder out"),
        shown("--finetune.steps", "steps of each fine-tuning"),
        shown("--out", "folder of the record", "the run's, or a folder here"),
        shown("--json", "print every number as JSON"),
        shown("--device", "cpu, cuda, cuda:1 or mps", "the first GPU, or the CPU"),
    ),
    examples=(
        "contrascope transfer runs/my-run --sets pets dtd",
        "contrascope transfer timm:resnet18 --sets data/mnist data/caltech101-32@label@mean --train-images 5000",
    ),
    stopped="What is measured is kept; the same command goes on from here.",
)
