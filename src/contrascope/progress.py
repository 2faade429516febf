"""How a long computation tells how far it is: done, of how many; who shows it, and where, is not its affair."""

import sys
from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Told how many of how many are done."""

Say = Callable[[str], None]
"""Told in words what is being done."""


def silent(done: int, total: int) -> None:
    """Progress that nobody sees.

    >>> silent(1, 2)
    """


def unheard(text: str) -> None:
    """Words that nobody hears.

    >>> unheard("encoder")
    """


def to_stderr(text: str) -> None:
    """One line of progress on stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


class Passes:
    """Several passes told as one count: each goes on where the one before ended.

    >>> told = []
    >>> passes = Passes(lambda done, total: told.append((done, total)), total=5)
    >>> first, second = passes.next(2), passes.next(3)
    >>> first(2, 2), second(1, 3)
    (None, None)
    >>> told
    [(2, 5), (3, 5)]
    """

    def __init__(self, progress: Progress, *, total: int) -> None:
        self._progress, self._total, self._before = progress, total, 0

    def next(self, size: int) -> Progress:
        """The progress of the next pass, which has `size` parts."""
        before = self._before
        self._before += size
        return lambda done, total: self._progress(before + done, self._total)
