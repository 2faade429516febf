"""The registered losses, what each needs from other processes, and the checks at their common boundary."""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar, cast

import torch
from torch import Tensor

from contrascope.errors import InputError
from contrascope.linalg import at_least_single
from contrascope.losses.pairs import Positives, SoftWorst, require_known, views_that_count
from contrascope.losses.terms import LossTerms

Loss = TypeVar("Loss", bound=Callable[..., LossTerms])


@dataclass(frozen=True, kw_only=True, slots=True)
class Traits:
    """What a loss promises of itself; the contracts in tests/losses hold every loss to it."""

    scale_free: bool = True
    """The length of embeddings does not matter."""
    rotation_free: bool = True
    """Rotating all embeddings changes nothing."""
    over_pairs: bool = True
    """With more than two views it is the mean of the loss over pairs of views."""
    flat_at_collapse: bool = True
    """Where all embeddings are equal its gradient is zero."""
    least: float | None = None
    """No batch has a smaller loss; None: it may have any."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LossInfo:
    """A registered loss and what it needs."""

    name: str
    """The name it is found under: the name of its function."""
    fn: Callable[..., LossTerms]
    """The loss itself, with its checks."""
    gathers: bool
    """Whether images of a batch meet: with several processes it then needs the embeddings of all of them."""
    per_dimension: bool = False
    """Whether its alignment is one number per dimension, over all images: no image has a pair of its own."""
    example: Mapping[str, float | int | str] = field(default_factory=dict)
    """A value for each setting without a default, to try it with; no advice."""
    traits: Traits = field(default_factory=Traits)
    """What it promises."""

    @property
    def required(self) -> tuple[str, ...]:
        """Settings without a default, which the caller has to choose."""
        parameters = inspect.signature(self.fn).parameters.values()
        return tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty)

    def refuse_positives(self, positives: object) -> None:
        """Refuses what names no choice of pairs, and what this loss cannot take, with the reason.

        >>> LOSSES["barlow_twins"].refuse_positives(SoftWorst(temperature=1.0))
        Traceback (most recent call last):
        contrascope.errors.InputError: barlow_twins cannot weigh the pairs of one image: ...
        """
        require_known(positives)
        if self.per_dimension and isinstance(positives, SoftWorst):
            raise InputError(
                f"{self.name} cannot weigh the pairs of one image: its alignment is one number per dimension, "
                "over all images. Use positives 'worst', 'worst-symmetric' or 'average'."
            )


LOSSES: dict[str, LossInfo] = {}


def registered(
    *,
    gathers: bool,
    per_dimension: bool = False,
    example: Mapping[str, float | int | str] | None = None,
    traits: Traits | None = None,
) -> Callable[[Loss], Loss]:
    """Registers a loss under its name and guards its boundary; the arguments are the fields of `LossInfo`.

    The guard refuses fewer than two views, shapes that do not fit and, where images meet, a batch of one;
    under `positives="first"` it drops all views but two; it raises float16 and bfloat16 to float32 and
    switches autocast off, so that no product of embeddings is rounded to half precision; and where rounding alone
    would take the loss below its least value, it is that value.
    """

    def register(loss: Loss) -> Loss:
        @functools.wraps(loss)
        def guarded(online: Tensor, target: Tensor | None = None, **settings: object) -> LossTerms:
            positives = cast(Positives, settings.get("positives", "average"))
            LOSSES[loss.__name__].refuse_positives(positives)
            _refuse(loss.__name__, online, target, smallest_batch=2 if gathers else 1)
            count = views_that_count(len(online), positives)
            online, target = online[:count], None if target is None else target[:count]
            with torch.autocast(online.device.type, enabled=False):
                terms = loss(
                    at_least_single(online), None if target is None else at_least_single(target), **settings
                )
            least = LOSSES[loss.__name__].traits.least
            return terms if least is None else terms.at_least(least)

        LOSSES[loss.__name__] = LossInfo(
            name=loss.__name__,
            fn=guarded,
            gathers=gathers,
            per_dimension=per_dimension,
            example=example or {},
            traits=traits or Traits(),
        )
        return cast(Loss, guarded)

    return register


def _refuse(name: str, online: Tensor, target: Tensor | None, *, smallest_batch: int) -> None:
    shape = tuple(online.shape)
    if online.ndim != 3:
        raise InputError(f"{name} got shape {shape}; expected (views, batch, dim). Stack the views first.")
    if not online.is_floating_point():
        raise InputError(f"{name} got {online.dtype}; expected floating-point embeddings.")
    if target is not None and target.shape != online.shape:
        raise InputError(
            f"{name} got online {shape} and target {tuple(target.shape)}; expected equal shapes."
        )
    if shape[0] < 2:
        raise InputError(f"{name} got {shape[0]} view of each image; expected at least 2. Raise `num_views`.")
    if shape[1] < smallest_batch:
        raise InputError(
            f"{name} got a batch of {shape[1]}; expected at least {smallest_batch} images. "
            "Raise `batch_size`."
        )
