"""Parquet in the layout of the Hugging Face hub, from a local folder or from the hub itself."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from datasets import config
from datasets.exceptions import DatasetsError
from huggingface_hub.constants import HF_HUB_CACHE
from huggingface_hub.file_download import repo_folder_name
from torch import Tensor

from contrascope.data.arrow import ArrowSource
from contrascope.data.folders.tree import ending, read_tree
from contrascope.data.hub_reach import briefly_if_offline
from contrascope.data.imageset import ImageSet
from contrascope.data.labels import LABEL_NAMES, choose_columns, class_indices, require_column
from contrascope.data.load import load_images
from contrascope.data.pictures.cells import PARQUET_ERRORS, check_parquet
from contrascope.data.settings import DataSettings
from contrascope.data.splits import pick_splits
from contrascope.errors import InputError

_SHARD = re.compile(r"(?P<split>.+?)(-\d+-of-\d+)?$")


def hub_splits(folder: Path) -> dict[str, list[Path]]:
    """Parquet files of each split; empty if the folder has none. One configuration only.

    Files are named `train-00000-of-00001.parquet` or `train.parquet`, in the folder or in one folder below.
    """
    files = [folder / name for name in read_tree(folder).tables if ending(name) == ".parquet"]
    folders = sorted({file.parent for file in files})
    if len(folders) > 1:
        raise InputError(
            f"{folder} has Parquet files in {len(folders)} folders; expected them in one. "
            f"Open one of {', '.join(map(str, folders))}."
        )
    splits: dict[str, list[Path]] = {}
    for file in files:
        found = _SHARD.match(file.stem)
        splits.setdefault(found["split"] if found else file.stem, []).append(file)
    return splits


def open_hub_folder(folder: Path, settings: DataSettings, *, cache_dir: Path | None = None) -> ImageSet:
    """The split of a local folder of Parquet files; needs no network."""
    splits = hub_splits(folder)
    files = [file for part in splits.values() for file in part]
    rows = check_parquet(files)
    tables = {}
    for split in pick_splits(settings.split, splits, name=str(folder)):
        try:
            tables[split] = datasets.Dataset.from_parquet(
                [str(file) for file in splits[split]],
                cache_dir=None if cache_dir is None else str(cache_dir),  # type: ignore[arg-type]
                split=datasets.NamedSplit(re.sub(r"\W", "_", split)),
                batch_size=rows,
            )
        except (DatasetsError, AttributeError, *PARQUET_ERRORS) as error:
            raise InputError(
                f"{folder}, split {split!r}, could not be read ({error}); expected Parquet files with equal "
                "columns. Write the files again."
            ) from error

    def every_value(column: str) -> np.ndarray:
        tables = [
            pq.read_table(file, columns=[column]) for file in files if column in pq.read_schema(file).names
        ]
        return np.concatenate([table.column(0).to_numpy() for table in tables])

    return _open_tables(
        tables,
        every_value,
        name=f"{folder} [{settings.split}]",
        settings=settings,
        roots=(files[0].parent, folder),
    )


def open_hub_name(settings: DataSettings, cache_dir: Path | None = None) -> ImageSet:
    """A set of the hub, downloaded on first use; `name` or `name:configuration`."""
    name = settings.source
    path, _, configuration = name.partition(":")
    try:
        with briefly_if_offline():
            every = datasets.load_dataset(
                path, configuration or None, cache_dir=None if cache_dir is None else str(cache_dir)
            )
    except Exception as error:
        raise InputError(
            f"{name!r} is no file or folder here, and the Hugging Face hub did not give it "
            f"({type(error).__name__}: {error}). Expected digits, scenes, shapes, a folder, an array file or "
            "the name of a hub set. Check the name and the network; offline, give a local folder."
        ) from error
    assert isinstance(every, datasets.DatasetDict)
    tables = {split: every[split] for split in pick_splits(settings.split, map(str, every), name=name)}

    def every_value(column: str) -> np.ndarray:
        return np.concatenate([table.data.column(column).to_numpy() for table in every.values()])

    # Files that its tables name lie in what was fetched of this set, and nowhere else.
    fetched = (
        Path(HF_HUB_CACHE) / repo_folder_name(repo_id=path, repo_type="dataset"),
        Path(config.DOWNLOADED_DATASETS_PATH),
    )
    return _open_tables(
        tables, every_value, name=f"{name} [{settings.split}]", settings=settings, roots=fetched
    )


def _open_tables(
    tables: Mapping[str, datasets.Dataset],
    every_value: Callable[[str], np.ndarray],
    *,
    name: str,
    settings: DataSettings,
    roots: tuple[Path, ...],
) -> ImageSet:
    """One image set from the tables of the chosen splits, joined in their order."""
    first = next(iter(tables.values()))
    column = image_column(first, settings, name)

    def values_of(label: str) -> np.ndarray:
        return np.concatenate([table.data.column(label).to_numpy() for table in tables.values()])

    labels, class_names = read_labels(first, values_of, every_value, name=name, settings=settings)
    files = tuple(file["filename"] for table in tables.values() for file in table.cache_files)
    mapped = settings.budget // 4
    source = ArrowSource(files, column=column, name=name, mapped_bytes=mapped, roots=roots)
    return load_images(source, labels=labels, class_names=class_names, settings=settings)


def read_labels(
    table: datasets.Dataset,
    values_of: Callable[[str], np.ndarray],
    every_value: Callable[[str], np.ndarray],
    *,
    name: str,
    settings: DataSettings,
) -> tuple[dict[str, Tensor], dict[str, tuple[str, ...]]]:
    """Class indices and class names of the label columns that the settings ask for.

    `values_of` gives a column of the chosen splits, `every_value` of all splits: classes are numbered by the latter.
    """
    wanted = choose_columns(settings.labels, found=_label_columns(table), known=table.column_names, name=name)
    labels: dict[str, Tensor] = {}
    class_names: dict[str, tuple[str, ...]] = {}
    for label in wanted:
        values, feature = values_of(label), table.features[label]
        if isinstance(feature, datasets.ClassLabel):
            if _is_unlabelled(values, label, name):
                continue
            labels[label] = _typed_labels(values, len(feature.names), label, name)
            class_names[label] = tuple(feature.names)
        else:
            labels[label], class_names[label] = class_indices(
                _strings(values), column=label, name=name, vocabulary=_strings(every_value(label))
            )
    return labels, class_names


def image_column(table: datasets.Dataset, settings: DataSettings, name: str) -> str:
    """The column of encoded pictures: the one that the settings name, or the first one."""
    known = table.column_names
    if settings.image_column is not None:
        require_column(settings.image_column, known, name=name, setting="data.image_column")
    found = [column for column in known if _holds_images(table, column)]
    if settings.image_column in found:
        return settings.image_column
    if settings.image_column is not None or not found:
        raise InputError(
            f"{name} has no image column {settings.image_column or ''}; expected encoded pictures: a struct "
            f"of bytes and path, or binary. The columns are {', '.join(known)}. Set data.image_column."
        )
    return found[0]


def holds_pictures(file: Path) -> bool:
    """Whether a Parquet file has a column of encoded pictures; False for one that cannot be read."""
    try:
        schema = pq.read_schema(file)
    except (pa.ArrowException, OSError):
        return False
    return any(_is_picture_type(field.type) for field in schema)


def _holds_images(table: datasets.Dataset, column: str) -> bool:
    return _is_picture_type(table.data.schema.field(column).type)


def _is_picture_type(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        place = kind.get_field_index("bytes")
        return place >= 0 and _is_picture_type(kind.field(place).type)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _label_columns(table: datasets.Dataset) -> list[str]:
    typed = [name for name, feature in table.features.items() if isinstance(feature, datasets.ClassLabel)]
    return typed or [name for name in table.column_names if name in LABEL_NAMES or name.endswith("_label")]


def _is_unlabelled(values: np.ndarray, column: str, name: str) -> bool:
    """True if no row has a label (-1 or missing throughout); some without one is an InputError."""
    missing = int((np.isnan(values) | (values < 0)).sum()) if values.dtype.kind in "if" else 0
    if 0 < missing < len(values):
        raise InputError(
            f"label column {column!r} of {name} lacks {missing} of {len(values)} labels; expected all or "
            "none. Choose another column with data.labels, or 'none'."
        )
    return missing == len(values)


def _typed_labels(values: np.ndarray, classes: int, column: str, name: str) -> Tensor:
    if values.max() >= classes:
        raise InputError(
            f"label column {column!r} of {name} has the value {values.max()}; its {classes} class names "
            f"allow 0 to {classes - 1}. Write the file again with all class names."
        )
    return torch.from_numpy(values.astype(np.int64))


def _strings(values: np.ndarray) -> np.ndarray:
    """Arrow gives strings as objects; missing values stay objects, which `class_indices` refuses."""
    if values.dtype == object and all(isinstance(value, str) for value in values):
        return values.astype(str)
    return values
