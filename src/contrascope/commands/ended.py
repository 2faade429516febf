"""Ends of a command that are no result: each writes one sentence and has its exit code."""

import codecs
import contextlib
import errno
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from io import TextIOWrapper
from types import FrameType, TracebackType

from contrascope.errors import InputError
from contrascope.extras import extra_of, missing_extra

CURES = {
    errno.ENOSPC: "Free some space there, or choose another place.",
    errno.EDQUOT: "Free some of your quota, or choose another place.",
    errno.EFBIG: "Raise the limit (ulimit -f), or choose another place.",
    errno.EROFS: "Choose a place that can be written.",
    errno.EACCES: "Change its permissions, or choose another place.",
    errno.EPERM: "Change its permissions, or choose another place.",
    errno.ENOENT: "Check the path.",
    errno.ENOTDIR: "Choose another place: a part of the path is a file.",
    errno.EISDIR: "Choose another place: this is a folder.",
    errno.EEXIST: "Choose another place, or move it away.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
    errno.EMFILE: "Raise the limit of open files (ulimit -n).",
    errno.ENFILE: "End other programs: the machine has too many files open.",
    errno.EIO: "The disk or the network behind it fails: copy what is there, and choose another place.",
    errno.ESTALE: "Mount the network folder again.",
    errno.ENOMEM: "End other programs, or give the machine more memory.",
}
"""What helps against an error of the operating system, by its number."""
OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of writing, which come without a name where stdout was written to: our files name themselves."""
OUTPUT = "the output"
"""What is named where writing to stdout fails."""
PLAIN = {"─": "-", "━": "-", "═": "-", "│": "|", "┃": "|", "║": "|", "–": "-", "·": "-", "×": "x"}
"""Signs for a terminal that lacks those of tables."""


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


def told(error: Exception) -> str | None:
    """The sentence for an error that the user or the machine can put right; None for a fault of ours.

    >>> told(OSError(28, "No space left on device", "runs/a"))
    'runs/a: No space left on device. Free some space there, or choose another place.'
    >>> told(ModuleNotFoundError("No module named 'jinja2'", name="jinja2"))
    "this needs the package jinja2, which is not installed. Run: pip install 'contrascope[all]'"
    >>> told(ZeroDivisionError()) is None
    True
    """
    if isinstance(error, InputError):
        return str(error)
    absent = extra_of(error)
    if absent is not None:
        return str(missing_extra(absent))
    package = _package_that_fails(error)
    if package is not None:
        return (
            f"the package {package} cannot be imported ({_first_line(error)}). Install it anew, in a build that "
            "belongs to the installed torch, or leave out what needs it."
        )
    if isinstance(error, OSError):
        return _of_system(error)
    if isinstance(error, UnicodeEncodeError):
        return (
            f"{error.object[:80]!a} cannot be written in the encoding {error.encoding}. Set PYTHONUTF8=1, or choose "
            "plainer names."
        )
    if isinstance(error, MemoryError):
        return "the memory is full. Give fewer or smaller images at a time, or free some memory."
    return None


def _of_system(error: OSError) -> str:
    if error.errno is None or error.strerror is None:
        return f"{_first_line(error)}. Check the file or the connection that it names, and try again."
    place = error.filename
    if place is None and error.errno in OF_WRITING and _stdout_fails():
        place = OUTPUT
        unheard_from_now()
    where = f"{os.fsdecode(place) if isinstance(place, bytes) else place}: " if place is not None else ""
    return f"{where}{error.strerror}. {CURES.get(error.errno, 'Check the place, and try again.')}"


def _stdout_fails() -> bool:
    """Whether stdout takes a line end; what failed before may be gone from its buffer."""
    try:
        sys.stdout.write("\n")
        sys.stdout.flush()
    except (OSError, ValueError):
        return True
    return False


def _package_that_fails(error: BaseException | None) -> str | None:
    """The package of somebody else whose import failed with this error, or with one that led to it."""
    while error is not None and isinstance(error, ImportError | OSError | RuntimeError | AttributeError):
        name = _importing(error.__traceback__)
        if name is None and isinstance(error, ImportError):
            name = (error.name or "").partition(".")[0]
        if name and name != __name__.partition(".")[0]:
            return name
        error = error.__cause__
    return None


def _importing(trace: TracebackType | None) -> str | None:
    """The package whose module was being executed where an error arose."""
    while trace is not None:
        frame, trace = trace.tb_frame, trace.tb_next
        name = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if frame.f_code.co_name == "<module>" and name not in ("__main__", __name__.partition(".")[0]):
            return name
    return None


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".:")[:300]


def speakable() -> None:
    """A terminal that lacks a sign gets a plainer one, or its number as JSON writes it, and no error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="contrascope")


def _plainer(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    signs = [PLAIN.get(one) or ("+" if "─" <= one <= "╿" else json.dumps(one)[1:-1]) for one in lacking]
    return "".join(signs), error.end


codecs.register_error("contrascope", _plainer)


def unheard_from_now() -> None:
    """Nobody reads what is written, or it cannot be written: the rest goes nowhere, so that the end is silent."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
