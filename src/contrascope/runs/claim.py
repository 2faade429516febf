"""How a new run takes its folder, and gives it back where it cannot begin."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from contrascope import records
from contrascope.errors import InputError
from contrascope.records.forgetting import START, ForgettingRecord
from contrascope.records.inside import removed
from contrascope.records.requests import SegmentsRecord
from contrascope.text.tokenizer import FILE as TOKENIZER
from contrascope.text.tokenizer import SPECIAL
from contrascope.training.interrupt import StoppedError
from contrascope.training.track import FOLDER as TRACKERS
from contrascope.training.views import RunItems
from contrascope.training.watch import NonFiniteLossError

WRITTEN = (
    *(records.SETTINGS, records.ENVIRONMENT, SegmentsRecord.FILE, records.BAD_IMAGES, records.METRICS),
    *(
        TOKENIZER,
        SPECIAL,
        records.CHECKPOINTS,
        records.BEST,
        records.EVALUATION,
        START,
        ForgettingRecord.FILE,
    ),
    *(TRACKERS, records.LOCK),
)
"""What a training writes in its folder, the lock last."""
LEAST_IMAGES = 8
"""Images that a run needs: its probes learn on some and test on others."""


def check_count(images: RunItems) -> None:
    """Raises `InputError` for fewer images than a run's verdict can be about."""
    if len(images) < LEAST_IMAGES:
        raise InputError(
            f"{images.name} has {len(images)} images; a run needs at least {LEAST_IMAGES}. Give more images."
        )


@contextlib.contextmanager
def claimed(out: Path) -> Iterator[None]:
    """Holds the folder of a run; where the block fails before the first checkpoint of a new run, nothing is left.

    A loss that is no number any more is no failed start: its metrics say at which step.
    """
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        with records.hold(out):
            fresh = [name for name in WRITTEN if name == records.LOCK or not os.path.lexists(out / name)]
            try:
                yield
            except Exception as error:
                if records.SETTINGS in fresh and not isinstance(error, NonFiniteLossError | StoppedError):
                    _take_back(out, fresh)
                raise
    except Exception as error:
        if out in made and isinstance(error, OSError):
            removed(out / records.LOCK)  # of a disk on which not even the lock could be written
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def _take_back(out: Path, names: Sequence[str]) -> None:
    """Removes what a start wrote, unless there is a checkpoint; no error of its own."""
    with contextlib.suppress(InputError, OSError):
        if not records.checkpoint_folders(out):
            for name in names:
                removed(out / name)
