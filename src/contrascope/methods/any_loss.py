"""A loss by name or by import path, with its settings: checked before training, found when it is needed."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.distributed import gather_batch
from contrascope.errors import InputError, did_you_mean
from contrascope.imports import import_typed, is_path
from contrascope.linalg import at_least_single
from contrascope.losses.pairs import Positives
from contrascope.losses.registry import LOSSES
from contrascope.losses.terms import LossTerms
from contrascope.settings import require_positive

NOT_TOLD = ("online", "target", "positives")
"""Parameters of our losses that are no settings of theirs."""


@dataclass(frozen=True, kw_only=True)
class AnyLoss:
    """A loss of embeddings of several views, with all its settings."""

    name: str
    """A name of `LOSSES`, or package.module:function."""
    fn: Callable[..., LossTerms | Tensor]
    """From z [views batch dim] to the two halves, or to one number."""
    settings: Mapping[str, Any]
    """What it is called with."""
    gathers: bool
    """Whether images meet in it, so that it has to see those of all processes."""
    own: bool
    """Whether it is the user's."""

    def __call__(self, z: Float[Tensor, "views batch dim"], *, positives: Positives) -> LossTerms:
        """The loss; a plain number counts as alignment, the same for each image, with zero spread."""
        z = gather_batch(z) if self.gathers else z
        if not self.own:
            found = self.fn(z, positives=positives, **self.settings)
        else:
            chosen = {"positives": positives} if "positives" in _parameters(self.fn) else {}
            with torch.autocast(z.device.type, enabled=False):
                found = self.fn(at_least_single(z), **chosen, **self.settings)
        if isinstance(found, LossTerms):
            return found
        if not (isinstance(found, Tensor) and found.ndim == 0 and found.is_floating_point()):
            said = f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
            raise InputError(f"the loss {self.name} returned {said}; expected LossTerms or one number.")
        return LossTerms(align=found.expand(z.shape[1]), spread=torch.zeros_like(found))


def find_loss(name: str, told: Mapping[str, Any], *, positives: Positives) -> AnyLoss:
    """The loss of this name or import path with these settings; refuses what is missing and what it does not know.

    A function of your own is taken to need the images of all processes, unless it has an attribute
    `gathers = False`: then it has to be a mean over images, each with its own views alone.

    >>> find_loss("modified_info_nce", {"temperature": 0.5}, positives="average")
    Traceback (most recent call last):
    contrascope.errors.InputError: modified_info_nce needs repulsion: ...
    """
    fn: Callable[..., Any]
    if is_path(name):
        fn, own = import_typed(name, what="loss"), True
        if not callable(fn):
            raise InputError(f"the loss {name!r} is {fn!r}; expected a function of z.")
        gathers = bool(getattr(fn, "gathers", True))
    elif name in LOSSES:
        fn, own, gathers = LOSSES[name].fn, False, LOSSES[name].gathers
        LOSSES[name].refuse_positives(positives)
        if isinstance(temperature := told.get("temperature", 1.0), int | float):
            require_positive(temperature=temperature)
    else:
        raise InputError(
            f"there is no loss {name!r}. {did_you_mean(name, LOSSES)} One of your own: package.module:function."
        )
    parameters = _parameters(fn)
    if own and positives != "average" and "positives" not in parameters:
        raise InputError(
            f"the loss {name} takes no `positives`; leave method.positives at 'average', which leaves the choice "
            "of pairs to the loss."
        )
    _check(name, parameters, told, own=own)
    return AnyLoss(name=name, fn=fn, settings=_typed(parameters, told), gathers=gathers, own=own)


def _parameters(fn: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(fn).parameters


def _check(
    name: str, parameters: Mapping[str, inspect.Parameter], told: Mapping[str, Any], *, own: bool
) -> None:
    """Refuses settings that the loss does not have, and asks for those without a default."""
    first = next(iter(parameters), None)
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    fixed = ("positives", first) if own else NOT_TOLD
    settings = {
        key: p
        for key, p in parameters.items()
        if key not in fixed and p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)
    }
    for key in told:
        if key not in settings and not (open_ended and own):
            known = f"{did_you_mean(key, settings)}" if settings else "It has none."
            raise InputError(f"the loss {name} has no setting {key!r}. {known}")
    missing = [key for key, p in settings.items() if p.default is p.empty and key not in told]
    if "queue" in missing:
        raise InputError(
            f"the loss {name} needs a queue of old keys; use the method {OF_QUEUES.get(name, name)}."
        )
    if missing:
        words = " ".join(f"{key}={EXAMPLES.get(key, 'VALUE')}" for key in missing)
        raise InputError(
            f"{name} needs {' and '.join(missing)}: --method.loss-settings {words} (no default is right for all)."
        )


OF_QUEUES = {"info_nce_queue": "moco"}
"""Methods of losses with a queue where they have another name."""
EXAMPLES = {"temperature": "0.5", "repulsion": "1.0", "mu": "1.0", "centring": "1.0", "std": "unbiased"}
"""Values that somebody published, for the message alone."""


def _typed(parameters: Mapping[str, inspect.Parameter], told: Mapping[str, Any]) -> dict[str, Any]:
    """Whole numbers where a parameter is annotated as one."""
    return {
        key: int(value)
        if isinstance(value, float)
        and value.is_integer()
        and key in parameters
        and parameters[key].annotation in (int, "int")
        else value
        for key, value in told.items()
    }
