"""Images from `.npy`, `.npz` and `.safetensors` arrays; nothing is ever unpickled."""

from collections.abc import Mapping
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Shaped, UInt8
from safetensors import SafetensorError, safe_open
from torch import Tensor

from contrascope.data.array_files import ARRAY_ERRORS, Member, check_regular, map_npy, open_npz
from contrascope.data.convert import PLAIN, Depth, convert_array
from contrascope.data.imageset import ImageSet
from contrascope.data.labels import LABEL_NAMES, choose_columns, class_indices, require_column
from contrascope.data.load import load_images
from contrascope.data.pictures.reading import Reading
from contrascope.data.settings import DataSettings
from contrascope.data.source import AbstractSource
from contrascope.data.splits import pick_splits
from contrascope.errors import InputError

IMAGE_NAMES = ("images", "image", "x", "data", "imgs", "img")
"""Names under which images are looked for, alone or with a split: `images`, `train_images`, `x_train`."""


Stored = np.ndarray | Member
"""Numbers, or where they lie in their file."""


@final
class ArraySource(AbstractSource):
    """Images along the first axis of an array, which may be memory-mapped."""

    def __init__(
        self, values: Shaped[np.ndarray, "n channel height width"], *, name: str, parts: tuple[str, ...]
    ) -> None:
        self.name = name
        self._values = values
        self._parts = parts

    def __len__(self) -> int:
        return len(self._values)

    def image_name(self, row: int) -> str:
        return f"{self.name} image {row} of {' + '.join(self._parts)}"

    def read(self, row: int) -> bytes:
        return np.ascontiguousarray(self._values[row]).tobytes()

    def identity(self) -> bytes:
        return f"{self._values.shape} {self._values.dtype}".encode()

    def decode(
        self, row: int, size: int | None, reading: Reading
    ) -> UInt8[np.ndarray, "channel height width"]:
        return convert_array(np.asarray(self._values[row]), size, reading)

    def peek(self, row: int, reading: Reading = PLAIN) -> tuple[int, int, int]:
        channel, height, width = self.decode(row, None, reading).shape
        return channel, height, width

    def depth(self, row: int, reading: Reading) -> Depth | None:
        del reading
        if (
            self._values.dtype.kind not in "ui"
            or self._values.dtype == np.uint8
            or not self._values[row].size
        ):
            return None
        highest = int(self._values[row].max())
        # Whole numbers that are bytes in a wider type stay as they are, and have no range to find.
        return Depth(highest, None) if self._values.dtype == np.uint16 or highest > 255 else None


def open_arrays(settings: DataSettings, cache_dir: Path | None = None) -> ImageSet:
    """Arrays shaped `n h w`, `n h w c` or `n c h w`; labels from the same file (`.npy`: another).

    Split names come from the array names (`x_train`, `test_images`); a file without them is `train`. For
    `.npy`, `data.labels` names a `.npy` file with the labels, relative to the folder of the images.
    """
    del cache_dir
    path = Path(settings.source).expanduser()
    arrays = _read_npy(path, settings) if path.suffix == ".npy" else _read_arrays(path, settings.budget)
    splits = _splits(arrays, settings, path)
    chosen = pick_splits(settings.split, splits, name=str(path))
    images = [splits[split] for split in chosen]
    values = [
        channels_first(_values(arrays[name], path), f"{path}: {name}", channels=settings.channels)
        for name in images
    ]
    if len({part.shape[1:] for part in values}) > 1:
        raise InputError(
            f"{path} has splits of different shapes ({', '.join(str(part.shape) for part in values)}); "
            "expected equal ones to join. Open one of them with data.split."
        )
    joined = values[0] if len(values) == 1 else np.concatenate(values)
    labels: dict[str, Tensor] = {}
    class_names: dict[str, tuple[str, ...]] = {}
    for column, names in _label_columns(arrays, splits, settings, path).items():
        every = {split: _flat(_values(arrays[name], path)) for split, name in names.items()}
        if not any(split in every for split in chosen):
            continue  # another split has labels, this one has none
        labels[column], class_names[column] = class_indices(
            np.concatenate([every[split] for split in chosen if split in every]),
            column=column,
            name=str(path),
            vocabulary=np.concatenate(list(every.values())),
        )
    source = ArraySource(joined, name=str(path), parts=tuple(images))
    return load_images(source, labels=labels, class_names=class_names, settings=settings)


def _read_npy(path: Path, settings: DataSettings) -> dict[str, Stored]:
    arrays: dict[str, Stored] = {"images": _map(path)}
    if settings.labels not in (None, "none"):
        arrays["label"] = _map(path.parent / str(settings.labels))
    return arrays


def _map(path: Path) -> np.ndarray:
    try:
        return map_npy(path)
    except ARRAY_ERRORS as error:
        raise _unreadable(path, error) from error


def _read_arrays(path: Path, budget: int) -> Mapping[str, Stored]:
    try:
        if path.suffix == ".safetensors":
            check_regular(path)
            with safe_open(path, framework="numpy") as file:
                return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        return open_npz(path, most=max(budget, 2**28))
    except (*ARRAY_ERRORS, SafetensorError) as error:
        raise _unreadable(path, error) from error


def _values(stored: Stored, path: Path) -> np.ndarray:
    """The numbers of an array, which may still lie folded in its file."""
    if isinstance(stored, np.ndarray):
        return stored
    try:
        return stored.read()
    except MemoryError as error:
        raise InputError(
            f"{path}: {error}. Raise data.memory_budget_mb, or save it with np.savez, which folds nothing and is "
            "read from the file."
        ) from error
    except ARRAY_ERRORS as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path} could not be read as arrays ({error}); expected a whole {path.suffix} file of numbers "
        "without pickled objects, which are never loaded. Save it again as a numeric array."
    )


def _splits(arrays: Mapping[str, Stored], settings: DataSettings, path: Path) -> dict[str, str]:
    """Name of the image array of each split."""
    if settings.image_column is not None:
        require_column(settings.image_column, list(arrays), name=str(path), setting="data.image_column")
        return {"train": settings.image_column}
    found: dict[str, str] = {}
    for name in arrays:
        split = _split_of(name, IMAGE_NAMES)
        if split is not None and arrays[name].ndim in (3, 4):
            found.setdefault(split, name)
    if not found:
        raise InputError(
            f"{path} has no array of images: it has {', '.join(arrays) or 'nothing'}; expected three or four "
            f"axes and a name such as {', '.join(IMAGE_NAMES[:3])} or train_images. Set data.image_column."
        )
    return found


def _split_of(name: str, stems: tuple[str, ...]) -> str | None:
    """Split that an array's name tells: `x_train` and `train_images` are train; a bare name is train too."""
    lower = name.lower()
    for stem in sorted(stems, key=len, reverse=True):
        if lower == stem:
            return "train"
        if lower.startswith(f"{stem}_"):
            return lower.removeprefix(f"{stem}_")
        if lower.endswith(f"_{stem}"):
            return lower.removesuffix(f"_{stem}")
    return None


def _label_columns(
    arrays: Mapping[str, Stored], splits: Mapping[str, str], settings: DataSettings, path: Path
) -> dict[str, dict[str, str]]:
    """For each label column, the array of each split."""
    columns: dict[str, dict[str, str]] = {}
    for stem in LABEL_NAMES:
        named = [(_split_of(name, (stem,)), name) for name in arrays if name not in splits.values()]
        kept = {split: name for split, name in named if split is not None and split in splits}
        if kept and not any(kept.items() <= other.items() for other in columns.values()):
            columns[stem] = kept
    if path.suffix == ".npy":
        return columns
    known = [name for name in arrays if name not in splits.values()]
    chosen = choose_columns(settings.labels, found=list(columns), known=[*columns, *known], name=str(path))
    return {name: columns.get(name) or {next(iter(splits)): name} for name in chosen}


def _flat(values: np.ndarray) -> np.ndarray:
    """Labels stored as a column of one (n 1) lie flat."""
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else np.asarray(values)


def channels_first(
    values: Shaped[np.ndarray, "..."], name: str, *, torch_order: bool = False, channels: str | None = None
) -> Shaped[np.ndarray, "n channel height width"]:
    """Images as `n c h w`, from that, `n h w c` or `n h w`; where both orders fit the last axis is the channel's.

    With `torch_order` the first one is then. Where `channels` are chosen there may be more than four: the shorter
    axis is theirs.

    >>> channels_first(np.zeros((5, 8, 8, 3)), "images").shape
    (5, 3, 8, 8)
    """
    if 0 in values.shape[1:]:
        raise InputError(f"{name} has shape {values.shape}: its images have no pixels. Give another array.")
    if values.ndim == 3:
        return values[:, None]
    few = (1, 2, 3, 4)
    if values.ndim == 4 and channels is not None and not {values.shape[1], values.shape[3]} & set(few):
        last = values.shape[3] < values.shape[1] or (values.shape[3] == values.shape[1] and not torch_order)
        return values.transpose(0, 3, 1, 2) if last else values
    if torch_order and values.ndim == 4 and values.shape[1] in few:
        return values
    if values.ndim == 4 and values.shape[3] in few:
        return values.transpose(0, 3, 1, 2)
    if values.ndim == 4 and values.shape[1] in few:
        return values
    raise InputError(
        f"{name} has shape {values.shape}; expected (n, height, width), (n, height, width, channel) "
        "or (n, channel, height, width) with 1 to 4 channels. Reshape it, or say which of more channels to keep: "
        "data.channels, for example 0,1,2 or all."
    )
