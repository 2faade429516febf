"""Files of a run's folder, written so that a crash leaves them whole; docs/records.md says what each holds."""

import contextlib
import fcntl
import json
import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from contrascope.errors import InputError
from contrascope.records.decode import decoded
from contrascope.records.regular import read_bytes

SETTINGS, ENVIRONMENT, METRICS = "settings.json", "environment.json", "metrics.jsonl"
EVALUATION, BAD_IMAGES, CHECKPOINTS, LOCK = "evaluation.json", "bad_images.json", "checkpoints", "run.lock"
DIAGNOSIS, BEST, GALLERY = "diagnosis.json", "best_label_free.json", "gallery.json"
GEOMETRY = "geometry.json"


def write_atomic(path: Path, content: bytes) -> None:
    """Write the whole file or nothing: a reader sees the old content or the new, never a part."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


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


def read_json(path: Path) -> Any:
    """Read a file of JSON; a missing or damaged one is named in the error. See `contrascope.records.decode`."""
    try:
        return decoded(read_bytes(path))
    except FileNotFoundError:
        raise InputError(f"no {path.name} in {path.parent}: is this the folder of a run?") from None
    except InputError:
        raise
    except (OSError, ValueError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise InputError(f"{path} is damaged ({why}). Restore it, or start the run anew.") from None


@contextlib.contextmanager
def hold(folder: Path, *, lock: str = LOCK) -> Iterator[None]:
    """Hold the folder, or one record in it by a lock of its own; a second holder is refused.

    The system frees it if the process dies.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / lock).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise InputError(f"{folder} is held by {holder}. Wait for it, or choose another --out.") from None
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)


def checkpoint_folders(run: Path) -> list[tuple[int, Path]]:
    """Finished checkpoints of a run as (step, folder), oldest first."""
    folders = [folder for folder in (run / CHECKPOINTS).glob("step-*") if folder.is_dir()]
    named = [(folder.name.removeprefix("step-"), folder) for folder in folders]
    return sorted((int(step), folder) for step, folder in named if step.isdecimal())


@contextlib.contextmanager
def new_checkpoint(run: Path, step: int) -> Iterator[Path]:
    """A folder to fill; it gets its name when everything is written, so no half checkpoint has one."""
    parent = run / CHECKPOINTS
    parent.mkdir(parents=True, exist_ok=True)
    partial, final = parent / f".part-{step:08d}", parent / f"step-{step:08d}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        for file in partial.iterdir():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
        if final.exists():
            shutil.rmtree(final)
        partial.rename(final)
        _sync_folder(parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def remove_checkpoint(folder: Path) -> None:
    """Remove a checkpoint so that a crash in between leaves no folder that looks whole."""
    doomed = folder.with_name(f".part-old-{folder.name}")
    folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


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
