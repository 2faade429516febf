"""Train an encoder on images from anywhere."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from contrascope.data.imageset import ImageSet
from contrascope.data.memory import Labels, images_from
from contrascope.data.settings import DataSettings
from contrascope.data.sources.memory import NAME
from contrascope.jobs.train import train as train_in_folder
from contrascope.progress import Progress, silent
from contrascope.runs.facts import facts_of, look
from contrascope.runs.here import recipe_here
from contrascope.runs.load import Run, load_run
from contrascope.runs.recipes import find_recipe
from contrascope.runs.settings import RunSettings
from contrascope.verbs.given import Device


def train(
    images: Any,
    recipe: str | RunSettings = "folder-simclr",
    *,
    labels: Labels = None,
    out: Path | str | None = None,
    resume: bool = False,
    device: Device = None,
    progress: Progress = silent,
) -> Run:
    """Train an encoder on images from anywhere, by a recipe or your own settings, in a folder of its own.

    `images`: a folder, a name, settings, an array or tensor, or a `datasets.Dataset`. `out`: the run's folder; unset:
    runs/RECIPE-DATE-TIME. What is in memory is not kept in the folder: give it again to measure the run later.

    >>> import tempfile, contrascope, torch
    >>> from contrascope.runs.recipes import digits_simclr
    >>> from contrascope.training.settings import TrainingSettings
    >>> settings = replace(digits_simclr(), training=TrainingSettings(epochs=1, batch_size=16))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     contrascope.train(torch.rand(32, 1, 8, 8), settings, out=f"{folder}/run").step
    2
    """
    name = recipe if isinstance(recipe, str) else "settings"
    settings, given = _settings(images, recipe, labels, None if device is None else torch.device(device))
    folder = (
        Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}" if out is None else Path(out).expanduser()
    )
    train_in_folder(settings, folder, resume=resume, images=given, device=device, progress=progress)
    return load_run(folder)


def _settings(
    images: Any, recipe: str | RunSettings, labels: Labels, device: torch.device | None
) -> tuple[RunSettings, ImageSet | None]:
    """The recipe for these images, and the set itself where it is in memory."""
    found = None if isinstance(recipe, RunSettings) else find_recipe(recipe)
    settings = recipe if isinstance(recipe, RunSettings) else recipe_here(recipe, device)
    adapt = None if found is None else found.adapt
    if isinstance(images, str | Path | DataSettings) and (labels is None or isinstance(labels, str)):
        data = images if isinstance(images, DataSettings) else replace(settings.data, source=str(images))
        data = data if labels is None else replace(data, labels=labels)
        settings = replace(settings, data=data)
        return (settings if adapt is None else adapt(settings, look(data, device))), None
    given = images_from(images, labels=labels, settings=replace(settings.data, labels=None, split="train"))
    settings = replace(settings, data=replace(settings.data, source=NAME, labels=None))
    if adapt is not None:
        settings = adapt(settings, facts_of(given, device=device))
        if settings.data.size is not None:
            given = images_from(images, labels=labels, settings=DataSettings(size=settings.data.size))
    return settings, given
