"""Files of a run's folder, written so that a crash leaves them whole; docs/records.md says what each holds."""

import contextlib
import fcntl
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from contrascope.errors import InputError
from contrascope.records.decode import decoded
from contrascope.records.inside import inside, lock_file, placed, read_bytes, removed, write_atomic

SETTINGS, ENVIRONMENT, METRICS = "settings.json", "environment.json", "metrics.jsonl"
EVALUATION, BAD_IMAGES, CHECKPOINTS, LOCK = "evaluation.json", "bad_images.json", "checkpoints", "run.lock"
DIAGNOSIS, BEST, GALLERY = "diagnosis.json", "best_label_free.json", "gallery.json"
GEOMETRY = "geometry.json"
MONITORED, REFERENCE = "monitored.safetensors", "monitored_reference.safetensors"
"""Rows that a monitor measured last in its folder, and those of the reference where there is one."""
HOLDER = 24
"""Bytes in which a lock names its holder."""


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON, atomically; `nan` and infinities are stored as `null`."""
    text = json.dumps(finite(value), indent=2, ensure_ascii=False, allow_nan=False)
    write_atomic(path, encoded(text + "\n"))


def encoded(text: str) -> bytes:
    r"""UTF-8 of a text of JSON; bytes of a file name that are no UTF-8 become escapes, which JSON reads back.

    >>> encoded('"caf\udce9"')
    b'"caf\\udce9"'
    """
    return text.encode("utf-8", "backslashreplace")


def read_json(path: Path, *, typed: bool = False) -> Any:
    """Read a file of JSON; a missing or damaged one is named in the error. See `contrascope.records.decode`.

    A link is refused, unless the path is one that the user `typed`.
    """
    try:
        return decoded(read_bytes(path, typed=typed))
    except FileNotFoundError:
        raise InputError(f"no {path.name} in {path.parent}: is this the folder of a run?") from None
    except InputError:
        raise
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror or error}). Check its permissions."
        ) from None
    except ValueError as error:
        why = (str(error).splitlines() or [type(error).__name__])[0][:160]
        if typed:
            raise InputError(f"{path} is no JSON that can be read ({why}). Correct the file.") from None
        raise InputError(f"{path} is damaged ({why}). Restore it, or start the run anew.") from None


@contextlib.contextmanager
def hold(folder: Path, *, lock: str = LOCK) -> Iterator[None]:
    """Hold the folder, or one record in it by a lock of its own; a second holder is refused.

    The system frees it if the process dies. The lock is neither emptied nor followed where it is a link.
    """
    path = inside(folder, lock)
    with placed(path):
        folder.mkdir(parents=True, exist_ok=True)
        handle = lock_file(path)
    try:
        _claim(handle, path)
        with placed(path):
            os.pwrite(handle, f"process {os.getpid()}".ljust(HOLDER).encode(), 0)
        yield
    finally:
        os.close(handle)  # which frees it


def _claim(handle: int, path: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        same = os.path.samestat(os.fstat(handle), path.lstat())  # a start that failed takes its lock away
    except OSError:
        same = False
    if not same:
        holder = os.pread(handle, HOLDER, 0).decode().strip() or "another process"
        raise InputError(
            f"{path.parent} is held by {holder}. Wait for it, or choose another --out."
        ) from None


def checkpoint_folders(run: Path) -> list[tuple[int, Path]]:
    """Finished checkpoints of a run as (step, folder), oldest first; raises `InputError` where one is a link."""
    places = [inside(run, CHECKPOINTS, folder.name) for folder in inside(run, CHECKPOINTS).glob("step-*")]
    named = [(folder.name.removeprefix("step-"), folder) for folder in places if folder.is_dir()]
    return sorted((int(step), folder) for step, folder in named if step.isdecimal())


@contextlib.contextmanager
def new_checkpoint(run: Path, step: int) -> Iterator[Path]:
    """A folder to fill; it gets its name when everything is written, so no half checkpoint has one."""
    parent = inside(run, CHECKPOINTS)
    partial, final = parent / f".part-{step:08d}", inside(parent, f"step-{step:08d}")
    with placed(final, partial=partial):
        parent.mkdir(parents=True, exist_ok=True)
        removed(partial)
        partial.mkdir()
        try:
            yield partial
            for file in partial.iterdir():
                with file.open("rb") as handle:
                    os.fsync(handle.fileno())
            if final.exists():
                remove_checkpoint(final)
            partial.rename(final)
            _sync_folder(parent)
        finally:
            removed(partial)


def remove_checkpoint(folder: Path) -> None:
    """Remove a checkpoint so that a crash in between leaves no folder that looks whole; a link is refused."""
    run, doomed = folder.parents[1], folder.with_name(f".part-old-{folder.name}")
    inside(run, folder.parent.name, folder.name)
    removed(doomed)
    folder.rename(doomed)
    removed(doomed)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def finite(value: Any) -> Any:
    """Plain JSON values with `nan` and infinities as None, and tuples as lists.

    >>> finite({"a": (1.0, float("nan"))})
    {'a': [1.0, None]}
    """
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value


def is_monitored(folder: Path) -> bool:
    """Whether a folder is a monitor's, and no run's with settings and checkpoints."""
    return (folder / MONITORED).is_file() and not (folder / SETTINGS).exists()
