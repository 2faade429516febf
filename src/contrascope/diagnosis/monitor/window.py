"""Rows of training batches, collected until enough images are there to be measured."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.distributed import gather_batch, gather_rows, world_size
from contrascope.errors import InputError

Ids = Tensor | Sequence[Any]
"""What tells images apart: numbers or names."""


class Window:
    """Views of images that went through training, each image once, until `images` of them are there.

    `together`: of all processes, which must all ask.

    >>> window = Window(images=2)
    >>> window.add(torch.eye(4), None, ids=[7, 5, 7, 5])
    >>> window.full(), window.rows()[0][:, 0].tolist()
    (True, [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
    """

    def __init__(self, *, images: int, together: bool = True) -> None:
        self._images, self._together = images, together
        self._seen: set[Any] = set()
        self._h: list[Tensor] = []
        self._z: list[Tensor] = []
        self._form = (0, 0)
        self._device = torch.device("cpu")

    def add(self, h: Tensor, z: Tensor | None, *, ids: Ids) -> None:
        """Rows of one batch: [rows dim] where images have a row a view and `ids` [rows], or [views n dim] and [n].

        Images that stand here already, and those with fewer or more views than most, are left out. Raises
        `InputError` where ids and rows do not fit, or where these rows do not fit those before.
        """
        keys = ids.tolist() if isinstance(ids, Tensor) else list(ids)
        if z is not None and z.shape[:-1] != h.shape[:-1]:
            raise InputError(
                f"z has shape {tuple(z.shape)} beside h {tuple(h.shape)}; expected equally many rows."
            )
        if h.ndim not in (2, 3) or len(keys) != h.shape[-2]:
            raise InputError(
                f"h has shape {tuple(h.shape)} and there are {len(keys)} ids; expected [rows dim] with an id a row, or "
                "[views n dim] with an id an image."
            )
        place = places([keys] * len(h) if h.ndim == 3 else [keys], self._seen)
        self._device = h.device
        if place.numel() == 0:
            return
        held = _some(h, place)
        if self._h and ((len(held), held.shape[2]) != self._form or (z is None) == bool(self._z)):
            raise InputError(
                f"these rows [views n dim] {tuple(held.shape)} do not fit the batches before; expected as many "
                "views and dimensions, and z beside all or none."
            )
        self._form = len(held), held.shape[2]
        self._h.append(held)
        self._z += [] if z is None else [_some(z, place)]

    def full(self) -> bool:
        """Whether enough images are there."""
        return sum(self._counts()) >= self._images

    def rows(self) -> tuple[Float[Tensor, "views n dim"], Float[Tensor, "views n out"] | None]:
        """Both layers of all that is here, rank 0's images first; equally many of each process."""
        least = min(self._counts())
        if least == 0:
            raise InputError("a process has seen no image; every process must observe its own batches.")
        return self._joined(self._h, least), self._joined(self._z, least) if self._z else None

    def _counts(self) -> list[int]:
        own = sum(part.shape[1] for part in self._h)
        return gather_rows(torch.tensor([own], device=self._device)).tolist() if self._together else [own]

    def _joined(self, parts: list[Tensor], least: int) -> Tensor:
        own = torch.cat(parts, dim=1)
        if self._together and world_size() > 1:
            own = gather_batch(own[:, :least].contiguous().to(self._device)).cpu()
        return own[:, : self._images]


def places(keys: Sequence[Sequence[Any]], seen: set[Any]) -> Int[Tensor, "views n"]:
    """Where the views of each image stand among all rows, images in the order in which they first appear.

    `keys` holds a list of ids for every axis of views. Images with another number of rows than most, and those that
    are `seen` already, are left out; those that are taken are seen from then on.

    >>> places([["a", "b", "a", "b", "c"]], set()).tolist()
    [[0, 1], [2, 3]]
    """
    found: dict[Any, list[int]] = {}
    for place, key in enumerate(key for row in keys for key in row):
        found.setdefault(key, []).append(place)
    counts = [len(where) for where in found.values()]
    views = max(set(counts), key=counts.count, default=0)
    taken = {key: where for key, where in found.items() if len(where) == views and key not in seen}
    seen.update(taken)
    if not taken:
        return torch.empty(0, 0, dtype=torch.int64)
    return torch.tensor(list(taken.values()), dtype=torch.int64).T


def _some(rows: Tensor, place: Int[Tensor, "views n"]) -> Float[Tensor, "views n dim"]:
    """A copy on the CPU, without gradient: what trains on is not held back."""
    flat = rows.detach().reshape(-1, rows.shape[-1])
    chosen = flat[place.flatten().to(flat.device)].float().cpu()
    return chosen.view(*place.shape, -1)
