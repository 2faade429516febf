"""contrascope transfer: what a frozen encoder is worth on other data."""

from dataclasses import dataclass, field
from typing import Annotated

import tyro

from contrascope.commands.command import Command
from contrascope.commands.suite import SHOWN, STOPPED, SuiteArguments, run_suite
from contrascope.evaluation.suites import TransferProtocol
from contrascope.terminal.help import shown
from contrascope.terminal.progress import CommandProgress


@dataclass(frozen=True, kw_only=True)
class TransferArguments(SuiteArguments):
    """Ask other sets what an encoder is worth: linear probe, few labels, fine-tuning, beside a random encoder.

    The record is kept in the run's folder after each number; the same command goes on where it stopped. What cannot
    be had is named, and stops none of the others.
    """

    sets: tuple[str, ...] = ()
    """The sets: aircraft, pets, ..., or SOURCE, SOURCE@COLUMN, SOURCE@COLUMN@METRIC (top1 or mean); unset: the nine."""
    settings: Annotated[TransferProtocol, tyro.conf.arg(name="")] = field(default_factory=TransferProtocol)


def run(parsed: TransferArguments, progress: CommandProgress) -> int:
    """Run the suite and print its tables."""
    return run_suite("transfer", parsed, progress, sets=parsed.sets, transfer=parsed.settings)


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
        *SHOWN,
    ),
    examples=(
        "contrascope transfer runs/my-run --sets pets dtd",
        "contrascope transfer timm:resnet18 --sets data/mnist data/caltech101-32@label@mean --train-images 5000",
    ),
    stopped=STOPPED,
)
