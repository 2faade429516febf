"""A saved file of settings: what --print-settings prints, or a run's settings.json."""

from pathlib import Path

from contrascope import records
from contrascope.errors import InputError
from contrascope.records.settings import settings_tree
from contrascope.runs.text_settings import AnyRunSettings, read_any_settings

SUFFIX = ".json"


def is_settings_file(name: str) -> bool:
    """Whether a word names a file of settings rather than a recipe.

    >>> is_settings_file("my-settings.json"), is_settings_file("digits-simclr")
    (True, False)
    """
    return name.endswith(SUFFIX) or Path(name).expanduser().is_file()


def read_settings(path: Path) -> AnyRunSettings:
    """The settings in a file; a missing, damaged or wrong one is refused by name."""
    if not path.exists():
        raise InputError(
            f"there is no file {path}. contrascope train RECIPE --print-settings > {path.name} writes one."
        )
    found = records.read_json(
        path, typed=path.name != records.SETTINGS
    )  # in a run's folder no link is followed
    try:
        tree = settings_tree(found, path)[0] if isinstance(found, dict) else found
        return read_any_settings(tree)
    except InputError as error:
        raise type(error)(f"{path}: {error}") from None


def name_of(path: Path) -> str:
    """What a run by this file is called: the file's name, or that of its run.

    >>> name_of(Path("mine.json")), name_of(Path("runs/digits/settings.json"))
    ('mine', 'digits')
    """
    return path.resolve().parent.name if path.name == records.SETTINGS else path.stem
