"""Features on disk: safetensors, npz, npy, Parquet, CSV. Nothing is unpickled; no half-written file has the name."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from contrascope.data.array_files import map_npy, open_npz
from contrascope.errors import InputError, did_you_mean
from contrascope.extras import named_extras
from contrascope.features.features import Features
from contrascope.features.sealed import read_sealed, save_sealed
from contrascope.features.shard_names import is_shards, shard_files
from contrascope.features.table import write_rows
from contrascope.records.inside import parsed, whole_file

SUFFIXES = (".safetensors", ".npz", ".npy", ".parquet", ".csv")
"""Formats that are written; `.npy` holds `h` alone."""
READABLE = (".safetensors", ".npz", ".npy", ".parquet")
"""Formats that are read."""
TEXTS = "names", "classes."
"""Keys of what is text: names of images, and of the classes of a label column."""


def save_features(features: Features, path: Path | str) -> Path:
    """Writes h, z, ids, labels and names (`.safetensors`, `.npz`, `.parquet`, `.csv`), or h alone (`.npy`).

    h and z are [n dim] where there is one view, else [views n dim]; tables hold one view. Returns the path.
    The file is written beside its place and then renamed, so a killed process leaves the old file or the new.
    """
    path = Path(path)
    suffix = _suffix(path, SUFFIXES)
    if suffix in (".parquet", ".csv"):
        write = write_rows if suffix == ".csv" else _write_parquet
        _replace(path, lambda temp: write(features, temp))
        return path
    tensors = {"h": _flat(features.h), "ids": features.ids}
    if features.z is not None:
        tensors["z"] = _flat(features.z)
    tensors |= {f"y.{name}": column for name, column in features.y.items()}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    texts = {f"classes.{name}": words for name, words in features.classes.items() if words}
    texts |= {"names": features.names} if features.names else {}
    if suffix == ".safetensors":
        columns = dict(zip(map(str, range(len(features.y))), features.y, strict=True))
        tensors |= {name: _bytes(words) for name, words in texts.items()}
        _replace(path, lambda temp: save_sealed(tensors, temp, columns))
    elif suffix == ".npz":
        arrays: dict[str, Any] = {name: _numpy(tensor) for name, tensor in tensors.items()}
        arrays |= {name: np.array(words) for name, words in texts.items()}
        _replace(path, lambda temp: _open_save(temp, lambda file: np.savez(file, **arrays)))
    else:
        h = _numpy(tensors["h"])
        _replace(path, lambda temp: _open_save(temp, lambda file: np.save(file, h, allow_pickle=False)))
    return path


def save_rows(features: Features, path: Path) -> Path:
    """Names, ids and labels of the rows as CSV, without their numbers; returns the path."""
    _replace(path, lambda temp: write_rows(features, temp, numbers=False))
    return path


def check_format(path: Path) -> None:
    """`InputError` for a name that does not say how features are to be written."""
    _suffix(path, SUFFIXES)


@dataclass(frozen=True, kw_only=True)
class Arrays:
    """What a file holds, its shapes checked but not its values."""

    h: Tensor
    """[views n dim]."""
    z: Tensor | None
    """[views n out]."""
    y: dict[str, Tensor]
    """Label columns [n]."""
    ids: Tensor
    """[n]."""
    names: tuple[str, ...] = ()
    """What the images are called, where the file says it."""
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Class names by label column, where the file says them."""


def load_features(path: Path | str, *, sealed: bool = False) -> Features:
    """Features from a file of `save_features`, or from arrays made anywhere; see `load_arrays`.

    Checked as every `Features` is: shapes, lengths, finite values; `sealed`: it must carry a checksum.
    """
    found = load_arrays(path, sealed=sealed)
    try:
        return Features(
            h=found.h, z=found.z, y=found.y, ids=found.ids, names=found.names, classes=found.classes
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def load_arrays(path: Path | str, *, sealed: bool = False) -> Arrays:
    """Arrays from a .safetensors, .npz, .npy or .parquet file; `.npy` is mapped into memory, not read.

    An array "n dim" counts as one view. Keys: h (needed), z, ids, y.NAME for labels, or y for one column
    named "label", names and classes.NAME (text, or bytes of UTF-8 with a zero after each); without ids the images
    count from 0. Parquet: a column h of lists of numbers, z likewise, id, name, and every other column of integers is
    a label column; a folder of shards (`contrascope embed --out FOLDER`) is read as one such file. A .safetensors file
    of ours carries a checksum, which must agree.
    """
    path = Path(path)
    if is_shards(path):
        return _joined([load_arrays(file) for file in shard_files(path)], path)
    suffix = _suffix(path, READABLE)
    if not path.exists():
        raise InputError(f"no file {path}. Write it with save_features, or check the path.")
    with parsed(path, f"{suffix} file of plain numbers", "Write it anew, or check the path."):
        tensors, order, texts = _read(path, suffix, sealed=sealed)
    return _arrays(tensors, order, texts, path)


Texts = dict[str, tuple[str, ...]]
"""Keys of `TEXTS` to what stands there."""


def _read(path: Path, suffix: str, *, sealed: bool) -> tuple[dict[str, Tensor], list[str], Texts]:
    """Tensors by key, the keys of the labels in the order they were saved in, and what is text."""
    if suffix == ".safetensors":
        tensors, columns = read_sealed(path, needed=sealed)
        texts = {name: _words(tensors.pop(name).numpy()) for name in list(tensors) if _is_text(name)}
        return tensors, [f"y.{columns[key]}" for key in sorted(filter(str.isdigit, columns), key=int)], texts
    if suffix == ".npy":
        return {"h": _tensor(map_npy(path, mode="c"))}, [], {}
    if suffix == ".parquet":
        return _read_parquet(path)
    arrays = {name: member.read() for name, member in open_npz(path).items()}
    texts = {name: _words(values) for name, values in arrays.items() if _is_text(name)}
    return {name: _tensor(values) for name, values in arrays.items() if not _is_text(name)}, [], texts


@named_extras()
def _write_parquet(features: Features, path: Path) -> None:
    from contrascope.features.parquet import write_table  # pyarrow, which the other formats do without

    write_table(features, path)


@named_extras()
def _read_parquet(path: Path) -> tuple[dict[str, Tensor], list[str], Texts]:
    from contrascope.data.pictures.cells import check_parquet
    from contrascope.features.parquet import read_names, read_parquet

    check_parquet([path])
    names = read_names(path)
    return read_parquet(path), [], {"names": names} if names else {}


def _arrays(tensors: dict[str, Tensor], order: Iterable[str], texts: Texts, path: Path) -> Arrays:
    known = ("h", "z", "ids", "y", "y.NAME", "names", "classes.NAME")
    for name in tensors:
        if name not in known[:4] and not (name.startswith("y.") and len(name) > 2):
            raise InputError(f"{path}: unknown key {name!r}. {did_you_mean(name, known)}")
    if "h" not in tensors:
        raise InputError(
            f"{path}: there is no 'h' (encoder outputs, n x dim). Keys: {', '.join(tensors) or 'none'}."
        )
    h = _block(tensors["h"], "h", path)
    names = [*dict.fromkeys([*(name for name in order if name in tensors), *tensors])]
    y = {"label": tensors["y"]} if "y" in tensors else {}
    y |= {name[2:]: tensors[name] for name in names if name.startswith("y.")}
    z = _block(tensors["z"], "z", path) if "z" in tensors else None
    names, classes = (
        texts.get("names", ()),
        {key[8:]: words for key, words in texts.items() if key != "names"},
    )
    if names and len(names) != h.shape[1]:
        raise InputError(
            f"{path}: {len(names)} names for {h.shape[1]} rows; expected one a row. Write it again."
        )
    ids = tensors.get("ids", torch.arange(h.shape[1]))
    return Arrays(h=h, z=z, y=y, ids=ids, names=names, classes=classes)


def _joined(parts: list[Arrays], path: Path) -> Arrays:
    first = parts[0]
    for part in parts:
        if (part.y.keys(), part.z is None) != (first.y.keys(), first.z is None):
            raise InputError(
                f"{path}: its shards have unlike columns; expected those of one set. Write it anew."
            )
    names = tuple(name for part in parts for name in part.names)
    count = sum(len(part.ids) for part in parts)
    return Arrays(
        h=torch.cat([part.h for part in parts], dim=1),
        z=torch.cat([part.z for part in parts if part.z is not None], dim=1) if first.z is not None else None,
        y={name: torch.cat([part.y[name] for part in parts]) for name in first.y},
        ids=torch.cat([part.ids for part in parts]),
        names=names if len(names) == count else (),
    )


def _is_text(name: str) -> bool:
    return name == TEXTS[0] or name.startswith(TEXTS[1])


def _bytes(words: tuple[str, ...]) -> Tensor:
    """Text as bytes of UTF-8, each word with a zero after it, which no name holds."""
    text = "".join(f"{word.replace(chr(0), chr(0xFFFD))}\0" for word in words)
    return torch.frombuffer(bytearray(text.encode("utf-8", "replace")), dtype=torch.uint8)


def _words(stored: np.ndarray) -> tuple[str, ...]:
    if stored.dtype.kind == "U" and stored.ndim == 1:
        return tuple(stored.tolist())
    if stored.dtype == np.uint8 and stored.ndim == 1:
        return tuple(stored.tobytes().decode().split("\0")[:-1])
    raise ValueError(f"its text has {stored.dtype} of {stored.ndim} axes; expected one row of words")


def _flat(block: Tensor) -> Tensor:
    """[n dim] of one view, [views n dim] of several."""
    return block[0] if len(block) == 1 else block


def _block(tensor: Tensor, name: str, path: Path) -> Tensor:
    if tensor.ndim not in (2, 3):
        raise InputError(
            f"{path}: {name} has shape {tuple(tensor.shape)}; expected n x dim or views x n x dim. "
            "A single vector is one row: reshape it to (1, dim); images need an encoder first."
        )
    return tensor if tensor.ndim == 3 else tensor[None]


def _tensor(array: np.ndarray) -> Tensor:
    if array.dtype.kind not in "fiu":
        raise ValueError(f"dtype {array.dtype} holds no plain numbers")
    if array.dtype.kind == "u":
        array = array.astype(np.int64)
    return torch.from_numpy(np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False)))


def _numpy(tensor: Tensor) -> np.ndarray:
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def _suffix(path: Path, known: tuple[str, ...]) -> str:
    if path.suffix not in known:
        raise InputError(f"{path.name}: cannot tell the format from {path.suffix!r}. Use {', '.join(known)}.")
    return path.suffix


def _open_save(temp: Path, save: Callable[..., None]) -> None:
    with temp.open("xb") as file:
        save(file)


def _replace(path: Path, write: Callable[[Path], None]) -> None:
    with whole_file(path) as partial:
        write(partial)
