"""The value that travels from a frozen encoder, or from a file, to every measurement."""

from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.errors import InputError, did_you_mean
from contrascope.linalg import require_finite


@dataclass(frozen=True, kw_only=True)
class Features:
    """Encoder output `h` and projector output `z` of n images in several views, with labels and ids.

    Everything is checked once, here, with messages for users: shapes, lengths, finite values. The shapes
    stand in the fields' docstrings, because a type checker would answer before these messages.

    >>> Features(h=torch.ones(1, 3, 2), y={"label": torch.tensor([0, 1, 0])}, ids=torch.arange(3)).primary
    'label'
    """

    h: Tensor
    """Encoder output [views n dim], float."""
    z: Tensor | None = None
    """Projector output [views n dim], where there is a projector."""
    y: dict[str, Tensor] = field(default_factory=dict)
    """Label columns [n], integers; the first one is the primary one; empty if unlabelled."""
    ids: Tensor
    """Image ids [n], integers."""
    names: tuple[str, ...] = ()
    """The file that each image came from, or its row in the source; empty where nobody said."""
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Class names of label columns by code, where they are known."""

    def __post_init__(self) -> None:
        _check_block("h", self.h)
        count = self.h.shape[1]
        if self.z is not None:
            _check_block("z", self.z)
            if self.z.shape[:2] != self.h.shape[:2]:
                raise InputError(
                    f"z has (views, n) = {tuple(self.z.shape[:2])} and h has {tuple(self.h.shape[:2])}; "
                    "both come from the same images and views."
                )
        for name, column in {"ids": self.ids, **{f"y[{key!r}]": y for key, y in self.y.items()}}.items():
            if column.ndim != 1 or len(column) != count:
                raise InputError(
                    f"{name} has shape {tuple(column.shape)}, but h has {count} images; "
                    f"give one integer an image: shape ({count},)."
                )
            if column.is_floating_point() or column.is_complex() or column.dtype == torch.bool:
                raise InputError(f"{name} has dtype {column.dtype}; labels and ids are integers.")

        if self.names and len(self.names) != count:
            raise InputError(
                f"there are {len(self.names)} names for {count} images; give one an image, or none."
            )

    def __len__(self) -> int:
        return self.h.shape[1]

    @property
    def num_views(self) -> int:
        return self.h.shape[0]

    @property
    def primary(self) -> str:
        """Name of the first label column."""
        if not self.y:
            raise InputError(
                "these features carry no labels; this measurement needs some: give y={'label': ...}."
            )
        return next(iter(self.y))

    def output(self, which: Literal["h", "z"]) -> Float[Tensor, "views n dim"]:
        """`h`, or `z` where there is one."""
        if which == "h":
            return self.h
        if which != "z":
            raise InputError(f"features={which!r} is not known. Choose 'h' (encoder) or 'z' (projector).")
        if self.z is None:
            raise InputError(
                "these features have no z: no projector was given. Ask for 'h', or embed with a projector."
            )
        return self.z

    def labels(self, column: str | None = None) -> Int[Tensor, " n"]:
        """One label column; the primary one if not named."""
        name = self.primary if column is None else column
        if name not in self.y:
            raise InputError(f"no label column {name!r}. {did_you_mean(name, self.y)}")
        return self.y[name]


def _check_block(name: str, block: Tensor) -> None:
    if block.ndim != 3:
        raise InputError(
            f"{name} has shape {tuple(block.shape)}; expected three axes: views, n, dim. "
            f"For one view of n images write {name}[None]."
        )
    if block.numel() == 0:
        raise InputError(
            f"{name} is empty: shape {tuple(block.shape)}. Give at least one view, image and dimension."
        )
    if not block.is_floating_point():
        raise InputError(f"{name} has dtype {block.dtype}; expected real numbers: call .float() on it.")
    for view, rows in enumerate(block):
        require_finite(rows, f"{name}[{view}]")
