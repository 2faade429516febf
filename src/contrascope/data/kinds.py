"""The kinds of sources that images come from: found by their files, listed without torch."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceKind:
    """A kind of source: a file in `data/sources` holds one as `KIND`, and nothing else lists it."""

    title: str
    """What messages call it."""
    recognises: Callable[[str], bool]
    """Whether it takes this source; asked in the order of `turn`, and the first one opens it."""
    opener: str
    """module:function, imported when it opens: (DataSettings, cache_dir) to an ImageSet."""
    turn: int = 1
    """0: names that mean one thing; 1: files and folders; 2: what is neither."""
    names: tuple[str, ...] = ()
    """Names that it takes, for suggestions."""
    suffixes: tuple[str, ...] = ()
    """Endings of the files that it takes: a source that ends so is a path, even where nothing is there."""

    def open(self, *arguments: Any) -> Any:
        """The images."""
        module, _, function = self.opener.partition(":")
        return getattr(importlib.import_module(module), function)(*arguments)


@cache
def source_kinds() -> tuple[SourceKind, ...]:
    """Every kind, in the order in which they are asked.

    >>> [kind.title for kind in source_kinds()][:3]
    ['digits', 'images in memory', 'scenes']
    """
    package = importlib.import_module("contrascope.data.sources")
    found = pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
    kinds = [importlib.import_module(info.name).KIND for info in found]
    return tuple(sorted(kinds, key=lambda kind: kind.turn))
