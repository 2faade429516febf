"""The fixed views on which a model is measured again and again, read once from what the caller has."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from contrascope.errors import InputError

Inputs = Tensor | dict[str, Tensor]
"""What a network takes of n images: a tensor [n ...], or named tensors [n ...] for a call by keyword."""
ViewSource = Tensor | np.ndarray | Sequence[Any] | Iterable[Any] | Callable[[], Any]
"""A tensor [views n ...], a list of views, a loader of batches of views, or a callable that gives one of these."""
IN_MEMORY = (Tensor, np.ndarray, list, tuple)
"""Views that are there, and not in a loader or behind a function."""
LEAST_IMAGES = 16
"""Images below which nothing is measured."""
EXPECTED = (
    "expected a tensor [views n ...], a list with one tensor [n ...] or one mapping of tensors for each view, a "
    "loader whose batches are such (alone, or first in a tuple with labels), or a callable that gives one of these"
)


@dataclass(frozen=True, kw_only=True)
class ProbeViews:
    """Views of the same images, on the CPU."""

    views: tuple[Inputs, ...]
    """One entry a view."""
    count: int
    """Images."""

    def part(self, view: int, start: int, stop: int) -> Inputs:
        """Images `start` to `stop` of a view."""
        return _mapped(self.views[view], lambda values: values[start:stop])


def read_views(source: ViewSource, *, images: int) -> ProbeViews:
    """The first `images` images of `source`, or all where it has fewer; a loader is read no further than that.

    Raises `InputError` for anything else, and for views of different numbers of images.

    >>> found = read_views(torch.zeros(2, 30, 5), images=20)
    >>> found.count, len(found.views), found.part(1, 0, 8).shape
    (20, 2, torch.Size([8, 5]))
    """
    if callable(source) and not isinstance(source, Tensor | Sequence | Iterable):
        source = source()
    check_views(source)
    views = _views_in(source) if isinstance(source, IN_MEMORY) else _from_loader(source, images)  # pyright: ignore
    _check_counts(views)
    kept = tuple(_mapped(view, lambda values: values[:images].detach().cpu()) for view in views)
    return ProbeViews(views=kept, count=_count(kept[0]))


def check_views(source: Any) -> None:
    """`InputError` for what can be seen to be no views without reading a loader or calling a function.

    >>> check_views(torch.zeros(9))
    Traceback (most recent call last):
    contrascope.errors.InputError: views has shape (9,); expected a tensor [views n ...], ...
    """
    if isinstance(source, IN_MEMORY):
        _check_counts(_views_in(source))
    elif isinstance(source, str | Mapping) or not (callable(source) or isinstance(source, Iterable)):
        raise InputError(f"views is a {type(source).__name__}; {EXPECTED}.")


def _check_counts(views: Sequence[Inputs]) -> None:
    counts = {_count(view) for view in views}
    if len(counts) != 1 or min(counts) < LEAST_IMAGES:
        least = f" and at least {LEAST_IMAGES}" if len(counts) == 1 else ""
        raise InputError(
            f"the views have {sorted(counts)} images; expected equally many{least}, of the same images."
        )


def moved_to(inputs: Inputs, device: torch.device, dtype: torch.dtype) -> Inputs:
    """On the device; floating-point values in `dtype`."""
    return _mapped(
        inputs, lambda values: values.to(device, dtype if values.is_floating_point() else values.dtype)
    )


def _views_in(given: Any) -> list[Inputs]:
    """The views of a batch: a tensor's first axis, or one entry each; of (views, labels) the first."""
    if isinstance(given, np.ndarray):
        given = torch.from_numpy(given)
    if isinstance(given, Tensor):
        if given.ndim < 3:
            raise InputError(f"views has shape {tuple(given.shape)}; {EXPECTED}.")
        return list(given)
    if not isinstance(given, list | tuple) or not given:
        raise InputError(f"a batch of views is a {type(given).__name__}; {EXPECTED}.")
    first = given[0]
    if isinstance(first, list | tuple):
        return _views_in(first)
    if isinstance(first, Mapping) and all(isinstance(one, Mapping) for one in given):
        return [{str(key): torch.as_tensor(value) for key, value in one.items()} for one in given]
    tensors = [one for one in given if isinstance(one, Tensor)]
    alike = len(tensors) == len(given) and len({one.shape for one in tensors}) == 1
    if alike and tensors[0].ndim >= 2:
        return list(given)
    if isinstance(first, Tensor) and first.ndim >= 3 and isinstance(given, tuple | list) and _labelled(given):
        return list(first)
    raise InputError(f"a batch of views holds {_words(given)}; {EXPECTED}.")


def _labelled(given: Sequence[Any]) -> bool:
    """Whether the rest belongs to the images of a first tensor [views n ...]."""
    return len(given) > 1 and all(
        isinstance(one, Tensor) and one.shape[:1] == given[0].shape[1:2] for one in given[1:]
    )


def _from_loader(loader: Iterable[Any], images: int) -> list[Inputs]:
    batches: list[list[Inputs]] = []
    seen = 0
    for batch in loader:
        batches.append(_views_in(batch))
        seen += _count(batches[-1][0])
        if seen >= images:
            break
    if not batches or len({len(batch) for batch in batches}) != 1:
        raise InputError(f"a loader gave batches of {[len(batch) for batch in batches]} views; {EXPECTED}.")
    try:
        return [_joined([batch[view] for batch in batches]) for view in range(len(batches[0]))]
    except (RuntimeError, KeyError) as error:
        raise InputError(
            f"the batches of the views do not fit together ({error}). Pad or crop all to one shape."
        ) from error


def _joined(parts: list[Inputs]) -> Inputs:
    first = parts[0]
    if isinstance(first, Tensor):
        return torch.cat([part.cpu() for part in parts if isinstance(part, Tensor)])
    return {name: torch.cat([part[name].cpu() for part in parts]) for name in first}  # pyright: ignore


def _mapped(inputs: Inputs, change: Callable[[Tensor], Tensor]) -> Inputs:
    if isinstance(inputs, Tensor):
        return change(inputs)
    return {name: change(values) for name, values in inputs.items()}


def _count(inputs: Inputs) -> int:
    if isinstance(inputs, Tensor):
        return len(inputs)
    counts = {len(values) for values in inputs.values()}
    if len(counts) != 1:
        raise InputError(f"a view has named tensors of {sorted(counts)} images; expected equally many.")
    return counts.pop()


def _words(given: Sequence[Any]) -> str:
    return ", ".join(
        f"a tensor {list(one.shape)}" if isinstance(one, Tensor) else f"a {type(one).__name__}"
        for one in given
    )
