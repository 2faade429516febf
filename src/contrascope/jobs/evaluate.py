"""Scores of a run, an encoder, or two files of features."""

from dataclasses import replace
from pathlib import Path

import torch

from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.encoders.build import build_encoder
from contrascope.encoders.settings import EncoderSettings
from contrascope.errors import InputError
from contrascope.evaluation.evaluate import compare
from contrascope.evaluation.protocol import Protocol
from contrascope.features.files import load_features
from contrascope.jobs.assess import Rows, assess, assess_run, fitted_protocol
from contrascope.progress import Progress, silent
from contrascope.runs.load import as_trained, default_device, load_run
from contrascope.subjects.open import networks_of


def evaluate_anything(
    name: str,
    source: str,
    data: DataSettings,
    protocol: Protocol,
    *,
    device: torch.device | str | None = None,
    progress: Progress = silent,
    probing: Progress = silent,
) -> Rows:
    """The table of scores of a run, an encoder, or two files of features (train, test).

    `progress` counts embedded images, `probing` probes; `device` unset: the first GPU, or the CPU.
    A run is assessed under its own protocol and at its own image side where the caller leaves these as they are.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return _evaluate_files(path, Path(source).expanduser(), protocol, probing)
    data, device = as_trained(name, replace(data, source=source)), device or default_device()
    if path.is_dir():
        run = load_run(path)
        chosen = run.settings.protocol if protocol == Protocol() else protocol
        return assess_run(run, data, chosen, device=device, progress=progress, probing=probing)
    shape = open_images(data).shape
    encoder, _ = networks_of(name, shape)
    settings = EncoderSettings(name=name)
    random = build_encoder(settings, channels=shape[0], size=min(shape[1:]))
    return assess(
        encoder,
        None,
        data,
        protocol,
        random_encoder=random,
        device=device,
        progress=progress,
        probing=probing,
    )


def _evaluate_files(train_file: Path, test_file: Path, protocol: Protocol, probing: Progress) -> Rows:
    if not test_file.is_file():
        raise InputError(
            f"{train_file} is a file of features, so the second argument must be one too, to test on; got {test_file}."
        )
    train, test = load_features(train_file), load_features(test_file)
    protocol = fitted_protocol(protocol, num_train=len(train), test_split=test_file.name)
    rows = compare({train_file.name: (train, test)}, protocol, progress=probing)
    return [{**row, "split": test_file.name} for row in rows]
