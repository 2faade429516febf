"""The advisor's folder: what is measured is kept, so that a second call goes on."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from contrascope import records
from contrascope.errors import InputError
from contrascope.settings import differences, from_json, to_json

T = TypeVar("T")
REQUEST = "request.json"


class State:
    """Values by name, each a JSON file that is written whole; a value that is there is not made again."""

    def __init__(self, folder: Path, request: dict[str, Any]) -> None:
        """Opens or makes the folder; refuses one that was made for another request."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / REQUEST
        if not path.exists():
            records.write_json(path, request)
            return
        changed = differences(records.read_json(path), records.finite(request))
        if changed:
            lines = "\n  ".join(changed)
            raise InputError(
                f"{folder} holds the measurements of another request:\n  {lines}\n"
                "Ask the same again, choose another --out, or remove that folder."
            )

    def kept(self, kind: type[T], name: str, make: Callable[[], T]) -> T:
        """The value of this name: read if it is there, else made and written."""
        path = self.folder / f"{name}.json"
        if path.exists():
            return from_json(kind, records.read_json(path), path=str(path))
        value = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        records.write_json(path, to_json(value))
        return value


def say(text: str) -> None:
    """One line of progress on stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
