"""The suites behind `contrascope robustness` and `transfer`: where they write, and what they say meanwhile."""

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch

from contrascope.data.settings import DataSettings
from contrascope.errors import InputError
from contrascope.evaluation.protocol import Protocol
from contrascope.evaluation.suites import AugmentedSettings, TransferProtocol
from contrascope.precision import single_precision
from contrascope.progress import Say
from contrascope.records.suites import AugmentedRecord, TransferRecord
from contrascope.runs.feature_store import FeatureStore
from contrascope.runs.load import Run, settings_of
from contrascope.settings import digest
from contrascope.subjects.open import CHANNELS, kind_of, open_subject
from contrascope.suites.robustness import RECORD as AUGMENTED_RECORD
from contrascope.suites.robustness import augmented_suite
from contrascope.suites.transfer import RECORD as TRANSFER_RECORD
from contrascope.suites.transfer import transfer_suite

STORE = "features"
"""Folder of the embedded features beside a suite's record; it may be deleted at any time."""


@single_precision()
def evaluate_suite(
    suite: Literal["augmented", "transfer"],
    thing: Any,
    data: DataSettings,
    *,
    source: Any = None,
    sets: Sequence[str] = (),
    protocol: Protocol | None = None,
    augmented: AugmentedSettings | None = None,
    transfer: TransferProtocol | None = None,
    out: Path | None = None,
    device: torch.device | str | None = None,
    say: Say | None = None,
) -> AugmentedRecord | TransferRecord:
    """Run a suite on a run, an encoder or a model in memory, and return its record.

    The record is kept in the run's folder (an encoder by name: in `out`, or else in a folder here), and a second
    call goes on where the first one stopped. `source` are the images of the robustness suite; unset: the run's.
    `data` says how they are opened. A model in memory has no name, so that it needs `out`. `say` hears of every part;
    unset: standard error, with the clock.
    """
    folder, say = _folder(suite, thing, out), say or _clock()
    if suite == "augmented" and sets:
        raise InputError(
            "sets belong to the transfer suite; name the images of the robustness suite as DATA."
        )
    if suite == "transfer":
        return transfer_suite(
            thing,
            sets,
            data,
            transfer or TransferProtocol(),
            out=folder / TRANSFER_RECORD,
            store=FeatureStore(folder=folder / STORE),
            say=say,
            device=device,
        )
    subject = open_subject(thing, data=_images(thing, source, data), channels=CHANNELS)
    chosen = Protocol() if protocol is None else protocol
    if chosen == Protocol() and subject.protocol is not None:
        chosen = subject.protocol  # the run's own, as everywhere in evaluate
    return augmented_suite(
        subject,
        augmented or AugmentedSettings(),
        protocol=chosen,
        out=folder / AUGMENTED_RECORD,
        say=say,
        device=device,
    )


def _folder(suite: str, thing: Any, out: Path | None) -> Path:
    if out is not None:
        return out.expanduser()
    if isinstance(thing, Run):
        return thing.path
    if not isinstance(thing, str | Path):
        raise InputError(
            f"a {type(thing).__name__} in memory has no folder for the record of a suite; give out=."
        )
    run = Path(thing).expanduser()
    return run if run.is_dir() else Path(f"{suite}-{digest(str(thing), length=8)}")


def _images(thing: Any, source: Any, data: DataSettings) -> Any:
    """The named images as `data` says they are opened, or those of the run."""
    if source is not None:
        return replace(data, source=str(source)) if isinstance(source, str | Path) else source
    if kind_of(thing) != "run":
        raise InputError(
            f"{thing!r} is no run and has no images of its own; name them: contrascope robustness {thing} DATA"
        )
    own = thing.settings if isinstance(thing, Run) else settings_of(Path(thing).expanduser())
    return replace(own.data, split=DataSettings().split)


def _clock() -> Say:
    start = time.perf_counter()

    def say(text: str) -> None:
        sys.stderr.write(f"[{time.perf_counter() - start:7.1f} s] {text}\n")
        sys.stderr.flush()

    return say
