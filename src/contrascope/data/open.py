"""One function opens every kind of source."""

from pathlib import Path

from contrascope.data.arrays import SUFFIXES, open_arrays
from contrascope.data.digits import open_digits
from contrascope.data.folder import open_folder
from contrascope.data.hub import open_hub_name
from contrascope.data.imageset import ImageSet
from contrascope.data.labels import choose_columns
from contrascope.data.scenes import open_scenes
from contrascope.data.settings import DataSettings
from contrascope.data.shapes import open_shapes
from contrascope.errors import InputError, did_you_mean

BUILT_IN = {"digits": open_digits, "scenes": open_scenes, "shapes": open_shapes}


def open_images(settings: DataSettings, *, cache_dir: Path | None = None) -> ImageSet:
    """The images that the settings name: a built-in set, a path, or else a set of the Hugging Face hub.

    `cache_dir` is where `datasets` keeps its Arrow files (its own default if unset).

    >>> open_images(DataSettings(source="digits", split="test"))
    InMemoryImages('digits [test]', 500 images (1, 8, 8), digit)
    """
    source = settings.source
    if source in BUILT_IN:
        return _with_columns(BUILT_IN[source](settings), settings)
    path = Path(source).expanduser()
    if path.is_dir():
        return open_folder(path, settings, cache_dir=cache_dir)
    if path.is_file():
        return _open_file(path, settings)
    if _looks_like_a_path(source):
        raise InputError(
            f"data.source {source!r} does not exist; expected a file or a folder. Check the path."
        )
    if "/" not in source and did_you_mean(source, BUILT_IN).startswith("Did"):
        raise InputError(
            f"data.source {source!r} is no built-in set, file or folder. {did_you_mean(source, BUILT_IN)}"
        )
    return open_hub_name(source, settings, cache_dir=cache_dir)


def _with_columns(images: ImageSet, settings: DataSettings) -> ImageSet:
    """Only the label columns that the settings ask for."""
    known = list(images.labels)
    wanted = choose_columns(settings.labels, found=known, known=known, name=images.name)
    images.labels = {column: images.labels[column] for column in wanted}
    images.class_names = {column: images.class_names[column] for column in wanted}
    return images


def _open_file(path: Path, settings: DataSettings) -> ImageSet:
    if path.suffix in SUFFIXES:
        return open_arrays(path, settings)
    if path.suffix == ".parquet":
        raise InputError(
            f"{path} is one Parquet file; expected its folder. Set data.source to {path.parent}."
        )
    raise InputError(
        f"{path} is a file of kind {path.suffix or '(none)'}; expected a folder, or {', '.join(SUFFIXES)}. "
        "Give the folder that holds the images."
    )


def _looks_like_a_path(source: str) -> bool:
    return (
        source.startswith((".", "/", "~"))
        or source.count("/") > 1
        or Path(source).suffix in (*SUFFIXES, ".parquet")
    )
