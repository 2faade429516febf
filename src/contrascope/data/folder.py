"""A folder of pictures as people have it, or of Parquet files: what it means is decided by all that is in it."""

from pathlib import Path

from contrascope.data.folders.layout import listed
from contrascope.data.folders.reading import read_folder
from contrascope.data.folders.tables import tables_beside
from contrascope.data.folders.tree import FolderTree, ending, read_tree
from contrascope.data.folders.words import no_pictures, summary_of
from contrascope.data.imageset import ImageSet
from contrascope.data.load import load_images
from contrascope.data.settings import DataSettings
from contrascope.data.source import FileSource
from contrascope.errors import InputError


def open_folder(settings: DataSettings, cache_dir: Path | None = None) -> ImageSet:
    """The pictures below a folder, its Parquet or else its `.tar` files if it has only these; `told` says how.

    Sub-folders are classes, or splits if they are named so; tables beside the pictures give labels (docs/folders.md).
    Raises `InputError` where two readings are possible, with both and the setting that chooses.
    """
    folder = Path(settings.source).expanduser()
    tree = read_tree(folder)
    if _reads_parquet(tree, settings):
        from contrascope.data.hub import open_hub_folder

        return open_hub_folder(folder, settings, cache_dir=cache_dir)
    if not tree.pictures and tree.archives:
        from contrascope.data.archives.opening import open_tars

        return open_tars(folder, tree.archives, settings)
    if not tree.pictures:
        raise InputError(no_pictures(tree, settings.split))
    reading = read_folder(tree, settings)
    source = FileSource(folder, tuple(folder / name for name in reading.files))
    images = load_images(source, labels=reading.labels, class_names=reading.class_names, settings=settings)
    images.told = (*summary_of(images, tree, reading, source, settings.size), *images.told)
    return images


def _reads_parquet(tree: FolderTree, settings: DataSettings) -> bool:
    """Whether the Parquet files are the data; beside pictures only those that hold pictures can be."""
    files = [name for name in tree.tables if ending(name) == ".parquet"]
    if not files or not tree.pictures:
        return bool(files)
    from contrascope.data.hub import holds_pictures

    held = [name for name in files if name not in tables_beside(tree) and holds_pictures(tree.root / name)]
    if not held or settings.layout is not None:
        return False
    if settings.image_column is not None:
        return True
    raise InputError(
        f"{tree.shown} can be read in two ways: {len(tree.pictures):,} picture files, or the pictures in "
        f"Parquet files ({listed(held, 3)}). Take the former with data.layout='classes', the latter with "
        "data.image_column, or give one of their folders as data.source."
    )
