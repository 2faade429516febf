"""A folder of pictures: one sub-folder per class, or flat and unlabelled, with or without split folders."""

from pathlib import Path

import torch
from PIL import Image

from contrascope.data.hub import hub_splits, open_hub_folder
from contrascope.data.imageset import ImageSet
from contrascope.data.labels import choose_columns
from contrascope.data.load import load_images
from contrascope.data.settings import DataSettings
from contrascope.data.source import FileSource
from contrascope.data.splits import pick_splits
from contrascope.errors import InputError, MissingSplitError

SPLIT_FOLDERS = ("train", "training", "validation", "valid", "val", "test", "testing")
"""A folder whose sub-folders all have these names is split by them."""

COMPANIONS = (".csv", ".json", ".jsonl", ".md", ".txt", ".ini", ".db", ".parquet")
"""Files that often lie beside pictures and are passed over, as hidden ones are; others must be pictures."""


def open_folder(settings: DataSettings, cache_dir: Path | None = None) -> ImageSet:
    """Parquet if the folder has any, else its pictures; classes are the sub-folders, sorted by name."""
    folder = Path(settings.source).expanduser()
    if hub_splits(folder):
        return open_hub_folder(folder, settings, cache_dir=cache_dir)
    roots = _split_roots(folder, settings.split)
    files = [(file, file.relative_to(root).parts) for root in roots for file in _pictures(root)]
    if not files:
        raise InputError(
            f"{folder} holds no pictures (split {settings.split!r}); expected files such as .png or .jpg, "
            "flat or in one sub-folder per class, or Parquet files. Check data.source."
        )
    names = sorted({entry.name for root in _split_roots(folder, "all") for entry in _folders(root)})
    labelled = bool(names) and all(len(parts) > 1 for _, parts in files)
    if names and not labelled and any(len(parts) > 1 for _, parts in files):
        stray = next(file for file, parts in files if len(parts) == 1)
        raise InputError(
            f"{folder} has class sub-folders and also pictures beside them ({stray}); expected one or the "
            "other. Move the picture into a class folder."
        )
    found = ["label"] if labelled else []
    index = {name: place for place, name in enumerate(names)}
    labels = {}
    for column in choose_columns(settings.labels, found=found, known=found, name=str(folder)):
        labels[column] = torch.tensor([index[parts[0]] for _, parts in files])
    source = FileSource(folder, tuple(file for file, _ in files))
    return load_images(
        source, labels=labels, class_names=dict.fromkeys(labels, tuple(names)), settings=settings
    )


def _split_roots(folder: Path, split: str) -> list[Path]:
    below = [entry.name for entry in _folders(folder)]
    if below and all(name in SPLIT_FOLDERS for name in below):
        return [folder / name for name in pick_splits(split, below, name=str(folder))]
    if split not in ("train", "all"):
        raise MissingSplitError(
            f"{folder} has no split {split!r}: its sub-folders are not named train, test or validation; "
            "expected split 'train' or 'all', which open every picture. Sort the pictures into split "
            "folders, or set data.split."
        )
    return [folder]


def _folders(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _pictures(root: Path) -> list[Path]:
    """Every file below that is not hidden and not a companion, in the order of the paths."""
    Image.init()
    return [
        file
        for file in sorted(root.rglob("*"))
        if file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(root).parts)
        and (file.suffix.lower() in Image.EXTENSION or file.suffix.lower() not in COMPANIONS)
    ]
