"""The 1,797 real handwritten digits that come with scikit-learn."""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int, UInt8
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor

from contrascope.data.convert import fit
from contrascope.data.imageset import InMemoryImages
from contrascope.data.labels import with_columns
from contrascope.data.settings import DataSettings
from contrascope.data.splits import pick_splits

TEST_PER_DIGIT = 50
"""Scans of each digit that are kept for the test split."""

DIGIT_NAMES = tuple("0123456789")


class Scans(NamedTuple):
    """Scans, their digits, and the row that each has in scikit-learn's order."""

    images: UInt8[Tensor, "n 1 8 8"]
    digits: Int[Tensor, " n"]
    rows: Int[Tensor, " n"]


@lru_cache(maxsize=4)
def digit_scans(split: str) -> Scans:
    """The scans of a split: `test` is the last 50 of each digit (500), `train` the other 1,297.

    Neighbours in scikit-learn's order come from the same hand, so that the last ones are mostly by other
    writers than the first. Gray levels 0 to 16 become round(level * 255 / 16).

    >>> len(digit_scans("train").rows), len(digit_scans("test").rows)
    (1297, 500)
    """
    parts = pick_splits(split, ["train", "test"], name="digits")
    levels, digits = load_digits(return_X_y=True)
    is_test = np.zeros(len(digits), dtype=bool)
    for digit in range(10):
        is_test[np.flatnonzero(digits == digit)[-TEST_PER_DIGIT:]] = True
    rows = np.flatnonzero([("test" if test else "train") in parts for test in is_test])
    pixels = np.round(levels.reshape(-1, 1, 8, 8)[rows] * 255 / 16).astype(np.uint8)
    return Scans(
        torch.from_numpy(pixels), torch.from_numpy(digits[rows]).long(), torch.from_numpy(rows).long()
    )


def open_digits(settings: DataSettings, cache_dir: Path | None = None) -> InMemoryImages:
    """The scans as they are, 8 x 8 gray, or resized to `size`; the factor `scan` is scikit-learn's row."""
    del cache_dir
    scans = digit_scans(settings.split)
    images = scans.images
    if settings.size is not None:
        resized = [np.asarray(fit(Image.fromarray(scan[0]), settings.size)) for scan in images.numpy()]
        images = torch.from_numpy(np.stack(resized)[:, None])
    made = InMemoryImages(
        images=images,
        labels={"digit": scans.digits},
        name=f"digits [{settings.split}]",
        class_names={"digit": DIGIT_NAMES},
        factors={"scan": scans.rows},
    )
    return with_columns(made, settings.labels)
