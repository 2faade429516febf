"""Runs as folders on disk: what they use, and moving and deleting them."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from contrascope import records
from contrascope.errors import InputError
from contrascope.records.inside import files_in, inside
from contrascope.runs.settings import RunSettings
from contrascope.settings import KIND, kind_of


@dataclass(frozen=True, kw_only=True)
class DiskUse:
    """Bytes of a run's files; links are neither followed nor counted."""

    total: int
    """Of all files."""
    checkpoints: int
    """Of those in its checkpoints."""


def disk_use(run: Path) -> DiskUse:
    """What a run uses on disk.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "metrics.jsonl").write_bytes(b"12345")
    ...     disk_use(Path(folder))
    DiskUse(total=5, checkpoints=0)
    """
    kept, total, checkpoints = run / records.CHECKPOINTS, 0, 0
    for path, size in files_in(run):
        total += size
        checkpoints += size if kept in path.parents else 0
    return DiskUse(total=total, checkpoints=checkpoints)


def require_run(run: Path) -> None:
    """Raises `InputError` where a path is not the folder of a run, or is a link to one."""
    if run.is_symlink():
        raise InputError(f"{run} is a link; name the folder itself ({run.resolve()}), or remove the link.")
    if not run.is_dir():
        raise InputError(f"there is no folder {run}; expected that of a run.")
    path = inside(run, records.SETTINGS)
    if not path.is_file():
        raise InputError(f"{run} is not the folder of a run: it holds no {records.SETTINGS}.")
    if records.read_settings(run).get(KIND) != kind_of(RunSettings):
        raise InputError(f"{run} is not the folder of a run: {path.name} in it holds other settings.")


def delete_run(run: Path) -> DiskUse:
    """Deletes a run and returns what it used; links inside it are removed, and what they lead to stays.

    Raises `InputError` where the folder is not that of a run or is in use. First it gets another name, so that a stop
    in between leaves nothing that looks like a run.
    """
    require_run(run)
    run = run.resolve()
    with _unused(run):
        use = disk_use(run)
        doomed = _beside(run, "deleted")
        os.rename(run, doomed)
    shutil.rmtree(doomed)
    return use


def move_run(run: Path, to: Path) -> Path:
    """Moves a run into the folder `to`, or where there is none, gives it that name; returns where it is now.

    On another disk it is copied first and deleted once the copy is whole. Raises `InputError` where the folder is not
    that of a run or is in use, and where something is at its new place.
    """
    require_run(run)
    run = run.resolve()
    place = to / run.name if to.is_dir() else to
    if os.path.lexists(place):
        raise InputError(f"{place} exists already. Choose another place.")
    above = place.parent.resolve()
    if run in (above, *above.parents):
        raise InputError(f"{place} is inside {run}, which cannot be moved into itself. Choose another place.")
    with _unused(run):
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.rename(run, place)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _copied(run, place)
            doomed = _beside(run, "deleted")
            os.rename(run, doomed)
            shutil.rmtree(doomed)
    return place


def _copied(run: Path, place: Path) -> None:
    """A copy that appears under its name when it is whole; links are copied as links."""
    partial = _beside(place, "part")
    try:
        shutil.copytree(run, partial, symlinks=True)
        os.rename(partial, place)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _beside(path: Path, word: str) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.{word}")


@contextlib.contextmanager
def _unused(run: Path) -> Iterator[None]:
    """Holds the run, and every record in it that has a lock of its own, so that nobody is at work there.

    A link in the place of a lock is none: nobody of ours holds it.
    """
    with contextlib.ExitStack() as held:
        for name in sorted({records.LOCK, *(path.name for path in run.glob("*.lock"))}):
            if not (run / name).is_symlink():
                held.enter_context(records.hold(run, lock=name))
        yield
