"""The training loop: about one screen, the same for every method."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from contrascope import records
from contrascope.augment.policy import Policy
from contrascope.augment.views import make_views
from contrascope.data.imageset import ImageSet
from contrascope.methods.base import Method
from contrascope.settings import to_json
from contrascope.training.arithmetic import arithmetic, check_accumulation
from contrascope.training.best import Best
from contrascope.training.checkpoint import load_checkpoint, prune_checkpoints, save_checkpoint
from contrascope.training.course import Segment, ends, segment_at, whole
from contrascope.training.interrupt import Interrupted, StoppedError, StopRequest, stop_requests
from contrascope.training.optim import build_optimizer, learning_rate
from contrascope.training.order import epoch_order, rank_order, steps_per_epoch
from contrascope.training.probe import Probe
from contrascope.training.progress import TrainingProgress
from contrascope.training.settings import OptimSettings, ScheduleSettings, TrainingSettings
from contrascope.training.track import Trackers, check_trackers
from contrascope.training.watch import LossWatch

Halves = Tensor
"""Two numbers: the mean alignment term and the spread term of a step."""


def fit(
    method: Method,
    images: ImageSet,
    policies: tuple[Policy, ...],
    *,
    run: Path,
    training: TrainingSettings,
    optim: OptimSettings,
    schedule: ScheduleSettings,
    accelerator: Accelerator,
    probes: Sequence[Probe] = (),
    config: Mapping[str, Any] | None = None,
    segments: tuple[Segment, ...] = (),
) -> Method:
    """Train `method` on `images`, going on from the newest checkpoint in `run` if there is one.

    `config` is what `training.trackers` show as the run's settings; unset: those of this function. `segments` say how
    the steps walk through the schedule; none: in one piece.
    Raises `Interrupted` after saving when a stop was asked for (SIGTERM, Ctrl-C), `StoppedError` when a probe asked
    for it, and `NonFiniteLossError` with step, last good checkpoint and likely cause.
    """
    check_accumulation(method, training, world_size=accelerator.num_processes)
    check_trackers(training.trackers)
    shown = config or to_json({"training": training, "optim": optim, "schedule": schedule})
    loop = Loop(
        method, images, policies, run, training, optim, schedule, accelerator, tuple(probes), shown, segments
    )
    with contextlib.closing(loop), stop_requests() as stop, loop.progress:
        while loop.step < loop.steps:
            loop.epoch(stop)
    return method


@dataclass
class Loop:
    """State of one training run; everything else is a pure function of `step`."""

    method: Method
    images: ImageSet
    policies: tuple[Policy, ...]
    run: Path
    training: TrainingSettings
    optim: OptimSettings
    schedule: ScheduleSettings
    accelerator: Accelerator
    probes: tuple[Probe, ...]
    config: Mapping[str, Any]
    segments: tuple[Segment, ...] = ()

    def __post_init__(self) -> None:
        training, accelerator = self.training, self.accelerator
        self.run.mkdir(parents=True, exist_ok=True)
        self.per_epoch = steps_per_epoch(
            len(self.images), batch_size=training.batch_size, world_size=accelerator.num_processes
        )
        self.steps = self.per_epoch * training.epochs
        self.segments = self.segments or whole(self.steps)
        layout = torch.channels_last if training.channels_last else torch.contiguous_format
        self.method.to(accelerator.device, memory_format=layout)  # pyright: ignore[reportCallIssue]
        self.optimizer = build_optimizer(self.optim, self.method)
        self.step = self._restore()
        if training.compile:
            self.method.encoder.compile()
        self.network = accelerator.prepare_model(self.method)
        self.watch = LossWatch(self.run, accelerator.device)
        self.best = Best(self.run)
        main = accelerator.is_main_process
        trackers = training.trackers if main else ()  # first: they read the rows that the metrics forget
        self.trackers = Trackers(trackers, self.run, config=self.config, after_step=self.step)
        self.metrics = records.MetricsLog(self.run / records.METRICS, after_step=self.step) if main else None
        self.progress = TrainingProgress(self.steps, self.step, enabled=main, batch_size=training.batch_size)

    def epoch(self, stop: StopRequest) -> None:
        """Train to the end of the current epoch."""
        epoch, first = divmod(self.step, self.per_epoch)
        every = self.training.checkpoint_every or self.per_epoch
        self.network.train()
        for ids, pixels in self._batches(epoch, first):
            halves, rate = self._optimise(epoch, ids, pixels)
            self.step += 1
            self.progress.advance()
            self.watch.see(self.step, halves)
            if self.step % self.training.log_every == 0 or self.step == self.steps:
                self._log(epoch, rate, halves)
            reason = self._probe(epoch + 1) if self.step % self.per_epoch == 0 else ""
            stopping = self._anyone(stop.requested or bool(reason))
            if self.step % every == 0 or self.step in (self.steps, self.best.step) or stopping:
                self._save()
            if stopping and self.step < self.steps:
                raise (
                    StoppedError(self.run, self.step, reason)
                    if reason
                    else Interrupted(self.run, self.step, stop.signal or 15)
                )

    def close(self) -> None:
        """Close the metrics file and the trackers."""
        if self.metrics is not None:
            self.metrics.close()
        self.trackers.close()

    def _optimise(self, epoch: int, ids: Tensor, pixels: Tensor) -> tuple[Halves, float]:
        segment = segment_at(self.segments, self.step)
        rate = learning_rate(
            segment.position(self.step),
            steps=segment.steps,
            steps_per_epoch=self.per_epoch,
            peak=self.optim.lr,
            schedule=self.schedule,
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        parts = self.training.accumulate
        halves = [
            self._backward(epoch, part_ids, part, last=i + 1 == parts)
            for i, (part_ids, part) in enumerate(zip(ids.chunk(parts), pixels.chunk(parts), strict=True))
        ]
        if self.training.clip_norm > 0:
            torch.nn.utils.clip_grad_norm_(self.method.parameters(), self.training.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.method.after_step(segment.position(self.step + 1) / segment.steps)
        return torch.stack(halves).mean(dim=0), rate

    def _backward(self, epoch: int, ids: Tensor, pixels: Tensor, *, last: bool) -> Halves:
        training = self.training
        with torch.no_grad():
            views, _ = make_views(
                pixels, self.policies, ids=ids, seed=training.seed, epoch=epoch, num_views=training.num_views
            )
        with arithmetic(training, self.accelerator.device):
            terms = self.network(views).terms
        with contextlib.nullcontext() if last else self.accelerator.no_sync(self.network):
            self.accelerator.backward(terms.total / training.accumulate)
        return torch.stack([terms.align.detach().mean(), terms.spread.detach()])

    def _batches(self, epoch: int, first: int) -> Iterator[tuple[Tensor, Tensor]]:
        size, ranks = self.training.batch_size, self.accelerator.num_processes
        order = epoch_order(len(self.images), seed=self.training.seed, epoch=epoch)
        mine = rank_order(order, batch_size=size, rank=self.accelerator.process_index, world_size=ranks)
        return iter(self.images.batches(mine, size // ranks, device=self.accelerator.device, start=first))

    def _log(self, epoch: int, rate: float, halves: Halves) -> None:
        align, spread = self.accelerator.reduce(halves, reduction="mean").tolist()  # pyright: ignore
        self.watch.check()
        row = {
            "kind": "step",
            "step": self.step,
            "epoch": epoch,
            "loss": align + spread,
            "align": align,
            "spread": spread,
            "lr": rate,
            "images_per_second": round(self.progress.images_per_second(), 1),
        }
        self._write(row)
        self.progress.show(row)

    def _probe(self, finished: int) -> str:
        """Ask every probe, record what it tells; returns why the run should stop, or nothing."""
        reason = ""
        for probe in self.probes:
            found = probe(self.method, finished)
            if found is None:
                continue
            self._write({"kind": "probe", "step": self.step, "epoch": finished, **found.row})
            self.progress.alarm(found.alarm)
            self.best.see(self.step, found.score)
            reason = found.alarm if found.stop else reason
        self.network.train()
        return reason

    def _write(self, row: dict[str, Any]) -> None:
        if self.metrics is not None:
            self.metrics.write(row)
        self.trackers.log(row)

    def _save(self) -> None:
        self.watch.check()
        if self.accelerator.is_main_process:
            state = {"epochs": self.training.epochs, "steps": self.steps, "steps_per_epoch": self.per_epoch}
            save_checkpoint(
                self.run, step=self.step, method=self.method, optimizer=self.optimizer, state=state
            )
            self.best.save()
            prune_checkpoints(
                self.run,
                keep_last=self.training.keep_last,
                keep_every=self.training.keep_every,
                keep_steps=(self.best.step, *ends(self.segments)),
            )
        self.accelerator.wait_for_everyone()

    def _restore(self) -> int:
        found = records.checkpoint_folders(self.run)
        if not found:
            return 0
        state = load_checkpoint(found[-1][1], method=self.method, optimizer=self.optimizer)
        return int(state["step"])

    def _anyone(self, requested: bool) -> bool:
        if self.accelerator.num_processes == 1:
            return requested
        flag = torch.tensor(float(requested), device=self.accelerator.device)
        return bool(self.accelerator.reduce(flag, reduction="sum").item())  # pyright: ignore
