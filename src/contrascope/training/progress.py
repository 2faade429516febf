"""A line on stderr: images per second, time left, and the two halves of the loss."""

import contextlib
import sys
import time
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

PLAIN_SECONDS = 15.0


class TrainingProgress:
    """A bar on a terminal, a line now and then in a log file, nothing on the other ranks."""

    def __init__(self, steps: int, done: int, *, enabled: bool, batch_size: int) -> None:
        self._steps, self._done, self._batch_size = steps, done, batch_size
        self._enabled, self._alarm = enabled, ""
        self._console = Console(stderr=True)
        self._live = enabled and self._console.is_terminal
        self._bar = Progress(
            TextColumn("step {task.completed}/{task.total}"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._live,
        )
        self._task = self._bar.add_task("train", total=steps, completed=done, note="")
        self._last_print = self._mark = time.perf_counter()
        self._mark_step = done

    def __enter__(self) -> "TrainingProgress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # what ended the training is told, not that nobody reads
            self._bar.stop()

    def advance(self) -> None:
        """One more step is done."""
        self._done += 1
        self._bar.advance(self._task)

    def images_per_second(self) -> float:
        """Speed since the last call."""
        now = time.perf_counter()
        speed = (self._done - self._mark_step) * self._batch_size / max(now - self._mark, 1e-9)
        self._mark, self._mark_step = now, self._done
        return speed

    def alarm(self, text: str) -> None:
        """Show an alarm beside every line until the next call; an empty text ends it."""
        if self._enabled and text and text != self._alarm and not self._live:
            sys.stderr.write(f"step {self._done}/{self._steps}  ALARM: {text}\n")
            sys.stderr.flush()
        self._alarm = text

    def warn(self, text: str) -> None:
        """One line above the bar, or in the log; nothing for an empty text."""
        if self._enabled and text:
            self._console.print(f"contrascope: {text}", markup=False, highlight=False, soft_wrap=True)

    def show(self, row: dict[str, Any]) -> None:
        """Show a logged step."""
        speed = row["images_per_second"]
        note = f"align {row['align']:.3f}  spread {row['spread']:.3f}  {speed:,.0f} images/s"
        if self._alarm:
            note += f"  ALARM: {self._alarm}"
        self._bar.update(self._task, note=note)
        now = time.perf_counter()
        last = self._done >= self._steps
        if self._enabled and not self._live and (now - self._last_print > PLAIN_SECONDS or last):
            left = (self._steps - self._done) * self._batch_size / max(speed, 1e-9)
            sys.stderr.write(f"step {self._done}/{self._steps}  {note}  {left:,.0f} s left\n")
            sys.stderr.flush()
            self._last_print = now
