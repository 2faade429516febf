"""Ends of a command that are no result: each writes one sentence and has its exit code."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class EndedError(Exception):
    """The command ends here with this exit code and this sentence."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(code, sentence)
        self.code, self.sentence = code, sentence


class Terminated(KeyboardInterrupt):
    """SIGTERM came: what stops on Ctrl-C stops on it too."""


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM raises `Terminated` while the block runs (in the main thread)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def raised(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise Terminated

    before = signal.signal(signal.SIGTERM, raised)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
