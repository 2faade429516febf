"""From a tree to the pictures that are opened, with their labels and with what has to be said of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from torch import Tensor

from contrascope.data.folders.columns import TableColumn, table_column
from contrascope.data.folders.layout import (
    FolderLayout,
    counted,
    listed,
    read_layout,
    refuse_loose,
    refuse_wrapper,
)
from contrascope.data.folders.names import shown_name, text_name
from contrascope.data.folders.tables import STEMS, PictureTables, read_tables
from contrascope.data.folders.tree import FolderTree
from contrascope.data.labels import LABEL_NAMES, choose_columns, class_indices
from contrascope.data.picture_table import SPLIT_COLUMN
from contrascope.data.settings import DataSettings
from contrascope.data.splits import pick_splits
from contrascope.errors import InputError

FOLDER_COLUMNS = ("label", "folder", "sub_folder")
"""What the column of class folders is called: the first that no table has."""


@dataclass(frozen=True, kw_only=True)
class FolderReading:
    """What a folder is read as."""

    files: tuple[str, ...]
    """Pictures below the root, in order."""
    labels: dict[str, Tensor] = field(default_factory=dict)
    """Label columns [n], class indices; the first is the primary one."""
    class_names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Class names of every column, by index."""
    told: tuple[str, ...] = ()
    """What has to be said of it, a sentence each without its full stop."""


def read_folder(tree: FolderTree, settings: DataSettings) -> FolderReading:
    """The pictures that the settings ask for and their labels, decided by the whole tree.

    Raises `InputError` where it can be read in two ways, or where a table does not fit the pictures.
    """
    tables = read_tables(tree, settings)
    layout = read_layout(tree, settings, by_table=SPLIT_COLUMN in tables.columns)
    pictures, told = layout.pictures, _told_of_splits(layout)
    if SPLIT_COLUMN in tables.columns and not layout.splits:
        pictures, told = _of_split(tree, tables, settings)
    column = next(name for name in FOLDER_COLUMNS if name not in tables.columns)
    known = {name: table_column(name, tables) for name in tables.columns if name != SPLIT_COLUMN}
    folders = {name: folder for name, folder in zip(layout.pictures, layout.folders, strict=True) if folder}
    if any(name in folders for name in pictures):
        every = dict.fromkeys(map(text_name, layout.vocabulary))
        own = {name: text_name(folder) for name, folder in folders.items()}
        known[column] = TableColumn(name=column, values=own, vocabulary=tuple(every))
    found = _found(known, tables, pictures, column)
    _refuse_two_readings(tree, layout, known, found, settings, pictures=pictures, column=column)
    usable = [name for name, one in known.items() if one.several is None]
    _refuse_several(known, settings)
    wanted = choose_columns(settings.labels, found=found, known=usable, name=tree.shown)
    kept = tuple(name for name in pictures if all(name in known[one].values for one in wanted))
    told += _told_of_labels(known, wanted, settings, left=len(pictures) - len(kept), column=column)
    labels, names = _indices(known, wanted, kept, name=tree.shown)
    if not kept:
        raise InputError(
            f"{tree.shown} has no pictures with {listed(wanted)}; expected some. Choose other columns "
            "with data.labels, or 'none'."
        )
    return FolderReading(files=kept, labels=labels, class_names=names, told=(*tables.told, *told))


def _found(
    known: Mapping[str, TableColumn], tables: PictureTables, pictures: Sequence[str], folder: str
) -> list[str]:
    """Columns that are labels without being named: of a table of labels all that repeat, of others by their names."""
    found = []
    for name, one in known.items():
        if name == folder or not one.is_labels:
            continue
        stem = PurePosixPath(tables.columns[name]).stem.casefold()
        by_name = name.casefold() in LABEL_NAMES or name.casefold().endswith("_label")
        if by_name or (stem == STEMS[0] and one.repeats):
            found.append(name)
    if folder in known and all(name in known[folder].values for name in pictures):
        found.append(folder)
    return found


def _refuse_two_readings(
    tree: FolderTree,
    layout: FolderLayout,
    known: Mapping[str, TableColumn],
    found: Sequence[str],
    settings: DataSettings,
    *,
    pictures: Sequence[str],
    column: str,
) -> None:
    """Pictures with and without a label, or classes that may lie a folder deeper, where nobody said what is meant."""
    if settings.labels == "none":
        return
    asked = None if settings.labels is None else [name.strip() for name in settings.labels.split(",")]
    if settings.layout is None and (list(found) == [column] if asked is None else column in asked):
        refuse_wrapper(tree, layout)
    if asked is not None:
        return
    if column in known and not found:
        refuse_loose(tree, layout)
    for name in found:
        missing = [one for one in pictures if one not in known[name].values]
        if missing:
            there = len(pictures) - len(missing)
            raise InputError(
                f"{shown_name(known[name].table)} in {tree.shown} has no {name!r} for {len(missing):,} of "
                f"{counted(len(pictures), 'picture')} ({listed(missing, 3)}): read as the {there:,} that have one "
                f"(data.labels={name!r}), or as all without labels (data.labels='none'). Choose one, or complete the "
                "table."
            )


def _refuse_several(known: Mapping[str, TableColumn], settings: DataSettings) -> None:
    for name in str(settings.labels or "").split(","):
        one = known.get(name.strip())
        if one is not None and one.several is not None:
            raise InputError(
                f"data.labels names {one.name!r}, which has several labels a picture ({one.several}); scores here take "
                "one label a picture. Choose another column, or 'none'."
            )


def _indices(
    known: Mapping[str, TableColumn], wanted: Sequence[str], kept: Sequence[str], *, name: str
) -> tuple[dict[str, Tensor], dict[str, tuple[str, ...]]]:
    labels, names = {}, {}
    for column in wanted:
        values = np.array([known[column].values[one] for one in kept])
        words = np.array(known[column].vocabulary)
        labels[column], names[column] = class_indices(values, column=column, name=name, vocabulary=words)
    return labels, names


def _of_split(
    tree: FolderTree, tables: PictureTables, settings: DataSettings
) -> tuple[tuple[str, ...], list[str]]:
    """The pictures whose row names the split; those without one are in `all` alone."""
    said: dict[str, Any] = {name: tables.rows.get(name, {}).get(SPLIT_COLUMN) for name in tree.pictures}
    names = sorted({str(word) for word in said.values() if word is not None})
    if settings.split == "all":
        return tree.pictures, [f"splits {listed(names)} in the column {SPLIT_COLUMN!r}; read: all"]
    chosen = pick_splits(settings.split, names, name=tree.shown, by_meaning=True)
    told = [f"splits {listed(names)} in the column {SPLIT_COLUMN!r}; read: {listed(chosen)}"]
    without = sum(word is None for word in said.values())
    told += (
        [f"{counted(without, 'picture')} without a split can be read with data.split='all' alone"]
        if without
        else []
    )
    return tuple(name for name, word in said.items() if str(word) in chosen), told


def _told_of_splits(layout: FolderLayout) -> list[str]:
    told = [f"splits {listed(layout.splits)}; read: {listed(layout.chosen)}"] if layout.splits else []
    if layout.left_out and layout.splits:
        told.append(f"{counted(layout.left_out, 'picture')} outside of the splits left out")
    return told


def _told_of_labels(
    known: Mapping[str, TableColumn], wanted: Sequence[str], settings: DataSettings, *, left: int, column: str
) -> list[str]:
    told = []
    if left:
        told.append(
            f"{counted(left, 'picture')} without {listed(wanted)} left out; data.labels='none' reads all of them"
        )
    unused = [one for name, one in known.items() if name not in wanted]
    if unused and settings.labels != "none":
        told.append(f"not used as labels: {'; '.join(one.what for one in unused)}")
    if column in known and settings.labels == "none":
        told.append("sub-folders are no classes, as data.labels='none' asks")
    return told
