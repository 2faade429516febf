"""Import paths `package.module:Object`: which may be imported, and the one way to import them; without torch.

A path is code. What somebody typed in this call is imported. What was read from a file, which may come from a
stranger, is imported only if it was allowed; the permission comes before the import, for a module runs when it is
imported.
"""

import contextlib
import importlib
import os
import re
from collections.abc import Iterator
from typing import Any

from contrascope.errors import InputError, did_you_mean

VARIABLE = "CONTRASCOPE_ALLOW_IMPORT"
"""Environment variable with the paths that are allowed, between spaces; processes that this one starts inherit it."""
FLAG = "--allow-import"
"""The flag of the commands that allows a path."""

_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


class FromFile(str):
    """A word that was read from a file: if it is an import path, nobody typed it in this call."""

    __slots__ = ()


class NotAllowedError(InputError):
    """An import path that a file names and nobody allowed."""


def from_file(word: str) -> str:
    """The same word, marked if it is an import path: for everything that reads settings or records.

    >>> type(from_file("my_networks:Net")).__name__, type(from_file("resnet18")).__name__
    ('FromFile', 'str')
    """
    return FromFile(word) if _PATH.fullmatch(word) else word


def is_path(name: str) -> bool:
    """Whether a name stands for code of somebody else's.

    >>> is_path("package.module:Class"), is_path("moco")
    (True, False)
    """
    return ":" in name


def allowed() -> frozenset[str]:
    """The paths that may be imported though a file names them."""
    return frozenset(os.environ.get(VARIABLE, "").split())


def allow(path: str) -> None:
    """Lets `package.module:Name` be imported from here on, also where a file names it, here and in child processes.

    >>> allow("my_losses:mine")
    >>> "my_losses:mine" in allowed()
    True
    """
    if not _PATH.fullmatch(path):
        raise InputError(f"{path!r} is no import path; expected package.module:Name.")
    os.environ[VARIABLE] = " ".join(sorted({*allowed(), str(path)}))


@contextlib.contextmanager
def one_call() -> Iterator[None]:
    """What is allowed inside is forgotten after it."""
    before = os.environ.get(VARIABLE)
    try:
        yield
    finally:
        os.environ.pop(VARIABLE, None)
        if before is not None:
            os.environ[VARIABLE] = before


def import_typed(path: str, *, what: str) -> Any:
    """The object of a path that was typed or allowed; `what` it is goes into the messages.

    Raises `NotAllowedError` where a file names it and nobody allowed it, and `InputError` where it is not found.

    >>> import_typed(from_file("os.path:join"), what="loss")
    Traceback (most recent call last):
    contrascope.imports.NotAllowedError: the loss 'os.path:join' is code, ... add --allow-import os.path:join ...
    >>> import_typed("os.path:join", what="loss").__name__
    'join'
    """
    if not isinstance(path, FromFile) or not _PATH.fullmatch(path):
        allow(path)  # which refuses what is no path: its words must not stand in a command to type
    if path not in allowed():
        raise NotAllowedError(
            f"the {what} {path!r} is code, and it is not imported because a file names it. If you trust it, add "
            f"{FLAG} {path} to the command, or call contrascope.imports.allow({path!r}) first."
        )
    module_name, _, name = path.partition(":")
    module = _module(module_name, f"{what} {path!r}")
    if not hasattr(module, name):
        raise InputError(f"{what} {path!r}: {module_name} has no {name!r}. {did_you_mean(name, dir(module))}")
    return getattr(module, name)


def _module(name: str, asked: str) -> Any:
    try:
        with not_ending(asked):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise InputError(
            f"{asked}: no module {error.name!r}. Install it, or put its folder on PYTHONPATH."
        ) from error
    except ImportError as error:
        raise InputError(f"{asked} cannot be imported: {error}. Mend its module first.") from error


@contextlib.contextmanager
def not_ending(asked: str) -> Iterator[None]:
    """Somebody's code that asks the program to end is refused: its exit code would pass for the command's.

    >>> with not_ending("encoder 'sys:exit'"):
    ...     raise SystemExit(0)
    Traceback (most recent call last):
    contrascope.errors.InputError: encoder 'sys:exit' ended the program (SystemExit 0) instead of giving ...
    """
    try:
        yield
    except SystemExit as error:
        raise InputError(
            f"{asked} ended the program (SystemExit {error.code}) instead of giving an object. Import a module "
            "that can be imported without running."
        ) from error
