"""Files and folders that appear whole or not at all."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from contrascope.errors import InputError


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A file to fill beside `path`; it takes that name, and the place of an older file, once the block ends well.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, whole_file(Path(folder) / "a.txt") as partial:
    ...     _ = partial.write_text("all of it")
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder to fill beside `path`; it takes that name once the block ends well.

    Raises `InputError` where `path` is a file or holds something: nothing of the user's is removed.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, whole_folder(Path(folder) / "new") as partial:
    ...     _ = (partial / "a.txt").write_text("all of it")
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(
            f"{path} exists already and is not empty; an export needs a new folder. Remove it, or choose "
            "another --out."
        )
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        if path.exists():
            path.rmdir()
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
