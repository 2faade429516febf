"""A policy: operations composed in order."""

import importlib
import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.augment.blur import GaussianBlur
from contrascope.augment.crop import RandomResizedCrop
from contrascope.augment.flip import HorizontalFlip
from contrascope.augment.jitter import ColorJitter, Grayscale
from contrascope.augment.op import AbstractOp, Params, Shape
from contrascope.draws import DrawKey
from contrascope.errors import InputError
from contrascope.types import FloatImages

LETTERS = {
    "a": "random resized crop",
    "b": "Gaussian blur",
    "c": "colour dropping",
    "d": "colour distortion",
    "e": "horizontal flip",
}
"""The five operations of Huang et al. (arXiv:2111.00743), by their letters there."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A distribution over transformations: operations in the order in which they are applied."""

    ops: tuple[AbstractOp, ...]
    """The operations."""
    name: str = "policy"
    """What records and reports call it."""

    def output_shape(self, shape: Shape) -> Shape:
        """Shape of a view of an image of `shape`."""
        for op in self.ops:
            shape = op.output_shape(shape)
        return shape

    def draw(self, key: DrawKey, shape: Shape) -> tuple[Params, ...]:
        """The parameters of every operation for images of `shape`."""
        drawn = []
        for number, op in enumerate(self.ops):
            drawn.append(op.draw(key.at(number), shape))
            shape = op.output_shape(shape)
        return tuple(drawn)

    def apply(
        self, images: Tensor, params: tuple[Params, ...], source: Int[Tensor, " views"] | None = None
    ) -> Float[Tensor, "views channel out_height out_width"]:
        """Views of images[source] (of all images once, if `source` is None), float32 in [0, 1].

        A leading crop and a flip that only flip-blind operations separate from it are one sampling.
        """
        if source is None:
            source = torch.arange(len(images), device=images.device)
        steps = list(zip(self.ops, params, strict=True))
        first = self.ops[0] if self.ops else None
        if isinstance(first, RandomResizedCrop):
            flip_at = self._fused_flip()
            flip = None if flip_at is None else params[flip_at]["on"]
            views = first.sample(images, source, params[0]["box"], flip)
            steps = [step for number, step in enumerate(steps) if number not in (0, flip_at)]
        else:
            views = to_float(images.index_select(0, source))
        for op, drawn in steps:
            views = op.apply(views, drawn)
        return views

    def _fused_flip(self) -> int | None:
        for number, op in enumerate(self.ops[1:], start=1):
            if isinstance(op, HorizontalFlip):
                return number
            if not op.commutes_with_flip:
                return None
        return None


def to_float(images: Tensor) -> FloatImages:
    """Float32 in [0, 1] from bytes; float images keep their values.

    >>> to_float(torch.full((1, 1, 1, 1), 255, dtype=torch.uint8)).item()
    1.0
    """
    return images.to(torch.float32) / 255 if images.dtype == torch.uint8 else images.to(torch.float32)


def policy(name: str, *, strength: float | None = None, size: int | None = None) -> Policy:
    """The policy of a name, as `--policy` and the verbs read it: letters, a preset, or a policy file (.json).

    Letters are operations composed in the order given, with the probabilities and ranges of Huang et al. for 32-pixel
    images. `strength` is that of colour distortion: None is that of the preset, or 0.5 for letters, where its
    probability stays 0.8. `size` is the side that the crop puts out, None the images' own. A name that treats the views
    of a pair differently, as `byol`, is refused: `preset` gives both.

    >>> [type(op).__name__ for op in policy("ad", strength=0.25).ops]
    ['RandomResizedCrop', 'ColorJitter']
    >>> policy("simclr").name
    'simclr'
    """
    if set(name) <= set(LETTERS):
        return _of_letters(name, 0.5 if strength is None else strength, size)
    files, presets = (importlib.import_module(f"{__package__}.{room}") for room in ("policy_file", "presets"))
    first, *others = presets.policies_of(files.named_policy(name, strength=strength), size=size)
    if others:
        raise InputError(
            f"policy {name!r} treats the views of a pair differently, so it is {1 + len(others)} policies; expected "
            f"one. Take both, for view after view: contrascope.augment.preset({name!r})."
        )
    return first


def _of_letters(letters: str, strength: float, size: int | None) -> Policy:
    if not letters or len(set(letters)) < len(letters):
        known = ", ".join(f"{letter} {meaning}" for letter, meaning in LETTERS.items())
        raise InputError(f"policy letters are {letters!r}; expected each at most once of: {known}.")
    if not math.isfinite(strength):
        raise InputError(f"strength is {strength}; expected a finite number.")
    operations: dict[str, AbstractOp] = {
        "a": RandomResizedCrop(size=size),
        "b": GaussianBlur(kernel_size=7, sigma=(1.0, 1.0)),
        "c": Grayscale(),
        "d": ColorJitter.of_strength(strength, p=0.8),
        "e": HorizontalFlip(),
    }
    return Policy(ops=tuple(operations[letter] for letter in letters), name=letters)
