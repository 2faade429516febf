"""contrascope predict: classes for a folder from a few labelled pictures."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from contrascope.commands.command import DONE, Command, Computing
from contrascope.commands.curation.looking import settings_of
from contrascope.data.settings import DataSettings
from contrascope.terminal.help import shown
from contrascope.terminal.progress import CommandProgress


@dataclass(frozen=True, kw_only=True)
class PredictArguments(Computing):
    """Learn classes from a few labelled pictures and answer for all others, with a confidence, or "do not know".

    How good the answers are is told first, by cross-validation on the labelled pictures. `contrascope label` writes a
    table to fill in.
    """

    thing: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN_OR_ENCODER_OR_FILE")]
    """A run's folder, an encoder's name, or a file of rows (.npy, .npz, .safetensors, .parquet)."""
    source: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")] = None
    """The images to answer for; unset: a run's own. For a file of rows another file, or itself."""
    labelled: Path
    """CSV file with the columns file and class; rows without a class are skipped."""
    out: Path
    """CSV file to write: file, answer, confidence, guess, similarity, labelled."""
    labelled_data: str | None = None
    """Where the files of the table lie; unset: among DATA, or else among a run's own images."""
    decline: float = 0.1
    """Share of pictures of the labelled classes that may be answered "do not know"; more finds more unknown ones."""
    seed: int = 0
    """Of the folds."""
    step: int | None = None
    """Checkpoint of a run by its step; unset: the newest."""
    data: DataSettings = field(default_factory=DataSettings)
    json: bool = False
    """Print the test and the counts of answers as JSON."""


def run(parsed: PredictArguments, progress: CommandProgress) -> int:
    """Test, print, answer, write."""
    from contrascope.curation.predict import predict_anything, write_predictions
    from contrascope.machine.device import find_device
    from contrascope.terminal.curation import predictions_json, show_predictions, show_tested

    found = predict_anything(
        parsed.thing,
        parsed.labelled,
        _images(parsed, parsed.source),
        labelled_data=_images(parsed, parsed.labelled_data),
        step=parsed.step,
        decline=parsed.decline,
        seed=parsed.seed,
        device=find_device(parsed.device),
        progress=progress.counter("images embedded"),
        say=progress.say,
    )
    table = write_predictions(found, parsed.out.expanduser())
    if parsed.json:
        sys.stdout.write(predictions_json(found, str(table)))
        return DONE
    sys.stdout.write(f"{show_tested(found.tested)}{show_predictions(found)}{table}\n")
    return DONE


def _images(parsed: PredictArguments, source: str | None) -> DataSettings | str | None:
    """Settings of images; a file of rows as it is named."""
    if source is None or Path(parsed.thing).expanduser().is_file():
        return source
    return settings_of(source, parsed.data)


COMMAND = Command(
    name="predict",
    group="use",
    words="RUN_OR_ENCODER_OR_FILE [DATA] --labelled CSV --out FILE",
    summary='classes from a few labels, with a confidence, or "do not know"',
    arguments=PredictArguments,
    run=run,
    shown=(
        shown("--labelled", "table with the columns file and class"),
        shown("--out", "table to write"),
        shown("--labelled-data", "where the table's files lie", "DATA, or the run's own images"),
        shown("--decline", 'share of known classes that may be answered "do not know"'),
        shown("--data.split", "split of DATA; all joins them"),
        shown("--json", "print the test and the counts as JSON"),
        shown("--device", "cpu, cuda, cuda:1 or mps", "the first GPU, or the CPU"),
    ),
    examples=(
        "contrascope predict runs/my-run --labelled runs/my-run/label.csv --out predictions.csv",
        "contrascope predict runs/my-run ~/new-photos --labelled labels.csv --out predictions.csv",
    ),
)
