"""Features on disk: safetensors, npz, npy, Parquet. Nothing is unpickled; no half-written file has the name."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from contrascope.errors import InputError, did_you_mean
from contrascope.features.features import Features
from contrascope.features.parquet import read_parquet
from contrascope.features.sealed import read_sealed, save_sealed
from contrascope.records.inside import whole_file
from contrascope.records.regular import parsed

SUFFIXES = (".safetensors", ".npz", ".npy")
"""Formats that are written; `.npy` holds `h` alone."""
READABLE = (*SUFFIXES, ".parquet")
"""Formats that are read."""


def save_features(features: Features, path: Path | str) -> Path:
    """Writes h, z, ids and labels (`.safetensors`, `.npz`), or h alone (`.npy`); returns the path.

    The file is written beside its place and then renamed, so a killed process leaves the old file or the new.
    """
    path = Path(path)
    suffix = _suffix(path, SUFFIXES)
    tensors = {"h": features.h, "ids": features.ids}
    if features.z is not None:
        tensors["z"] = features.z
    tensors |= {f"y.{name}": column for name, column in features.y.items()}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    if suffix == ".safetensors":
        columns = dict(zip(map(str, range(len(features.y))), features.y, strict=True))
        _replace(path, lambda temp: save_sealed(tensors, temp, columns))
    elif suffix == ".npz":
        arrays: dict[str, Any] = {name: _numpy(tensor) for name, tensor in tensors.items()}
        _replace(path, lambda temp: _open_save(temp, lambda file: np.savez(file, **arrays)))
    else:
        h = _numpy(tensors["h"])
        _replace(path, lambda temp: _open_save(temp, lambda file: np.save(file, h, allow_pickle=False)))
    return path


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


def load_features(path: Path | str, *, sealed: bool = False) -> Features:
    """Features from a file of `save_features`, or from arrays made anywhere; see `load_arrays`.

    Checked as every `Features` is: shapes, lengths, finite values; `sealed`: it must carry a checksum.
    """
    found = load_arrays(path, sealed=sealed)
    try:
        return Features(h=found.h, z=found.z, y=found.y, ids=found.ids)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def load_arrays(path: Path | str, *, sealed: bool = False) -> Arrays:
    """Arrays from a .safetensors, .npz, .npy or .parquet file; `.npy` is mapped into memory, not read.

    An array "n dim" counts as one view. Keys: h (needed), z, ids, y.NAME for labels, or y for one column
    named "label"; without ids the images count from 0. Parquet: a column h of lists of numbers, z likewise,
    and every column of integers is a label column. A .safetensors file of ours carries a checksum, which must agree.
    """
    path = Path(path)
    suffix = _suffix(path, READABLE)
    if not path.exists():
        raise InputError(f"no file {path}. Write it with save_features, or check the path.")
    with parsed(path, f"{suffix} file of plain numbers", "Write it anew, or check the path."):
        tensors, order = _read(path, suffix, sealed=sealed)
    return _arrays(tensors, order, path)


def _read(path: Path, suffix: str, *, sealed: bool) -> tuple[dict[str, Tensor], list[str]]:
    """Tensors by key, and the keys of the labels in the order they were saved in."""
    if suffix == ".safetensors":
        tensors, columns = read_sealed(path, needed=sealed)
        return tensors, [f"y.{columns[key]}" for key in sorted(filter(str.isdigit, columns), key=int)]
    if suffix == ".npy":
        return {"h": _tensor(np.load(path, allow_pickle=False, mmap_mode="c"))}, []
    if suffix == ".parquet":
        return read_parquet(path), []
    with np.load(path, allow_pickle=False) as file:
        return {name: _tensor(file[name]) for name in file.files}, []


def _arrays(tensors: dict[str, Tensor], order: Iterable[str], path: Path) -> Arrays:
    known = ("h", "z", "ids", "y", "y.NAME")
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
    return Arrays(h=h, z=z, y=y, ids=tensors.get("ids", torch.arange(h.shape[1])))


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
