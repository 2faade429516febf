"""A run under Lightning's Trainer whose folder `contrascope diagnose` and `contrascope report` read."""

from dataclasses import dataclass
from pathlib import Path

import torch

from contrascope.data.open import open_images
from contrascope.integrations.lightning import ItemData, LightningMethod, RunFolder, is_first_process
from contrascope.runs.claim import check_count
from contrascope.runs.folder import begin_run
from contrascope.runs.load import views_for
from contrascope.runs.settings import RunSettings
from contrascope.runs.start import method_for
from contrascope.training.order import steps_per_epoch


@dataclass(frozen=True, kw_only=True)
class LightningRun:
    """What a Trainer takes."""

    module: LightningMethod
    """Method, views, optimiser and schedule."""
    data: ItemData
    """The run's images."""
    folder: RunFolder
    """Callback that writes metrics and checkpoints to the run's folder."""


def lightning_run(settings: RunSettings, out: Path, *, resume: bool = False) -> LightningRun:
    """A run for Lightning's Trainer; the folder gets settings, environment, metrics and checkpoints.

    Example::

        from lightning.pytorch import Trainer
        from contrascope.integrations.lightning import trainer_arguments

        settings = RECIPES["digits-simclr"].make()
        run = lightning_run(settings, Path("runs/digits"))
        trainer = Trainer(**trainer_arguments(settings.training), callbacks=[run.folder])
        trainer.fit(run.module, run.data)

    Raises `InputError` if the folder holds a run and `resume` is not set, or one with other settings or images; more
    epochs are for `contrascope train`.
    """
    images = open_images(settings.data)
    check_count(images)
    method = method_for(settings, out, images.shape)
    module = LightningMethod(
        method,
        views_for(settings, method, images),
        training=settings.training,
        optim=settings.optim,
        schedule=settings.schedule,
    )
    batch = settings.training.batch_size
    per_epoch = steps_per_epoch(len(images), batch_size=batch, world_size=1)
    if is_first_process():
        begin_run(
            settings,
            out,
            images,
            resume=resume,
            device=torch.device("cpu"),
            processes=1,
            per_epoch=per_epoch,
            more_epochs=False,
        )
    return LightningRun(
        module=module, data=ItemData(images, training=settings.training), folder=RunFolder(out)
    )
