"""A method under Lightning's Trainer: the same steps as our own loop, bit for bit; needs the extra `lightning`."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from contrascope import records
from contrascope.augment.policy import Policy
from contrascope.augment.views import make_views
from contrascope.data.imageset import ImageSet
from contrascope.distributed import synchronise_batch_norm
from contrascope.errors import InputError, MissingExtraError
from contrascope.losses.terms import LossTerms
from contrascope.methods.base import Method
from contrascope.training.arithmetic import arithmetic, check_accumulation
from contrascope.training.checkpoint import prune_checkpoints, save_checkpoint
from contrascope.training.optim import build_optimizer, learning_rate
from contrascope.training.order import epoch_order, rank_order, steps_per_epoch
from contrascope.training.settings import OptimSettings, ScheduleSettings, TrainingSettings

try:
    from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
    from lightning.pytorch.utilities import rank_zero_only
except (ImportError, RuntimeError) as error:  # a torchvision that does not fit torch is a RuntimeError
    raise MissingExtraError(
        f"lightning cannot be imported ({error}). Run: pip install 'contrascope[lightning]'; if it is installed, "
        "install builds of torch and torchvision that belong together."
    ) from error

PRECISION: dict[str, Literal["32-true", "bf16-mixed"]] = {"float32": "32-true", "bf16": "bf16-mixed"}
"""Our name of an arithmetic to Lightning's."""

Batch = tuple[Tensor, Tensor]
"""Ids and uint8 images."""


def trainer_arguments(training: TrainingSettings) -> dict[str, Any]:
    """What a Trainer must be told so that it trains as these settings say.

    >>> trainer_arguments(TrainingSettings(epochs=3))["max_epochs"]
    3
    """
    return {
        "max_epochs": training.epochs,
        "precision": PRECISION[training.precision],
        "gradient_clip_val": training.clip_norm or None,
        "accumulate_grad_batches": 1,
        "log_every_n_steps": training.log_every,
    }


def is_first_process() -> bool:
    """Whether this is the process that writes, as Lightning sees it; known before a Trainer is made."""
    return getattr(rank_zero_only, "rank", 0) == 0


class LightningMethod(LightningModule):
    """A method with its views, optimiser and schedule; use it with `ImageData` and `trainer_arguments`.

    With several processes batch norm is synchronised and the losses see all images, as in `contrascope.training`.
    Raises `InputError` where the Trainer's settings would train something else.
    """

    def __init__(
        self,
        method: Method,
        policies: tuple[Policy, ...],
        *,
        training: TrainingSettings,
        optim: OptimSettings,
        schedule: ScheduleSettings,
    ) -> None:
        super().__init__()
        layout = torch.channels_last if training.channels_last else torch.contiguous_format
        self.method: Method = method
        self.method.to(memory_format=layout)  # pyright: ignore[reportCallIssue]
        self.policies, self.training_settings = policies, training
        self.optim, self.schedule = optim, schedule

    def setup(self, stage: str) -> None:
        if stage != "fit":
            return
        trainer, training = self.trainer, self.training_settings
        if trainer.world_size > 1:
            synchronise_batch_norm(self.method)  # its batch norms are children and replaced in place
        check_accumulation(self.method, training, world_size=trainer.world_size)
        wanted = trainer_arguments(training)
        for name in ("max_epochs", "precision", "gradient_clip_val", "accumulate_grad_batches"):
            found = getattr(trainer, name)
            if (found or None) != wanted[name]:
                raise InputError(
                    f"Trainer({name}={found!r}), but the training settings ask for {wanted[name]!r}. "
                    "Make the Trainer with Trainer(**trainer_arguments(training), ...)."
                )

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return build_optimizer(self.optim, self.method)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        rate = learning_rate(
            self.global_step,
            steps=self.steps,
            steps_per_epoch=int(self.trainer.num_training_batches),
            peak=self.optim.lr,
            schedule=self.schedule,
        )
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = rate
        self.log("lr", rate)

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return int(self.trainer.num_training_batches) * self.training_settings.epochs

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        ids, pixels = batch
        training = self.training_settings
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            views, _ = make_views(
                pixels,
                self.policies,
                ids=ids,
                seed=training.seed,
                epoch=self.current_epoch,
                num_views=training.num_views,
            )
        with arithmetic(training, self.device):  # Lightning's own casts a weight anew for every view
            terms: LossTerms = self.method(views).terms
        found = {"loss": terms.total, "align": terms.align.mean(), "spread": terms.spread}
        self.log_dict({name: value.detach() for name, value in found.items()}, prog_bar=True)
        return terms.total

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        self.method.after_step(self.global_step / self.steps)


class ImageData(LightningDataModule):
    """Batches of ids and images in the order of our own loop: a function of seed, epoch and position."""

    def __init__(self, images: ImageSet, *, training: TrainingSettings) -> None:
        super().__init__()
        self.images, self.training_settings = images, training

    def train_dataloader(self) -> DataLoader[Batch]:
        trainer, training = self.trainer, self.training_settings
        ranks, rank = (1, 0) if trainer is None else (trainer.world_size, trainer.global_rank)
        order = KeyedOrder(
            len(self.images),
            batch_size=training.batch_size,
            seed=training.seed,
            ranks=ranks,
            rank=rank,
            done=lambda: 0 if trainer is None else trainer.global_step,
        )
        return DataLoader(_Gathered(self.images), sampler=order, batch_size=None, collate_fn=_as_it_is)


def _as_it_is(batch: Any) -> Any:
    return batch


class _Gathered(Dataset[Batch]):
    """Item: the images of a whole batch of ids."""

    def __init__(self, images: ImageSet) -> None:
        self.images = images

    def __getitem__(self, ids: Tensor) -> Batch:
        return ids, self.images.gather(ids)

    def __len__(self) -> int:
        return len(self.images)


class KeyedOrder(DistributedSampler[Tensor]):
    """One rank's batches of ids from where the training stands to the end of its epoch; `done` counts finished steps.

    It is a distributed sampler so that Lightning does not put another one in its place.
    """

    def __init__(
        self, count: int, *, batch_size: int, seed: int, ranks: int, rank: int, done: Callable[[], int]
    ) -> None:
        self.steps = steps_per_epoch(count, batch_size=batch_size, world_size=ranks)
        self.count, self.batch_size, self.seed, self.done = count, batch_size, seed, done
        self.num_replicas, self.rank, self.epoch = ranks, rank, 0

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Tensor]:
        epoch, first = divmod(self.done(), self.steps)
        order = epoch_order(self.count, seed=self.seed, epoch=epoch)
        mine = rank_order(order, batch_size=self.batch_size, rank=self.rank, world_size=self.num_replicas)
        return iter(mine.split(self.batch_size // self.num_replicas)[first:])


class RunFolder(Callback):
    """Writes metrics and our own checkpoints, without pickle, into a run's folder, at the end of every epoch.

    Lightning's checkpoints are for resuming under Lightning; these are what `contrascope diagnose RUN` reads.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self._open = contextlib.ExitStack()
        self._metrics: records.MetricsLog | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero:
            self._open.enter_context(records.hold(self.run))
            log = records.MetricsLog(self.run / records.METRICS, after_step=trainer.global_step)
            self._metrics = self._open.enter_context(contextlib.closing(log))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        if self._metrics is None or not isinstance(pl_module, LightningMethod):
            return
        step, found = trainer.global_step, trainer.callback_metrics
        if step % pl_module.training_settings.log_every and step != pl_module.steps:
            return
        row = {name: found[name].item() for name in ("loss", "align", "spread", "lr")}
        self._metrics.write({"kind": "step", "step": step, "epoch": trainer.current_epoch, **row})

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._metrics is None or not isinstance(pl_module, LightningMethod):
            return
        training, steps = pl_module.training_settings, pl_module.steps
        save_checkpoint(
            self.run,
            step=trainer.global_step,
            method=pl_module.method,
            optimizer=trainer.optimizers[0],
            state={"epochs": training.epochs, "steps": steps, "steps_per_epoch": steps // training.epochs},
        )
        prune_checkpoints(self.run, keep_last=training.keep_last, keep_every=training.keep_every)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self.teardown(trainer, pl_module, "fit")  # which Lightning leaves out then

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._metrics = None
        self._open.close()
