"""The suites behind `contrascope robustness` and `transfer`: where they write, and what they say meanwhile."""

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch

from contrascope import records
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError
from contrascope.evaluation.protocol import Protocol
from contrascope.evaluation.suites import AugmentedSettings, TransferProtocol
from contrascope.records.suites import AugmentedRecord, TransferRecord
from contrascope.runs.feature_store import FeatureStore
from contrascope.runs.load import settings_of
from contrascope.settings import digest
from contrascope.subjects.encoder import Say
from contrascope.suites.robustness import RECORD as AUGMENTED_RECORD
from contrascope.suites.robustness import augmented_suite
from contrascope.suites.transfer import RECORD as TRANSFER_RECORD
from contrascope.suites.transfer import transfer_suite

STORE = "features"
"""Folder of the embedded features beside a suite's record; it may be deleted at any time."""


def evaluate_suite(
    suite: Literal["augmented", "transfer"],
    name: str,
    data: DataSettings,
    *,
    source: str | None = None,
    sets: Sequence[str] = (),
    protocol: Protocol | None = None,
    augmented: AugmentedSettings | None = None,
    transfer: TransferProtocol | None = None,
    out: Path | None = None,
    device: torch.device | str | None = None,
    say: Say | None = None,
) -> AugmentedRecord | TransferRecord:
    """Run a suite on a run or an encoder, and return its record.

    The record is kept in the run's folder (an encoder by name: in `out`, or else in a folder here), and a second
    call goes on where the first one stopped. `source` are the images of the robustness suite; unset: the run's.
    `say` hears of every part; unset: standard error, with the clock.
    """
    folder, say = _folder(suite, name, out), say or _clock()
    if suite == "augmented" and sets:
        raise InputError(
            "sets belong to the transfer suite; name the images of the robustness suite as DATA."
        )
    if suite == "transfer":
        return transfer_suite(
            name,
            sets,
            data,
            transfer or TransferProtocol(),
            out=folder / TRANSFER_RECORD,
            store=FeatureStore(folder=folder / STORE),
            say=say,
            device=device,
        )
    return augmented_suite(
        name,
        _images(name, source, data),
        augmented or AugmentedSettings(),
        protocol=_protocol(name, protocol or Protocol()),
        out=folder / AUGMENTED_RECORD,
        say=say,
        device=device,
    )


def _protocol(name: str, protocol: Protocol) -> Protocol:
    """The run's own protocol where the caller changed nothing, as everywhere in `evaluate`."""
    settings = Path(name).expanduser() / records.SETTINGS
    if protocol != Protocol() or not settings.is_file():
        return protocol
    return settings_of(settings.parent).protocol


def _folder(suite: str, name: str, out: Path | None) -> Path:
    if out is not None:
        return out.expanduser()
    run = Path(name).expanduser()
    return run if run.is_dir() else Path(f"{suite}-{digest(name, length=8)}")


def _images(name: str, source: str | None, data: DataSettings) -> DataSettings:
    """The named images, or those of the run, brought to the side that it was trained on."""
    settings = Path(name).expanduser() / records.SETTINGS
    trained = settings_of(settings.parent).data if settings.is_file() else None
    if source is not None:
        size = data.size if trained is None or data.size is not None else trained.size
        return replace(data, source=source, size=size)
    if trained is None:
        raise InputError(
            f"{name!r} is no run and has no images of its own; name them: contrascope robustness {name} DATA"
        )
    return replace(trained, split=DataSettings().split)


def _clock() -> Say:
    start = time.perf_counter()

    def say(text: str) -> None:
        sys.stderr.write(f"[{time.perf_counter() - start:7.1f} s] {text}\n")
        sys.stderr.flush()

    return say
