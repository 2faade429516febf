"""The bytes of a file that somebody else may have put there: a regular file of a bounded size, or an error."""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from contrascope.errors import InputError
from contrascope.records.inside import opened

LARGEST = 1 << 26
"""Bytes of a record, a policy file or a file of settings: 64 MiB."""
LARGEST_LOG = 1 << 29
"""Bytes of metrics.jsonl: 512 MiB, some two million rows."""


def regular(path: Path) -> Path:
    """The path of a regular file; raises `InputError` for a folder, a pipe or a device, before it is opened."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise _damaged(path, "it is no regular file")
    return path


def read_bytes(path: Path, *, most: int = LARGEST, typed: bool = False) -> bytes:
    """What a regular file holds; raises `InputError` where it is none, or holds more than `most` bytes.

    A link is refused, unless the path is one that the user `typed`.
    """
    handle = os.open(regular(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC) if typed else opened(path)
    with os.fdopen(handle, "rb") as file:
        if os.fstat(handle).st_size > most:
            raise _damaged(path, f"it has more than {most >> 20} MiB, the most that is read of such a file")
        return file.read(most)


@contextlib.contextmanager
def parsed(path: Path, what: str, remedy: str) -> Iterator[None]:
    """Whatever a library says of bytes that are not what it expects is an `InputError` that names the file.

    `what` was expected; a folder or a pipe in its place is refused before the library opens it.

    >>> with parsed(Path("/dev/null"), "file of numbers", "Write it anew."):
    ...     raise RuntimeError("bad header")
    Traceback (most recent call last):
    contrascope.errors.InputError: /dev/null is damaged (it is no regular file). Restore it, or start the run anew.
    """
    regular(path)
    try:
        yield
    except (InputError, FileNotFoundError):
        raise
    except Exception as error:
        why = (str(error).splitlines() or [""])[0][:160] or type(error).__name__
        raise InputError(f"{path} is not a readable {what} ({why}). {remedy}") from error


def _damaged(path: Path, why: str) -> InputError:
    return InputError(f"{path} is damaged ({why}). Restore it, or start the run anew.")
