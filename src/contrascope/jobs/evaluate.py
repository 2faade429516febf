"""Scores of a run, an encoder, a model, or two files of features."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from contrascope.data.memory import Labels
from contrascope.data.sampling import held_out
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError
from contrascope.evaluation.evaluate import compare
from contrascope.evaluation.protocol import Protocol
from contrascope.features.features import Features
from contrascope.jobs.assess import HELD_OUT, Rows, assess_subject, fitted_protocol
from contrascope.precision import single_precision
from contrascope.progress import Progress, Say, silent, unheard
from contrascope.subjects.open import is_file, open_subject


@single_precision()
def evaluate_anything(
    thing: Any,
    source: str | Path | None = None,
    data: Any = None,
    protocol: Protocol | None = None,
    *,
    labels: Labels = None,
    step: int | None = None,
    device: torch.device | str | None = None,
    progress: Progress = silent,
    probing: Progress = silent,
    say: Say = unheard,
) -> Rows:
    """The table of scores of a run, an encoder or a model on images, of arrays, or of two files of features.

    `progress` counts embedded images, `probing` probes, and `say` is told how images were read; `device` unset: the
    first GPU, or the CPU.
    A run is assessed under its own protocol and at its own image side where the caller leaves these as they are.
    `source` is a name or path in place of that of `data`; of a file of features it is the file to test on.
    """
    chosen = Protocol() if protocol is None else protocol
    if is_file(thing):
        return _evaluate_files(Path(thing).expanduser(), source or data, chosen, probing)
    if source is not None:
        data = replace(data, source=str(source)) if isinstance(data, DataSettings) else str(source)
    subject = open_subject(thing, data=data, labels=labels, step=step)
    if subject.h is not None:
        return _evaluate_arrays(subject.features(), chosen, subject.name, probing)
    if chosen == Protocol() and subject.protocol is not None:
        chosen = subject.protocol
    return assess_subject(subject, chosen, device=device, progress=progress, probing=probing, say=say)


def _evaluate_files(train_file: Path, second: Any, protocol: Protocol, probing: Progress) -> Rows:
    test_file = Path(second).expanduser() if isinstance(second, str | Path) else None
    if test_file is None or not test_file.is_file():
        raise InputError(
            f"{train_file} is a file of features, so the second argument must be one too, to test on; got {second}."
        )
    train, test = open_subject(train_file).features(), open_subject(test_file).features()
    protocol = fitted_protocol(protocol, num_train=len(train), test_split=test_file.name)
    rows = compare({train_file.name: (train, test)}, protocol, progress=probing)
    return [{**row, "split": test_file.name} for row in rows]


def _evaluate_arrays(features: Features, protocol: Protocol, name: str, probing: Progress) -> Rows:
    """Arrays have no test split: a fifth of the rows is held out."""
    learn, kept = (_rows(features, ids) for ids in held_out(len(features), seed=protocol.seed))
    protocol = fitted_protocol(protocol, num_train=len(learn), test_split=HELD_OUT)
    return [{**row, "split": HELD_OUT} for row in compare({name: (learn, kept)}, protocol, progress=probing)]


def _rows(features: Features, ids: torch.Tensor) -> Features:
    z = None if features.z is None else features.z[:, ids]
    y = {name: column[ids] for name, column in features.y.items()}
    return Features(h=features.h[:, ids], z=z, y=y, ids=features.ids[ids])
