"""A run under Lightning's Trainer whose folder `contrascope diagnose` and `contrascope report` read."""

from dataclasses import dataclass
from pathlib import Path

import torch

from contrascope.data.open import open_images
from contrascope.integrations.lightning import ItemData, LightningMethod, RunFolder, is_first_process
from contrascope.runs.claim import check_count
from contrascope.runs.folder import begin_run
from contrascope.runs.load import views_for
from contrascope.runs.start import method_for
from contrascope.runs.text_settings import AnyRunSettings, TextRunSettings
from contrascope.runs.text_start import text_start
from contrascope.training.order import steps_per_epoch


@dataclass(frozen=True, kw_only=True)
class LightningRun:
    """What a Trainer takes."""

    module: LightningMethod
    """Method, views, optimiser and schedule."""
    data: ItemData
    """The run's images or sentences."""
    folder: RunFolder
    """Callback that writes metrics and checkpoints to the run's folder."""


def lightning_run(settings: AnyRunSettings, out: Path, *, resume: bool = False) -> LightningRun:
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
    if isinstance(settings, TextRunSettings):
        text = text_start(settings, out)
        items, method, views = text.sentences, text.method, text.views
    else:
        items, text = open_images(settings.data), None
        check_count(items)
        method = method_for(settings, out, items.shape)
        views = views_for(settings, method, items)
    module = LightningMethod(
        method,
        views,
        training=settings.training,
        optim=settings.optim,
        schedule=settings.schedule,
    )
    batch = settings.training.batch_size
    per_epoch = steps_per_epoch(len(items), batch_size=batch, world_size=1)
    if is_first_process():
        begin_run(
            settings,
            out,
            items,
            resume=resume,
            device=torch.device("cpu"),
            processes=1,
            per_epoch=per_epoch,
            more_epochs=False,
        )
        if text is not None:
            text.tokenizer.save(out)
    return LightningRun(
        module=module, data=ItemData(items, training=settings.training), folder=RunFolder(out)
    )
