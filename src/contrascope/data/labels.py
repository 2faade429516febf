"""Label columns: which ones, and from values to class indices."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from contrascope.data.imageset import ImageSet
from contrascope.errors import InputError, did_you_mean

LABEL_NAMES = ("label", "labels", "target", "targets", "class", "y", "fine_label", "coarse_label")
"""Columns of integers or strings that count as labels by name."""


class MissingColumnError(InputError):
    """The data has no column of this name; the message lists those it has."""

    def __init__(self, column: str, known: Sequence[str], *, name: str, setting: str) -> None:
        super().__init__(
            f"{setting} names the column {column!r}, which {name} does not have; expected one of "
            f"{', '.join(known) or '(none)'}. {did_you_mean(column, known)}"
        )
        self.column, self.known, self.name = column, tuple(known), name


def choose_columns(wanted: str | None, *, found: Sequence[str], known: Sequence[str], name: str) -> list[str]:
    """The label columns that the setting names; without a setting those that were found.

    >>> choose_columns("coarse", found=["fine"], known=["img", "fine", "coarse"], name="cifar100")
    ['coarse']
    """
    if wanted is None:
        return list(found)
    if wanted == "none":
        return []
    columns = [column.strip() for column in wanted.split(",") if column.strip()]
    for column in columns:
        require_column(column, known, name=name, setting="data.labels")
    return columns


Images = TypeVar("Images", bound=ImageSet)


def with_columns(images: Images, wanted: str | None) -> Images:
    """A new set, left with only the label columns that are asked for; unset: all of them."""
    known = list(images.labels)
    chosen = choose_columns(wanted, found=known, known=known, name=images.name)
    images.labels = {column: images.labels[column] for column in chosen}
    images.class_names = {name: images.class_names[name] for name in chosen if name in images.class_names}
    return images


def require_column(column: str, known: Sequence[str], *, name: str, setting: str) -> None:
    """MissingColumnError if the source has no such column."""
    if column not in known:
        raise MissingColumnError(column, known, name=name, setting=setting)


def class_indices(
    values: np.ndarray, *, column: str, name: str, vocabulary: np.ndarray | None = None
) -> tuple[Int[Tensor, " n"], tuple[str, ...]]:
    """Index of each value among the sorted different ones (of `vocabulary`, if the set has more splits).

    >>> class_indices(np.array(["cat", "ant", "cat"]), column="label", name="pets")
    (tensor([1, 0, 1]), ('ant', 'cat'))
    """
    if values.ndim != 1 or values.dtype.kind not in "iubUS":
        raise InputError(
            f"label column {column!r} of {name} has {values.dtype} values of shape {values.shape}; expected "
            "one integer or string per image, none missing. Choose a column with data.labels, or 'none'."
        )
    classes = np.unique(values if vocabulary is None else vocabulary)
    names = tuple(item.decode() if isinstance(item, bytes) else str(item) for item in classes.tolist())
    return torch.from_numpy(np.searchsorted(classes, values)).long(), names


def numbered_as(train: ImageSet, test: ImageSet) -> ImageSet:
    """The test images with the class numbers of the training images, by name; classes that these lack come after.

    It changes nothing where both are numbered alike, as those of one source are that knows all its splits.
    """
    column = train.label_column
    ours, theirs = (images.class_names.get(column or "", ()) for images in (train, test))
    if column is None or column not in test.labels or not ours or not theirs or ours == theirs:
        return test
    names = [*ours, *(name for name in theirs if name not in ours)]
    place = {name: code for code, name in reversed(list(enumerate(names)))}
    code = torch.tensor([place[name] for name in theirs])[test.labels[column].cpu()]
    return test.relabelled({**test.labels, column: code}, {**test.class_names, column: tuple(names)})
