"""A method under Lightning's Trainer: the same steps as our own loop, bit for bit; needs the extra `lightning`."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from contrascope import records
from contrascope.errors import InputError, MissingExtraError
from contrascope.extras import install_line
from contrascope.integrations.keyed_order import KeyedOrder
from contrascope.losses.terms import LossTerms
from contrascope.methods.base import Method
from contrascope.methods.build import synchronise
from contrascope.methods.views import ViewBatch
from contrascope.training.arithmetic import arithmetic, check_accumulation
from contrascope.training.checkpoint import prune_checkpoints, save_checkpoint
from contrascope.training.optim import Optimisers, learning_rate
from contrascope.training.settings import OptimSettings, ScheduleSettings, TrainingSettings
from contrascope.training.step import halves_of, named_losses
from contrascope.training.views import GroupedItems, Items, ViewMaker, looks

try:
    from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
    from lightning.pytorch.utilities import rank_zero_only
except (
    ImportError,
    OSError,
    RuntimeError,
    AttributeError,
) as error:  # a torchvision that does not fit
    raise MissingExtraError(
        f"lightning cannot be imported ({error}). Run: {install_line('lightning')}; if it is installed, "
        "install builds of torch and torchvision that belong together."
    ) from error

PRECISION: dict[str, Literal["32-true", "bf16-mixed"]] = {"float32": "32-true", "bf16": "bf16-mixed"}
"""Our name of an arithmetic to Lightning's."""

Batch = tuple[Tensor, Any]
"""Ids and items."""


def trainer_arguments(training: TrainingSettings, method: Method | None = None) -> dict[str, Any]:
    """What a Trainer must be told so that it trains as these settings say.

    For a `method` with several optimisers the gradient is clipped here and not by the Trainer, which cannot.

    >>> trainer_arguments(TrainingSettings(epochs=3))["max_epochs"]
    3
    """
    return {
        "max_epochs": training.epochs,
        "precision": PRECISION[training.precision],
        "gradient_clip_val": None if by_hand(method) else training.clip_norm or None,
        "accumulate_grad_batches": 1,
        "log_every_n_steps": training.log_every,
    }


def by_hand(method: Method | None) -> bool:
    """Whether steps are taken by the module and not by the Trainer: it moves one optimiser only."""
    return method is not None and len(method.turns) > 1


def is_first_process() -> bool:
    """Whether this is the process that writes, as Lightning sees it; known before a Trainer is made."""
    return getattr(rank_zero_only, "rank", 0) == 0


class LightningMethod(LightningModule):
    """A method with its views, optimiser and schedule; use it with `ItemData` and `trainer_arguments`.

    With several processes batch norm is synchronised and the losses see all images, as in `contrascope.training`;
    for a method with several optimisers they need the strategy "ddp_find_unused_parameters_true".
    Raises `InputError` where the Trainer's settings would train something else.
    """

    def __init__(
        self,
        method: Method,
        view_maker: ViewMaker,
        *,
        training: TrainingSettings,
        optim: OptimSettings,
        schedule: ScheduleSettings,
    ) -> None:
        super().__init__()
        layout = torch.channels_last if training.channels_last else torch.contiguous_format
        self.method: Method = method
        self.method.to(memory_format=layout)  # pyright: ignore[reportCallIssue]
        self.view_maker, self.training_settings = view_maker, training
        self.turns = method.turns
        self.automatic_optimization = not by_hand(method)
        self.optim, self.schedule = optim, schedule

    def setup(self, stage: str) -> None:
        if stage != "fit":
            return
        trainer, training = self.trainer, self.training_settings
        if training.chunk:
            raise InputError(
                "training.chunk is for our own loop: the Trainer sends one loss backwards at a time. Set it to 0."
            )
        if trainer.world_size > 1:
            synchronise(self.method)
        self.method.check_before_training()
        check_accumulation(self.method, training, world_size=trainer.world_size)
        wanted = trainer_arguments(training, self.method)
        for name in ("max_epochs", "precision", "gradient_clip_val", "accumulate_grad_batches"):
            found = getattr(trainer, name)
            if (found or None) != wanted[name]:
                raise InputError(
                    f"Trainer({name}={found!r}), but the training settings ask for {wanted[name]!r}. "
                    "Make the Trainer with Trainer(**trainer_arguments(training), ...)."
                )

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        self.optimisers = Optimisers(self.optim, self.method)
        return list(self.optimisers.by_name.values())

    def on_train_epoch_start(self) -> None:
        data = self.trainer.datamodule  # pyright: ignore[reportAttributeAccessIssue]
        if not isinstance(data, ItemData) or self.done % int(self.trainer.num_training_batches):
            return
        with arithmetic(self.training_settings, self.device):
            self.method.before_epoch(
                self.current_epoch, images=len(data.items), look=lambda: self._looks(data.train_dataloader())
            )

    def _looks(self, batches: Iterable[Batch]) -> Iterator[ViewBatch]:
        moved = map(self.trainer.strategy.batch_to_device, batches)
        return looks(self.view_maker, moved, epoch=self.current_epoch)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        rate = learning_rate(
            self.done,
            steps=self.steps,
            steps_per_epoch=int(self.trainer.num_training_batches),
            peak=self.optim.lr,
            schedule=self.schedule,
        )
        self.optimisers.set_rate(rate)
        self.log("lr", rate)

    @property
    def done(self) -> int:
        """Steps that are finished: the Trainer counts every move of an optimiser."""
        return self.global_step // len(self.turns)

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return int(self.trainer.num_training_batches) * self.training_settings.epochs

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        (views,) = looks(self.view_maker, [batch], epoch=self.current_epoch)
        if self.automatic_optimization:
            terms = self._terms(views)
            self._log_halves(halves_of(terms)[None])
            return terms.total
        with torch.autocast(self.device.type, enabled=False):
            turns = [replace(views, turn=turn, place=place) for place, turn in enumerate(self.turns)]
            self._log_halves(torch.stack([self._take_turn(one) for one in turns]))
        return None

    def configure_gradient_clipping(
        self,
        optimizer: Any,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """As our own loop does: over the parameters in their own order, not in that of the optimiser's groups."""
        if gradient_clip_val:
            torch.nn.utils.clip_grad_norm_(self.optimisers.parameters(self.turns[0]), gradient_clip_val)

    def _terms(self, views: ViewBatch) -> LossTerms:
        with arithmetic(
            self.training_settings, self.device
        ):  # Lightning's own casts a weight anew for every view
            return self.method(views).terms

    def _take_turn(self, views: ViewBatch) -> Tensor:
        """One optimiser's move; returns alignment and spread."""
        torch.clear_autocast_cache()  # the Trainer's own context keeps weights that the turn before has moved
        terms, turn = self._terms(views), views.turn
        self.manual_backward(terms.total)
        if self.training_settings.clip_norm > 0:
            parameters = self.optimisers.parameters(turn)
            torch.nn.utils.clip_grad_norm_(parameters, self.training_settings.clip_norm)
        wrapped = self.optimizers()  # Lightning's, which count
        moved = wrapped if isinstance(wrapped, list) else [wrapped]
        moved[list(self.optimisers.by_name).index(turn)].step()
        self.method.zero_grad(set_to_none=True)
        return halves_of(terms)

    def _log_halves(self, halves: Tensor) -> None:
        align, spread = halves.float().mean(dim=0)
        found = {"loss": align + spread, "align": align, "spread": spread}
        if not self.automatic_optimization:
            found |= named_losses(self.turns, halves.tolist())
        found |= {f"method_{name}": value.float() for name, value in self.method.noted().items()}
        self.log_dict(found, prog_bar=True)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        self.method.after_step(self.done / self.steps)


class ItemData(LightningDataModule):
    """Batches of ids and items in the order of our own loop: a function of seed, epoch and position."""

    def __init__(self, items: Items, *, training: TrainingSettings) -> None:
        super().__init__()
        self.items, self.training_settings = items, training

    def train_dataloader(self) -> DataLoader[Batch]:
        trainer, training = self.trainer, self.training_settings
        ranks, rank = (1, 0) if trainer is None else (trainer.world_size, trainer.global_rank)
        order = KeyedOrder(
            len(self.items),
            batch_size=training.batch_size,
            seed=training.seed,
            ranks=ranks,
            rank=rank,
            done=lambda: 0 if trainer is None else _done(trainer),
            group=self.items.grouped if isinstance(self.items, GroupedItems) else None,
        )
        return DataLoader(_Gathered(self.items), sampler=order, batch_size=None, collate_fn=_as_it_is)


def _done(trainer: Trainer) -> int:
    """Finished steps of our own, where the Trainer counts the moves of every optimiser."""
    module = trainer.lightning_module
    return module.done if isinstance(module, LightningMethod) else trainer.global_step


def _as_it_is(batch: Any) -> Any:
    return batch


class _Gathered(Dataset[Batch]):
    """Item: the items of a whole batch of ids."""

    def __init__(self, items: Items) -> None:
        self.items = items

    def __getitem__(self, ids: Tensor) -> Batch:
        return ids, self.items.gather(ids)

    def __len__(self) -> int:
        return len(self.items)


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
            log = records.MetricsLog(self.run / records.METRICS, after_step=_done(trainer))
            self._metrics = self._open.enter_context(contextlib.closing(log))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        if self._metrics is None or not isinstance(pl_module, LightningMethod):
            return
        step, found = pl_module.done, trainer.callback_metrics
        if step % pl_module.training_settings.log_every and step != pl_module.steps:
            return
        extra = [] if pl_module.automatic_optimization else [f"loss_{turn}" for turn in pl_module.turns]
        extra += [f"method_{name}" for name in pl_module.method.noted()]
        row = {name: found[name].item() for name in ("loss", "align", "spread", "lr", *extra)}
        self._metrics.write({"kind": "step", "step": step, "epoch": trainer.current_epoch, **row})

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._metrics is None or not isinstance(pl_module, LightningMethod):
            return
        training, steps = pl_module.training_settings, pl_module.steps
        save_checkpoint(
            self.run,
            step=pl_module.done,
            method=pl_module.method,
            optimizer=pl_module.optimisers.by_name,
            state={"epochs": training.epochs, "steps": steps, "steps_per_epoch": steps // training.epochs},
        )
        prune_checkpoints(self.run, keep_last=training.keep_last, keep_every=training.keep_every)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self.teardown(trainer, pl_module, "fit")  # which Lightning leaves out then

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._metrics = None
        self._open.close()
