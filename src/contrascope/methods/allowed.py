"""Import paths that may be imported: those that the user typed in this process; without torch.

A path is code. One that stands in a file of settings, which may come from a stranger, is not imported unless it
was allowed before.
"""

import importlib
import re
from collections.abc import Iterable
from typing import Any

from contrascope.errors import InputError, did_you_mean

ALLOWED: set[str] = set()
"""Paths `package.module:Name` that were allowed in this process."""

_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def is_path(name: str) -> bool:
    """Whether a name stands for code of somebody else's.

    >>> is_path("package.module:Class"), is_path("moco")
    (True, False)
    """
    return ":" in name


def allow(path: str) -> None:
    """Allows `package.module:Name` to be imported from here on, also where a file of settings names it."""
    if not _PATH.fullmatch(path):
        raise InputError(f"{path!r} is no import path; expected package.module:Name.")
    ALLOWED.add(path)


def allow_typed(words: Iterable[str]) -> None:
    """Allows every import path among the words of a command: the user typed it.

    >>> allow_typed(["train", "digits-plain", "--method.loss", "my_losses:mine"])
    >>> "my_losses:mine" in ALLOWED
    True
    """
    for word in words:
        path = word.rpartition("=")[2]
        if _PATH.fullmatch(path):
            allow(path)


def import_allowed(path: str, *, what: str) -> Any:
    """The object of an allowed path; `what` it is goes into the messages.

    >>> import_allowed("os.path:join", what="loss")
    Traceback (most recent call last):
    contrascope.errors.InputError: the loss 'os.path:join' is code, and not imported because a file names it. ...
    """
    if path not in ALLOWED:
        raise InputError(
            f"the {what} {path!r} is code, and not imported because a file names it. If you trust it, type it in "
            f"the command, or call contrascope.methods.allowed.allow({path!r}) first."
        )
    module_name, _, name = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise InputError(
            f"{what} {path!r}: no module {error.name!r}. Install it, or put its folder on PYTHONPATH."
        ) from error
    try:
        return getattr(module, name)
    except AttributeError as error:
        raise InputError(
            f"{what} {path!r}: {module_name} has no {name!r}. {did_you_mean(name, dir(module))}"
        ) from error
