"""Ways inside a folder: no link of ours is followed, files appear whole; only regular ones are read, in bounds."""

import contextlib
import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path, PurePath

from contrascope.errors import InputError

LARGEST = 1 << 26
"""Bytes of a record, a policy file or a file of settings: 64 MiB."""
LARGEST_LOG = 1 << 29
"""Bytes of metrics.jsonl: 512 MiB, some two million rows."""
LOCK_TEXT = re.compile(rb"(process \d+)? *")
"""What a lock of ours holds."""


def inside(folder: Path, *names: str) -> Path:
    """A path in a folder; `folder` itself may be reached through links, nothing below it may be one.

    Raises `InputError` for a link, dangling or not, and for a name that leads out of the folder.

    >>> inside(Path("runs/mine"), "checkpoints", "step-00000003/state.json").name
    'state.json'
    >>> inside(Path("runs/mine"), "../other")
    Traceback (most recent call last):
    contrascope.errors.InputError: '../other' leads out of runs/mine...
    """
    path = folder
    for name in names:
        pure = PurePath(name)
        if pure.is_absolute() or ".." in pure.parts:
            raise InputError(f"{name!r} leads out of {folder}, which names in a run's folder may not do.")
        for part in pure.parts:
            path = path / part
            if path.is_symlink():
                raise InputError(
                    f"{path} is a link, and links inside a run's folder are not followed. Remove the link, or put the "
                    "file or folder itself there."
                )
    return path


def opened(path: Path, flags: int = os.O_RDONLY) -> int:
    """A descriptor of a regular file; raises `InputError` for a link, a folder, a pipe or a device.

    Where `flags` create the file, it gets the permissions that `open` gives.
    """
    inside(path.parent, path.name)
    handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise InputError(f"{path} is no regular file; expected one. Restore it, or start the run anew.")
    return handle


def lock_file(path: Path) -> int:
    """A descriptor of a lock, made where there is none; never emptied, and refused where it holds something else."""
    handle = opened(path, os.O_RDWR | os.O_CREAT)
    if not LOCK_TEXT.fullmatch(os.pread(handle, 64, 0)):
        os.close(handle)
        raise InputError(
            f"{path} holds something and is no lock of ours. Move it away, or choose another folder."
        )
    return handle


@contextlib.contextmanager
def placed(path: Path, *, partial: Path | None = None) -> Iterator[None]:
    """Errors of the operating system in the block name `path`, also those that come without a name.

    safetensors tells such errors in words alone; they become an `OSError` with the number that the words name.
    """
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename in (None, str(partial)):
            error.filename = str(path)
        raise
    except Exception as error:
        number = re.search(r"\(os error (\d+)\)", str(error))
        if number is None or type(error).__module__.partition(".")[0] not in ("safetensors", "builtins"):
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A file to fill beside `path`; it takes that name, and the place of an older file, once the block ends well.

    A reader sees the old content or the new, never a part. Raises `InputError` where `path` is a link.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, whole_file(Path(folder) / "a.txt") as partial:
    ...     _ = partial.write_text("all of it")
    """
    inside(path.parent, path.name)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    with placed(path, partial=partial):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)  # a link that somebody put there is removed, not followed
        try:
            yield partial
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder to fill beside `path`; it takes that name once the block ends well.

    Raises `InputError` where `path` is a link, a file, or holds something: nothing of the user's is removed.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, whole_folder(Path(folder) / "new") as partial:
    ...     _ = (partial / "a.txt").write_text("all of it")
    """
    inside(path.parent, path.name)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(
            f"{path} exists already and is not empty; an export needs a new folder. Remove it, or choose "
            "another --out."
        )
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    with placed(path, partial=partial):
        removed(partial)
        partial.mkdir(parents=True)
        try:
            yield partial
            if path.exists():
                path.rmdir()
            partial.rename(path)
        finally:
            removed(partial)


def write_atomic(path: Path, content: bytes) -> None:
    """Write the whole file or nothing: a reader sees the old content or the new, never a part."""
    with whole_file(path) as partial, partial.open("xb") as file:
        file.write(content)


def removed(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; of a link only the link, and no error where that fails."""
    if path.is_symlink() or path.is_file():
        with contextlib.suppress(OSError):
            path.unlink()
    shutil.rmtree(path, ignore_errors=True)


def files_in(folder: Path) -> Iterator[tuple[Path, int]]:
    """Every regular file below a folder with its size in bytes; links are neither followed nor counted."""
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            with contextlib.suppress(FileNotFoundError):
                found = path.lstat()
                if stat.S_ISREG(found.st_mode):
                    yield path, found.st_size


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
