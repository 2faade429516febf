"""contrascope label: a page and a table of images to label by hand."""

import json
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import tyro

from contrascope.commands.command import DONE, Command, Computing
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError
from contrascope.terminal.help import shown
from contrascope.terminal.progress import CommandProgress


@dataclass(frozen=True, kw_only=True)
class LabelArguments(Computing):
    """Write a page and a table of images to label by hand, for `diagnose --labelled`.

    The page shows thumbnails and saves the table; a spreadsheet fills it as well. Classes that the table has already
    are kept.
    """

    thing: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN_OR_ENCODER")]
    """A run's folder, or an encoder's name with images."""
    source: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")] = None
    """The images of an encoder; a run has its own."""
    count: int = 50
    """How many images to label."""
    spread: bool = True
    """Spread them over the embedding: rare classes are seen early; else drawn at random."""
    seed: int = 0
    """Of the choice; more images of the same seed begin with the same ones."""
    step: int | None = None
    """Checkpoint of a run by its step; unset: the newest."""
    out: Path | None = None
    """Folder for label.html and label.csv; unset: the run's."""
    data: DataSettings = field(default_factory=DataSettings)
    json: bool = False
    """Print what was written as JSON."""


def run(parsed: LabelArguments, progress: CommandProgress) -> int:
    """Choose, write, and say where."""
    from contrascope.gallery.label import label_images
    from contrascope.machine.device import find_device

    folder = Path(parsed.thing).expanduser()
    out = parsed.out or (folder if folder.is_dir() else None)
    if out is None:
        raise InputError(f"{parsed.thing} is no run's folder; name a folder for the page with --out.")
    made = label_images(
        parsed.thing,
        None if parsed.source is None else replace(parsed.data, source=parsed.source),
        out=out,
        count=parsed.count,
        spread=parsed.spread,
        seed=parsed.seed,
        step=parsed.step,
        device=find_device(parsed.device),
        progress=progress.counter("images embedded"),
        say=progress.say,
    )
    if parsed.json:
        words = {"page": str(made.page), "table": str(made.table), "images": made.images, "kept": made.kept}
        sys.stdout.write(json.dumps(words) + "\n")
        return DONE
    kept = f"; {made.kept} have their class already" if made.kept else ""
    sys.stdout.write(
        f"{made.images} images to label{kept}\n"
        f"{made.page}  open it in a browser, write the classes, save the table\n"
        f"{made.table}  or fill in the column class here\n"
        f"then: contrascope diagnose {parsed.thing} --labelled {made.table}\n"
    )
    return DONE


COMMAND = Command(
    name="label",
    group="measure",
    words="RUN_OR_ENCODER [DATA]",
    summary="images to label by hand: is it useful for your classes?",
    arguments=LabelArguments,
    run=run,
    shown=(
        shown("--count", "images to label"),
        shown("--no-spread", "at random", "spread over the embedding"),
        shown("--seed", "of the choice; more begin with the same ones"),
        shown("--out", "folder for label.html and label.csv", "the run's"),
        shown("--device", "cpu, cuda, cuda:1 or mps", "the first GPU, or the CPU"),
    ),
    examples=(
        "contrascope label runs/my-run --count 50",
        "contrascope label timm:resnet18 ~/photos --count 100 --out labelling",
    ),
)
