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
from contrascope.methods.base import Method
from contrascope.precision import single_precision
from contrascope.progress import to_stderr, unheard
from contrascope.settings import to_json
from contrascope.training.arithmetic import arithmetic, check_accumulation
from contrascope.training.best import Best
from contrascope.training.checkpoint import prune_checkpoints, put_back, save_checkpoint
from contrascope.training.checksums import newest_whole, set_aside_damaged
from contrascope.training.course import Segment, ends, segment_at, whole
from contrascope.training.interrupt import Interrupted, StoppedError, StopRequest, stop_requests
from contrascope.training.optim import learning_rate
from contrascope.training.order import epoch_order, rank_order, steps_per_epoch
from contrascope.training.pace import Pace
from contrascope.training.probe import Finding, Probe, StepProbe
from contrascope.training.progress import TrainingProgress
from contrascope.training.settings import OptimSettings, ScheduleSettings, TrainingSettings
from contrascope.training.step import Stepper, named_losses
from contrascope.training.track import Trackers, check_trackers
from contrascope.training.views import Items, ViewMaker, looks
from contrascope.training.watch import LossWatch


@single_precision()
def fit(
    method: Method,
    items: Items,
    view_maker: ViewMaker,
    *,
    run: Path,
    training: TrainingSettings,
    optim: OptimSettings,
    schedule: ScheduleSettings,
    accelerator: Accelerator,
    probes: Sequence[Probe] = (),
    config: Mapping[str, Any] | None = None,
    segments: tuple[Segment, ...] = (),
    until: int | None = None,
) -> Method:
    """Train `method` on views of `items`, going on from the newest checkpoint in `run` if there is one.

    `config` is what `training.trackers` show as the run's settings; unset: those of this function. `segments` say how
    the steps walk through the schedule; none: in one piece. `until`: pause, saved, at the end of that many epochs.
    Raises `Interrupted` after saving when a stop was asked for (SIGTERM, Ctrl-C), `StoppedError` when a probe asked
    for it, and `NonFiniteLossError` with step, last good checkpoint and likely cause.
    """
    method.check_before_training()
    check_accumulation(method, training, world_size=accelerator.num_processes)
    check_trackers(training.trackers)
    shown = config or to_json({"training": training, "optim": optim, "schedule": schedule})
    loop = Loop(
        *(
            method,
            items,
            view_maker,
            run,
            training,
            optim,
            schedule,
            accelerator,
            tuple(probes),
            shown,
            segments,
        ),
        until=until,
    )
    with contextlib.closing(loop), stop_requests() as stop, loop.progress:
        while loop.step < loop.goal:
            loop.epoch(stop)
    return method


@dataclass
class Loop:
    """State of one training run; everything else is a pure function of `step`."""

    method: Method
    items: Items
    view_maker: ViewMaker
    run: Path
    training: TrainingSettings
    optim: OptimSettings
    schedule: ScheduleSettings
    accelerator: Accelerator
    probes: tuple[Probe, ...]
    config: Mapping[str, Any]
    segments: tuple[Segment, ...] = ()
    until: int | None = None

    def __post_init__(self) -> None:
        training, accelerator = self.training, self.accelerator
        self.run.mkdir(parents=True, exist_ok=True)
        self.per_epoch = steps_per_epoch(
            len(self.items), batch_size=training.batch_size, world_size=accelerator.num_processes
        )
        self.steps = self.per_epoch * training.epochs
        self.goal = self.steps if self.until is None else min(self.steps, self.per_epoch * self.until)
        self.segments = self.segments or whole(self.steps)
        layout = torch.channels_last if training.channels_last else torch.contiguous_format
        self.method.to(accelerator.device, memory_format=layout)  # pyright: ignore[reportCallIssue]
        self.take_step = Stepper(
            self.method, self.view_maker, training=training, optim=self.optim, accelerator=accelerator
        )
        self.step = self._restore()
        if training.compile:
            self.method.encoder.compile()
        self.take_step.wrap()
        self.watch = LossWatch(self.run, accelerator.device)
        self.best = Best(self.run)
        main = accelerator.is_main_process
        trackers = training.trackers if main else ()  # first: they read the rows that the metrics forget
        self.trackers = Trackers(trackers, self.run, config=self.config, after_step=self.step)
        self.metrics = records.MetricsLog(self.run / records.METRICS, after_step=self.step) if main else None
        self.pace = (
            Pace(threads=torch.get_num_threads()) if main and accelerator.device.type == "cpu" else None
        )
        self.progress = TrainingProgress(self.steps, self.step, enabled=main, batch_size=training.batch_size)

    def epoch(self, stop: StopRequest) -> None:
        """Train to the end of the current epoch."""
        epoch, first = divmod(self.step, self.per_epoch)
        every = self.training.checkpoint_every or self.per_epoch
        self.take_step.network.train()
        if first == 0:
            with self._rest(True), arithmetic(self.training, self.accelerator.device):
                self.method.before_epoch(
                    epoch,
                    images=len(self.items),
                    look=lambda: looks(self.view_maker, self._batches(epoch, 0), epoch=epoch),
                )
        for ids, items in self._batches(epoch, first):
            rate = self._rate()
            halves = self.take_step(ids, items, epoch=epoch, rate=rate)
            self.method.after_step(self._progress())
            self.step += 1
            self.progress.advance()
            self.watch.see(self.step, halves.mean(dim=0))
            if self.step % self.training.log_every == 0 or self.step == self.steps:
                self._log(epoch, rate, halves)
            probed = self.step % self.per_epoch == 0 or any(map(self._due, self.probes))
            with self._rest(probed or self.step % every == 0):
                reason = self._probe() if probed else ""
                stopping = self._anyone(stop.requested or bool(reason))
                if self.step % every == 0 or self.step in (self.goal, self.best.step) or stopping:
                    self._save()
            if stopping and self.step < (self.steps if reason else self.goal):
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

    def _rate(self) -> float:
        segment = segment_at(self.segments, self.step)
        return learning_rate(
            segment.position(self.step),
            steps=segment.steps,
            steps_per_epoch=self.per_epoch,
            peak=self.optim.lr,
            schedule=self.schedule,
        )

    def _progress(self) -> float:
        """The share of its schedule that the method has behind it after this step."""
        segment = segment_at(self.segments, self.step)
        return segment.position(self.step + 1) / segment.steps

    def _batches(self, epoch: int, first: int) -> Iterator[tuple[Tensor, Any]]:
        size, ranks = self.training.batch_size, self.accelerator.num_processes
        order = epoch_order(len(self.items), seed=self.training.seed, epoch=epoch)
        mine = rank_order(order, batch_size=size, rank=self.accelerator.process_index, world_size=ranks)
        return iter(self.items.batches(mine, size // ranks, device=self.accelerator.device, start=first))

    def _log(self, epoch: int, rate: float, halves: Tensor) -> None:
        turns = self.accelerator.reduce(halves, reduction="mean").tolist()  # pyright: ignore
        align, spread = (sum(each) / len(turns) for each in zip(*turns, strict=True))
        self.watch.check()
        row = {
            "kind": "step",
            "step": self.step,
            "epoch": epoch,
            "loss": align + spread,
            "align": align,
            "spread": spread,
            "lr": rate,
            **({} if len(turns) == 1 else named_losses(self.method.turns, turns)),
            **self._noted(),
            "images_per_second": round(self.progress.images_per_second(), 1),
        }
        self._write(row)
        self.progress.show(row)
        if self.pace is not None:
            self.progress.warn(self.pace.see(self.step * self.training.batch_size))

    def _noted(self) -> dict[str, float]:
        """What the method has to say of its last step, over all processes."""
        noted = {name: value.float() for name, value in sorted(self.method.noted().items())}
        if not noted:
            return {}
        values = self.accelerator.reduce(torch.stack(list(noted.values())), reduction="mean").tolist()  # pyright: ignore
        return {f"method_{name}": value for name, value in zip(noted, values, strict=True)}

    def _rest(self, due: bool) -> contextlib.AbstractContextManager[None]:
        """A block that is no part of the training's pace, where something is due in it."""
        return contextlib.nullcontext() if self.pace is None or not due else self.pace.rest()

    def _due(self, probe: Probe) -> bool:
        return isinstance(probe, StepProbe) and probe.due(self.step, self.steps)

    def _ask(self, probe: Probe) -> Finding | None:
        if isinstance(probe, StepProbe):
            return probe.look(self.method, late=2 * self.step > self.steps) if self._due(probe) else None
        finished, rest = divmod(self.step, self.per_epoch)
        return None if rest else probe(self.method, finished)

    def _probe(self) -> str:
        """Ask every probe, record what it tells; returns why the run should stop, or nothing."""
        reason, epochs = "", self.step / self.per_epoch
        for probe in self.probes:
            found = self._ask(probe)
            if found is None:
                continue
            finished = int(epochs) if epochs.is_integer() else round(epochs, 4)
            self._write({"kind": "probe", "step": self.step, "epoch": finished, **found.row})
            self.progress.alarm(found.alarm)
            self.best.see(self.step, found.score)
            reason = found.alarm if found.stop else reason
        self.take_step.network.train()
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
                self.run,
                step=self.step,
                method=self.method,
                optimizer=self.take_step.optimisers.by_name,
                state=state,
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
        """Go on from the newest whole checkpoint; returns its step."""
        main = self.accelerator.is_main_process
        found = newest_whole(self.run, say=to_stderr if main else unheard)
        if found is None:
            return 0
        step = int(found[1]["step"])
        put_back(*found, method=self.method, optimizer=self.take_step.optimisers.by_name)
        if main:
            set_aside_damaged(self.run, step)
        return step

    def _anyone(self, requested: bool) -> bool:
        if self.accelerator.num_processes == 1:
            return requested
        flag = torch.tensor(float(requested), dtype=torch.float32, device=self.accelerator.device)
        return bool(self.accelerator.reduce(flag, reduction="sum").item())  # pyright: ignore
