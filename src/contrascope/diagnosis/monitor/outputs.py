"""Rows of h, and of z where there are some, in whatever a model returns."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from contrascope.errors import InputError
from contrascope.features.embed import rows_of

Output = str | int | Callable[[Any], Any] | None
"""Which part of what a model returns: a field's name, a place, or a function of it; None: all of it."""


def rows_in(
    returned: Any, count: int, output: Output = None, mask: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """The rows h [n dim], and z [n out] where `output` is a function that gives both.

    A field that is named may have places behind its images: tokens [n tokens dim] are averaged over those that `mask`
    [n tokens] keeps, maps [n dim height width] over height and width. Without a name nothing is averaged.
    Raises `InputError` that says what came, and which fields there are.

    >>> import torch
    >>> rows_in({"last_hidden_state": torch.ones(4, 7, 3)}, 4, "last_hidden_state")[0].shape
    torch.Size([4, 3])
    """
    if callable(output):
        chosen = output(returned)
        if isinstance(chosen, tuple | list) and len(chosen) == 2:
            return rows_of(chosen[0], count, "encoder"), rows_of(chosen[1], count, "projector")
        return rows_of(chosen, count, "encoder"), None
    if output is not None:
        return rows_of(_pooled(_field(returned, output), mask), count, "encoder"), None
    fields = _fields(returned)
    if fields:
        raise InputError(
            f"the model returned a {type(returned).__name__} with {', '.join(fields)}. Say which is the "
            "representation: output=NAME, output=PLACE, or output=a function that takes it out."
        )
    return rows_of(returned, count, "encoder"), None


def _field(returned: Any, output: str | int) -> Any:
    try:
        if isinstance(output, str) and not isinstance(returned, Mapping):
            return getattr(returned, output)
        return returned[output]
    except (KeyError, IndexError, TypeError, AttributeError):
        known = ", ".join(_fields(returned)) or "no fields"
        raise InputError(
            f"output={output!r} is not in the {type(returned).__name__} that the model returned; it has {known}."
        ) from None


def _fields(returned: Any) -> list[str]:
    if isinstance(returned, Mapping):
        return [repr(key) for key in returned]
    return [str(place) for place in range(len(returned))] if isinstance(returned, tuple | list) else []


def _pooled(values: Any, mask: Tensor | None) -> Any:
    if not isinstance(values, Tensor) or values.ndim not in (3, 4):
        return values
    if values.ndim == 4:
        return values.mean(dim=(2, 3))
    if mask is None or mask.shape != values.shape[:2]:
        return values.mean(dim=1)
    kept = mask.to(values.dtype)[..., None]
    return (values * kept).sum(dim=1) / kept.sum(dim=1).clamp_min(1)
