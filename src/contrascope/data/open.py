"""One function opens every kind of source."""

from pathlib import Path

from contrascope.data.imageset import ImageSet
from contrascope.data.kinds import source_kinds
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError, did_you_mean


def open_images(settings: DataSettings, *, cache_dir: Path | None = None) -> ImageSet:
    """The images that the settings name: a built-in set, a path, or else a set of the Hugging Face hub.

    `cache_dir` is where `datasets` keeps its Arrow files (its own default if unset).

    >>> open_images(DataSettings(source="digits", split="test"))
    InMemoryImages('digits [test]', 500 images (1, 8, 8), digit)
    """
    source, kinds = settings.source, source_kinds()
    for kind in kinds:
        if kind.turn == 2:
            _check_no_path(source)
        if kind.recognises(source):
            return kind.open(settings, cache_dir)
    raise InputError(
        f"data.source {source!r} is not understood; expected {', '.join(k.title for k in kinds)}."
    )


def _check_no_path(source: str) -> None:
    """A source that no kind of file or folder has taken, and that is none of the hub's names."""
    path, suffixes = Path(source).expanduser(), [end for kind in source_kinds() for end in kind.suffixes]
    if path.is_file() and path.suffix == ".parquet":
        raise InputError(
            f"{path} is one Parquet file; expected its folder. Set data.source to {path.parent}."
        )
    if path.is_file():
        raise InputError(
            f"{path} is a file of kind {path.suffix or '(none)'}; expected a folder, or {', '.join(suffixes)}. "
            "Give the folder that holds the images."
        )
    if source.startswith((".", "/", "~")) or source.count("/") > 1 or path.suffix in (*suffixes, ".parquet"):
        raise InputError(
            f"data.source {source!r} does not exist; expected a file or a folder. Check the path."
        )
    names = [name for kind in source_kinds() for name in kind.names]
    if "/" not in source and did_you_mean(source, names).startswith("Did"):
        raise InputError(
            f"data.source {source!r} is no built-in set, file or folder. {did_you_mean(source, names)}"
        )
