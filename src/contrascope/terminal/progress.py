"""How far a command is, on stderr: a bar with the time left on a terminal, a line now and then in a log file."""

import contextlib
import io
import sys
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from contrascope.progress import Progress as Told

PLAIN_SECONDS = 10.0
"""Seconds between two lines where stderr is no terminal."""


class CommandProgress:
    """Where a command tells what it does and how far it is."""

    def __init__(self, *, every: float = PLAIN_SECONDS) -> None:
        self._console, self._every = Console(stderr=True), every
        self._live = self._console.is_terminal
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._live,
        )
        self._start = time.perf_counter()

    @classmethod
    @contextlib.contextmanager
    def of(cls, *, quiet: bool) -> Iterator["CommandProgress"]:
        """The progress of a command while it runs; a quiet one writes nothing at all to stderr, errors come later."""
        with contextlib.redirect_stderr(io.StringIO()) if quiet else contextlib.nullcontext():
            progress = cls()
            try:
                yield progress
            finally:
                with contextlib.suppress(OSError):  # what ended the command is told, not that nobody reads
                    progress._bar.stop()

    def say(self, text: str) -> None:
        """A sentence, with the clock."""
        line = f"[{time.perf_counter() - self._start:7.1f} s] {text}"
        if self._live:
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            _write(line)

    def counter(self, words: str) -> Told:
        """A progress to plug in: `words` says what is counted. It shows itself with the first count."""
        return self._bar_of(words) if self._live else _Lines(words, every=self._every)

    def _bar_of(self, words: str) -> Told:
        tasks: list[TaskID] = []

        def told(done: int, total: int) -> None:
            if not tasks:
                tasks.append(self._bar.add_task(words, total=total))
                self._bar.start()
            self._bar.update(tasks[0], completed=done, total=total)
            if done >= total:
                self._bar.stop()
                self._bar.remove_task(tasks.pop())

        return told


class _Lines:
    """Counts as lines, one every so many seconds; nothing of what is done sooner."""

    def __init__(self, words: str, *, every: float) -> None:
        self._words, self._every = words, every
        self._last = time.perf_counter()
        self._from = (self._last, 0)
        self._first = True

    def __call__(self, done: int, total: int) -> None:
        now = time.perf_counter()
        seconds, before = now - self._from[0], self._from[1]
        left = seconds * (total - done) / max(done - before, 1)
        if (
            self._first
        ):  # what is left is reckoned from the first count on: opening the images comes before it
            self._first, self._from = False, (now, done)
        if now - self._last >= self._every and done < total:
            self._last = now
            _write(f"{self._words}: {done:,} of {total:,}, {left:,.0f} s left")


def _write(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
