"""contrascope duplicates: pictures that stand twice, in one set or in two."""

import sys
from dataclasses import dataclass, replace

from contrascope.commands.command import DONE, Command
from contrascope.commands.curation.looking import SHOWN, LookArguments, folder_for, looked_at
from contrascope.errors import InputError
from contrascope.terminal.help import shown
from contrascope.terminal.progress import CommandProgress


@dataclass(frozen=True, kw_only=True)
class DuplicatesArguments(LookArguments):
    """Find pictures that stand twice: the same pixels but for what saving again changes, and slightly changed copies.

    In one set, or between two: training and test images, or a folder and what is added to it. Nothing is deleted.
    """

    against: str | None = None
    """A second set to compare with: a folder, or what else DATA can be; for a file of rows another file."""
    against_split: str | None = None
    """Another split of the same images to compare with, such as test."""
    similarity: float | None = None
    """Cosine from which two pictures are called alike, whatever their pixels; unset: as near as changed copies stay."""
    count: int = 20
    """How many pairs are printed."""


def run(parsed: DuplicatesArguments, progress: CommandProgress) -> int:
    """Search, print, write."""
    from contrascope.curation.duplicates import find_duplicates
    from contrascope.curation.written import write_duplicates
    from contrascope.features.files import READABLE
    from contrascope.machine.device import find_device
    from contrascope.terminal.curation import duplicates_json, show_duplicates, show_written

    subject = looked_at(parsed, parsed.source, progress.say)
    second = parsed.against
    if second is not None and not second.endswith(READABLE):
        if subject.networks is None:
            raise InputError(
                f"--against is {second}, but {parsed.thing} is a file of rows; expected another one "
                f"({', '.join(READABLE)})."
            )
        second = replace(parsed.data, source=second, labels=parsed.data.labels or "none")
    found = find_duplicates(
        subject,
        against=second,
        against_split=parsed.against_split,
        similarity=parsed.similarity,
        device=find_device(parsed.device),
        progress=progress.counter("images embedded"),
    )
    out = folder_for(parsed)
    written = None if out is None else write_duplicates(found, out)
    if parsed.json:
        sys.stdout.write(duplicates_json(found))
        return DONE
    sys.stdout.write(f"{show_duplicates(found, count=parsed.count)}{show_written(written)}")
    return DONE


COMMAND = Command(
    name="duplicates",
    group="use",
    words="RUN_OR_ENCODER_OR_FILE [DATA]",
    summary="pictures that stand twice, in one set or in two",
    arguments=DuplicatesArguments,
    run=run,
    shown=(
        shown("--against", "a second set to compare with", "none: within the images"),
        shown("--against-split", "another split to compare with, such as test", "none"),
        shown("--similarity", "cosine from which two are alike", "as near as changed copies stay"),
        shown("--count", "pairs to print"),
        *SHOWN,
    ),
    examples=(
        "contrascope duplicates runs/my-run",
        "contrascope duplicates runs/my-run ~/photos --against ~/new-photos",
        "contrascope duplicates timm:resnet18 uoft-cs/cifar10 --against-split test --out duplicates",
    ),
)
