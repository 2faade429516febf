"""The diagnosis in anybody's training loop."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from contrascope.diagnosis.monitor.alarm import Alarm, Misses, OnAlarm, OnError
from contrascope.diagnosis.monitor.folder import MonitorFolder
from contrascope.diagnosis.monitor.history import (
    History,
    MeasuredStep,
    history_in,
    history_of,
    history_of_flat,
)
from contrascope.diagnosis.monitor.model import Part, device_in
from contrascope.diagnosis.monitor.outputs import Output
from contrascope.diagnosis.monitor.probe import Probe, Reference, check_counts
from contrascope.diagnosis.monitor.probe_views import ViewSource
from contrascope.diagnosis.monitor.rows import NOTHING_YET, Judged, Row, numbers_of
from contrascope.diagnosis.monitor.sharded import whole_model
from contrascope.diagnosis.monitor.undisturbed import undisturbed
from contrascope.diagnosis.monitor.window import Ids, Window
from contrascope.distributed import broadcast_value, is_main
from contrascope.progress import to_stderr

SHARE = 0.008
"""Share of the time between two measurements of `observe` that one may take: the first ones come on top."""
Found = TypeVar("Found")


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """What one measurement leaves behind, in every process."""

    measured: MeasuredStep
    stop: bool
    rest: int


class Monitor:
    """Says while a model trains whether it is sound and learning, and which step is the best so far; without labels.

    `views`: fixed views of the same images, read once: a tensor [views n ...], a list with an entry a view, a loader
    of such batches, or a callable; the first `images` images are taken. `encoder` and `projector` take the networks
    out of the model: a path or a function; `output` the representation out of what the encoder returns. `reference`:
    "random", the encoder with weights drawn anew on the same views; "first", what is measured first, for a training
    from scratch; the rows themselves (h, or h and z); or None, and nobody can tell whether it is learning.
    `log` is called with every row. `on_alarm`, where it is unsound: "warn", "stop" (see `should_stop`) at values that
    are not finite and after `patience` such measurements in a row, or a function of sentence and row, true to stop.
    `out`: a folder for `contrascope report` and `diagnose`; a monitor that is made anew on it goes on from there.
    `rest`: batches between two measurements of `observe`; unset: so many that it takes about 1 % of the time.
    `together`: whether all processes of a distributed training call it (rank 0 measures, all are told); else one.

    The model, its modes and the caller's random numbers stay as they are, and no error of a measurement reaches the
    loop (`on_error="raise"`: it does). Raises `InputError` for wrong arguments here.

    >>> images = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
    >>> monitor = Monitor(torch.stack((images, 1.1 * images)))
    >>> row = monitor(torch.nn.Linear(8, 8), step=100)
    >>> row["contrascope/sound"], row["contrascope/learning"], monitor.should_stop
    ('sound', 'policy too easy to tell', False)
    """

    def __init__(
        self,
        views: ViewSource | None = None,
        *,
        encoder: Part = None,
        projector: Part = None,
        output: Output = None,
        reference: Reference = "random",
        images: int = 512,
        every: int = 1,
        log: Callable[[Row], object] | None = None,
        on_alarm: OnAlarm = "warn",
        patience: int = 2,
        on_error: OnError = "say",
        out: Path | str | None = None,
        rest: int | None = None,
        together: bool = True,
        seed: int = 0,
    ) -> None:
        check_counts(images=images, every=every, rest=rest)
        self._probe = Probe(
            views,
            encoder=encoder,
            projector=projector,
            output=output,
            reference=reference,
            images=images,
            seed=seed,
        )
        self._images, self._every = images, every
        self._log, self._rest, self._together = log, rest, together
        self._alarm, self._misses = Alarm(on_alarm, to_stderr, patience=patience), Misses(on_error, to_stderr)
        self._folder = None if out is None else MonitorFolder(Path(out).expanduser())
        self._history = History() if self._folder is None else history_in(self._folder.measured())
        self._window = Window(images=images, together=together)
        self._calls, self._opens, self._counted, self._spent = 0, 1, 0, 0.0
        self._clock = time.perf_counter()
        self._stop = False

    def due(self, epoch: int) -> bool:
        """Whether this epoch, counted from 0, is one of those that are measured: every `every`-th.

        >>> [epoch for epoch in range(6) if Monitor(reference=None, every=2).due(epoch)]
        [0, 2, 4]
        """
        return epoch % self._every == 0

    def begin(self, model: Any) -> None:
        """Read the views and draw the random reference now, so that `observe` alone can tell whether it is learning."""
        self._seen(self._probe.begin, model)

    def __call__(
        self,
        model: Any,
        *,
        step: int,
        epoch: int | float | None = None,
        metrics: Mapping[str, Any] | None = None,
    ) -> Row:
        """Measure the model on the fixed views; returns the flat row, empty where that failed.

        `step`: finished steps, `epoch`: finished epochs; `metrics`: numbers of the caller's own for the folder.
        """
        began = time.perf_counter()
        rows = self._seen(self._probe.rows, model)
        outcome = self._finished(rows, step, epoch, metrics, began)
        return {} if outcome is None else outcome.measured.flat

    def observe(
        self,
        h: Tensor,
        z: Tensor | None = None,
        *,
        ids: Ids,
        step: int | None = None,
        epoch: int | float | None = None,
        metrics: Mapping[str, Any] | None = None,
    ) -> Row | None:
        """Take in what a training step computed anyway; returns the flat row when a measurement came of it, else None.

        `h` [rows dim] with an id of its image a row, or [views n dim] with an id an image; `z` likewise. Rows are
        collected until `images` images are there. `step` unset: how often this was called.
        """
        self._calls += 1
        if self._calls < self._opens:
            return None
        began = time.perf_counter()
        self._tried(lambda: self._window.add(h, z, ids=ids))
        if not self._tried(self._window.full):
            self._spent += time.perf_counter() - began
            return None
        rows = self._tried(self._window.rows)
        self._window = Window(images=self._images, together=self._together)
        outcome = self._finished(
            rows if self._measures else None, self._calls if step is None else step, epoch, metrics, began
        )
        self._opens = self._calls + 1 + (1 if outcome is None else outcome.rest)
        self._clock, self._counted, self._spent = time.perf_counter(), self._calls, 0.0
        return None if outcome is None else outcome.measured.flat

    @property
    def best(self) -> int | None:
        """The step with the largest label-free score; None where none has one.

        The score is the gain over random weights at telling images apart, in log odds, of a checkpoint that is sound
        and not called *not learning*.
        """
        return None if self._history.best is None else self._history.best.step

    @property
    def best_score(self) -> float | None:
        """The score of that step."""
        return None if self._history.best is None else self._history.best.score

    @property
    def should_stop(self) -> bool:
        """Whether an alarm asked to stop; the same in every process."""
        return self._stop

    @property
    def history(self) -> list[Row]:
        """The flat rows of all measurements, by step."""
        return [one.flat for one in self._history.rows]

    @property
    def numbers(self) -> dict[str, float]:
        """The last measurement for what takes numbers alone, see `numbers_of`; before the first, the lowest score."""
        rows = self._history.rows
        return numbers_of(rows[-1].flat) if rows else dict(NOTHING_YET)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps: plain values, and the rows of a reference that was measured first."""
        return {"history": self._history.state(), "first": self._probe.first}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
        self._history = history_of(state["history"])
        if state.get("first") is not None:
            self._probe.compare(*state["first"])

    def recall(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Go on from flat rows that something else kept, as a tracker or the state of a trainer."""
        self._history = history_of_flat(rows)

    def close(self) -> None:
        """Close the folder's metrics; a later measurement opens them again."""
        if self._folder is not None:
            self._folder.close()

    @property
    def _measures(self) -> bool:
        return not self._together or is_main()

    def _seen(self, work: Callable[[Any], Found], model: Any) -> Found | None:
        """What `work` makes of the model in the process that measures; sharded parameters come from all."""
        whole = self._tried(partial(whole_model, model, together=self._together))
        if whole is None or not self._measures:
            return None
        return self._tried(partial(work, whole), partial(device_in, whole))

    def _tried(
        self, work: Callable[[], Found], where: Callable[[], torch.device] | None = None
    ) -> Found | None:
        """What the work gives, or None where it fails, which is said; undisturbed where it says on which device."""
        try:
            if where is None:
                return work()
            with undisturbed(where()):
                return work()
        except Exception as error:
            self._misses.miss(error)
            return None

    def _finished(
        self,
        rows: tuple[Tensor, Tensor | None] | None,
        step: int,
        epoch: int | float | None,
        metrics: Mapping[str, Any] | None,
        began: float,
    ) -> _Outcome | None:
        """Judge, record and tell, in the process that measures; then all processes know."""
        outcome = None
        if rows is not None:
            outcome = self._tried(lambda: self._outcome(rows, step, epoch, metrics, began))
        outcome = broadcast_value(outcome) if self._together else outcome
        if outcome is not None:
            self._history.add(outcome.measured)
            self._stop = self._stop or outcome.stop
            if self._measures and self._log is not None:
                self._tried(partial(self._log, outcome.measured.flat))
        return outcome

    def _outcome(
        self,
        rows: tuple[Tensor, Tensor | None],
        step: int,
        epoch: int | float | None,
        metrics: Mapping[str, Any] | None,
        began: float,
    ) -> _Outcome:
        """The answers, with the alarm and the folder, either of which may fail alone."""
        with undisturbed(rows[0].device):
            found = self._probe.judged(*rows)
        seconds = round(time.perf_counter() - began, 3)
        measured = MeasuredStep(step=int(step), epoch=epoch, row={**found.row, "seconds": seconds})
        hear = partial(self._alarm.hear, found.verdict, measured.flat)
        stop = self._tried(partial(hear, step=measured.step, signals=found.signals))
        self._tried(partial(self._written, found, rows, measured, metrics))
        return _Outcome(measured=measured, stop=bool(stop), rest=self._resting(began))

    def _written(
        self,
        found: Judged,
        rows: tuple[Tensor, Tensor | None],
        measured: MeasuredStep,
        metrics: Mapping[str, Any] | None,
    ) -> None:
        if self._folder is None:
            return
        self._folder.write_row(measured.row, step=measured.step, epoch=measured.epoch, metrics=metrics)
        self._folder.write_diagnosis(found, *rows)
        beside = self._probe.reference
        if beside is not None and beside.rows is not None:
            self._folder.write_reference(beside.rows, beside.rows_z)
        best = History([*self._history.rows])
        best.add(measured)
        self._folder.write_best(best.best)

    def _resting(self, began: float) -> int:
        """Batches until the next window, so that what this one took is `SHARE` of the time between."""
        if self._rest is not None:
            return self._rest
        now = time.perf_counter()
        spent = self._spent + now - began
        between = (now - self._clock - spent) / max(1, self._calls - self._counted)
        return math.ceil(spent / (SHARE * max(between, 1e-4)))
