"""settings.json: the settings of a run as `contrascope.settings` writes them, with a format number at the top."""

from pathlib import Path
from typing import Any

from contrascope.errors import InputError
from contrascope.records.entry import FORMAT, Tree
from contrascope.records.files import SETTINGS, write_json
from contrascope.records.typed import read_tree


def write_settings(folder: Path, tree: Tree) -> None:
    """Write settings.json of a folder; `tree` is what `contrascope.settings.to_json` made."""
    write_json(folder / SETTINGS, {"format": FORMAT, **tree})


def read_settings(folder: Path) -> Tree:
    """The tree for `contrascope.settings.from_json`; raises `InputError` for a missing or damaged file."""
    return settings_tree(read_tree(folder / SETTINGS), folder / SETTINGS)[0]


def settings_tree(tree: Tree, path: Path) -> tuple[Tree, str]:
    """Settings without the format number, and a notice where that is a newer version's."""
    number: Any = tree.get("format", 0)
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise InputError(f"{path} is damaged (its format is {str(number)[:40]!r}; expected a number).")
    newer = f"{path.name} has format {number}, written by a newer version; it was read as format {FORMAT}."
    return {key: value for key, value in tree.items() if key != "format"}, newer if number > FORMAT else ""
