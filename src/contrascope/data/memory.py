"""Images in memory as a set: arrays and tensors with their labels, and data sets of `datasets`."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from contrascope.data.imageset import ImageSet
from contrascope.data.labels import choose_columns, class_indices
from contrascope.data.settings import DataSettings
from contrascope.data.sources.memory import NAME
from contrascope.errors import InputError
from contrascope.extras import named_extras
from contrascope.types import HeldElsewhere

Labels = str | Tensor | np.ndarray | HeldElsewhere | Sequence[Any] | Mapping[str, Any] | None
"""A column by its name (several with commas, or `none`), or the labels themselves, one column or several by name."""


@named_extras()
def images_from(thing: Any, *, labels: Labels = None, settings: DataSettings | None = None) -> ImageSet:
    """Images from anywhere: what `open_images` takes, a set, an array or tensor, or a data set of `datasets`.

    Arrays and tensors are uint8, or real numbers in [0, 1] (rounded to bytes); [n c h w], [n h w c] or [n h w].
    `settings` give size, split, image column and memory; of a name or a path they are kept but for its source.

    >>> images_from(np.zeros((4, 8, 8, 3), dtype=np.uint8), labels=["a", "b", "a", "b"])
    InMemoryImages('images in memory', 4 images (3, 8, 8), label)
    """
    chosen = settings or DataSettings()
    if isinstance(labels, str):
        chosen = replace(chosen, labels=labels)
    if isinstance(thing, DataSettings):
        thing = replace(thing, labels=labels) if isinstance(labels, str) else thing
        return _labelled(_opened(thing), labels)
    if isinstance(thing, str | Path):
        return _labelled(_opened(replace(chosen, source=str(thing))), labels)
    if isinstance(thing, ImageSet):
        return _labelled(thing, labels)
    if _is_dataset(thing):
        from contrascope.data.dataset import open_dataset

        return _labelled(open_dataset(thing, chosen), labels)
    if isinstance(thing, Tensor | np.ndarray | Sequence):
        return _labelled(_from_array(thing, chosen), labels)
    raise InputError(
        f"images came as a {type(thing).__name__}; expected a folder, a name, an array or tensor of images, or a "
        "datasets.Dataset."
    )


def gone(settings: DataSettings, cache_dir: Path | None = None) -> NoReturn:
    """Images that were in memory when the settings were written."""
    del settings, cache_dir
    raise InputError("these images were in memory when the run was made; give them again: data=IMAGES.")


def columns_from(
    labels: Labels, *, count: int, name: str
) -> tuple[dict[str, Tensor], dict[str, tuple[str, ...]]]:
    """Label columns and their class names from values: one column is called `label`, a mapping names several.

    >>> columns_from({"sex": ["m", "f", "m"]}, count=3, name="pets")
    ({'sex': tensor([1, 0, 1])}, {'sex': ('f', 'm')})
    """
    columns: dict[str, Tensor] = {}
    names: dict[str, tuple[str, ...]] = {}
    if labels is None or isinstance(labels, str):
        return columns, names
    for column, values in (labels if isinstance(labels, Mapping) else {"label": labels}).items():
        array = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values)
        if array.shape != (count,):
            raise InputError(
                f"labels {column!r} of {name} have shape {array.shape}; expected one an image: ({count},)."
            )
        columns[column], names[column] = class_indices(array, column=column, name=name)
    return columns, names


def _labelled(images: ImageSet, labels: Labels) -> ImageSet:
    """The set with these labels in place of its own, where values are given; a part of its columns for a name."""
    if labels is None:
        return images
    if not isinstance(labels, str):
        return images.relabelled(*columns_from(labels, count=len(images), name=images.name))
    known = list(images.labels)
    wanted = choose_columns(labels, found=known, known=known, name=images.name)
    if wanted == known:
        return images
    return images.relabelled({name: images.labels[name] for name in wanted}, images.class_names)


def _opened(settings: DataSettings) -> ImageSet:
    from contrascope.data.open import open_images  # pictures need Pillow, which embeddings do without

    return open_images(settings)


def _is_dataset(thing: Any) -> bool:
    datasets = sys.modules.get("datasets")
    kinds = ("Dataset", "DatasetDict", "IterableDataset", "IterableDatasetDict")
    return datasets is not None and isinstance(thing, tuple(getattr(datasets, kind) for kind in kinds))


def _from_array(thing: Any, settings: DataSettings) -> ImageSet:
    from contrascope.data.arrays import ArraySource, channels_first  # as above
    from contrascope.data.load import load_images

    torch_order = isinstance(thing, Tensor)
    values = _plain(thing)
    source = ArraySource(
        channels_first(values, "images in memory", torch_order=torch_order, channels=settings.channels),
        name="images in memory",
        parts=("the array",),
    )
    return load_images(source, labels={}, class_names={}, settings=replace(settings, source=NAME))


def _plain(thing: Any) -> np.ndarray:
    if isinstance(thing, Tensor):
        held = thing.detach().cpu()
        return (held.float() if held.dtype == torch.bfloat16 else held).numpy()
    try:
        return np.stack([_plain(one) if isinstance(one, Tensor) else np.asarray(one) for one in thing])
    except ValueError as error:
        raise InputError(
            f"these images do not make one array ({error}); expected equal sizes. Resize them, or give a folder with "
            "data.size."
        ) from error
