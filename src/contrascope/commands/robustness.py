"""contrascope robustness: transformed copies and corruptions of the data."""

from dataclasses import dataclass, field
from typing import Annotated

import tyro

from contrascope.commands.command import Command
from contrascope.commands.suite import SHOWN, STOPPED, SuiteArguments, run_suite
from contrascope.evaluation.protocol import Protocol
from contrascope.evaluation.suites import AugmentedSettings
from contrascope.terminal.help import shown
from contrascope.terminal.progress import CommandProgress


@dataclass(frozen=True, kw_only=True)
class RobustnessArguments(SuiteArguments):
    """Ask whether an encoder serves as well on six transformed copies of the data, and on corrupted images.

    The record is kept in the run's folder after each part; the same command goes on where it stopped.
    """

    source: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")] = None
    """The images: digits, scenes, shapes, a folder, an array file, or a name on the hub; unset: the run's own."""
    settings: Annotated[AugmentedSettings, tyro.conf.arg(name="")] = field(default_factory=AugmentedSettings)
    protocol: Protocol = field(default_factory=Protocol)


def run(parsed: RobustnessArguments, progress: CommandProgress) -> int:
    """Run the suite and print its tables."""
    asked = {"source": parsed.source, "protocol": parsed.protocol, "augmented": parsed.settings}
    return run_suite("augmented", parsed, progress, **asked)


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
        *SHOWN,
    ),
    examples=(
        "contrascope robustness runs/my-run",
        "contrascope robustness runs/my-run DATA --train-images 10000 --corruptions noise blur",
    ),
    stopped=STOPPED,
)
