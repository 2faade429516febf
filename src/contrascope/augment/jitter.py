"""Operations (d) colour distortion and (c) colour dropping; solarise and inversion."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from contrascope.augment.colour import (
    adjust_brightness_,
    adjust_contrast_,
    adjust_hue_,
    adjust_saturation_,
    blend,
    gray,
    image_mean,
)
from contrascope.augment.compiled import kernels_for, run_on_pixels
from contrascope.augment.op import (
    AbstractOp,
    Params,
    Shape,
    check_colour,
    check_probability,
    draw_switch,
    on_chosen,
)
from contrascope.draws import DrawKey, to_integers, to_uniform, words
from contrascope.errors import InputError
from contrascope.machine.constants import constant
from contrascope.settings import written_as
from contrascope.types import FloatImages

_ADJUST: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "brightness": adjust_brightness_,
    "contrast": adjust_contrast_,
    "saturation": adjust_saturation_,
    "hue": adjust_hue_,
}
_PLACES = {name: place for place, name in enumerate(_ADJUST)}
_ORDERS = tuple(itertools.permutations(range(4)))


@written_as("ColorJitter")
@dataclass(frozen=True, kw_only=True)
class ColorJitter(AbstractOp):
    """Brightness, contrast, saturation and hue changed by random amounts in random order, clamped after each.

    Semantics of torchvision's class of this name inside its `RandomApply`. The strength of the SimCLR paper
    is `of_strength`.

    >>> ColorJitter.of_strength(0.5).brightness
    0.4
    """

    brightness: float = 0.0
    """Factor uniform in [max(0, 1 - b), 1 + b]; 0 leaves it out."""
    contrast: float = 0.0
    """Factor uniform in [max(0, 1 - c), 1 + c]; 0 leaves it out."""
    saturation: float = 0.0
    """Factor uniform in [max(0, 1 - s), 1 + s]; 0 leaves it out."""
    hue: float = 0.0
    """Shift uniform in [-h, h] turns, h at most 0.5; 0 leaves it out."""
    p: float = 1.0
    """Probability."""

    commutes_with_flip: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_probability(self.p)
        if min(self.brightness, self.contrast, self.saturation, self.hue) < 0 or self.hue > 0.5:
            raise InputError(f"{self} has a negative amount or a hue above 0.5 turns.")

    @staticmethod
    def of_strength(strength: float, *, p: float = 1.0) -> "ColorJitter":
        """Colour distortion of strength s as in SimCLR (Chen et al. 2020, arXiv:2002.05709, app. A)."""
        if not 0 <= strength <= 2.5:
            raise InputError(
                f"strength is {strength}; expected a number in [0, 2.5]: hue shifts end at half a turn."
            )
        s = strength
        return ColorJitter(brightness=0.8 * s, contrast=0.8 * s, saturation=0.8 * s, hue=0.2 * s, p=p)

    def draw(self, key: DrawKey, shape: Shape) -> Params:
        """A factor per adjustment; `order` [batch 4]: which adjustment comes at each place; `on`."""
        check_colour(shape[0], "ColorJitter")
        random = words(key, 6)
        unit = to_uniform(random)
        orders = constant(_ORDERS, device=random.device)
        params = {"on": unit[:, 0] < self.p, "order": orders[to_integers(random[:, 5], len(_ORDERS))]}
        for place, name in enumerate(_ADJUST):
            amount = getattr(self, name)
            low, high = (-amount, amount) if name == "hue" else (max(0.0, 1 - amount), 1 + amount)
            params[name] = low + (high - low) * unit[:, 1 + place]
        return params

    def apply(self, images: FloatImages, params: Params) -> FloatImages:
        """At each of the four places images are sorted by what is due: each adjustment is one call."""
        kernels = kernels_for(images)
        if kernels is not None and images.dtype == torch.float32:
            amounts = torch.stack([params[name] for name in _ADJUST], dim=1)
            enabled = torch.tensor([getattr(self, name) > 0 for name in _ADJUST])
            return run_on_pixels(kernels.jitter, images, params["on"], params["order"], amounts, enabled)
        if images.device.type != "cpu":
            return self.everywhere(images, params)
        due = params["order"].T.masked_fill(~params["on"], len(_ADJUST)).contiguous()
        sorted_at = due.argsort(dim=1, stable=True)
        counts = (due[:, :, None] == torch.arange(len(_ADJUST) + 1, device=due.device)).sum(1).tolist()
        place_of, out, spare = None, images, torch.empty_like(images)
        for now, count in zip(sorted_at, counts, strict=True):
            moved = now if place_of is None else place_of[now]
            out, spare = torch.index_select(out, 0, moved, out=spare), out
            spare = torch.empty_like(images) if spare is images else spare
            place_of = torch.empty_like(now).index_copy_(0, now, torch.arange(len(now), device=now.device))
            start = 0
            for (name, adjust_), several in zip(_ADJUST.items(), count[:-1], strict=True):
                part = slice(start, start + several)
                if several and getattr(self, name) > 0:
                    adjust_(out[part], params[name][now[part]])
                start += several
        assert place_of is not None
        return torch.index_select(out, 0, place_of, out=spare)

    def everywhere(self, images: FloatImages, params: Params) -> FloatImages:
        """The same bits without asking the device how many images are due for what: all are computed, some are kept.

        Brightness, contrast and saturation are one blend, with black, the mean grey and the own grey.
        """
        blended = [name for name in ("brightness", "contrast", "saturation") if getattr(self, name) > 0]
        if images.shape[1] == 1 and "saturation" in blended:
            blended.remove("saturation")
        hue, out = self.hue > 0 and images.shape[1] == 3, images
        for place in range(len(_ADJUST)):
            due, now = params["order"][:, place], out
            if blended:
                factor, target = torch.ones_like(params[blended[0]]), torch.zeros_like(now[:, :1])
                greys, changed = gray(now), torch.zeros_like(params["on"])
                for name in blended:
                    chosen = params["on"] & (due == _PLACES[name])
                    changed = changed | chosen
                    factor = torch.where(chosen, params[name], factor)
                    if name != "brightness":
                        grey = greys if name == "saturation" else image_mean(greys)
                        target = torch.where(chosen[:, None, None, None], grey, target)
                out = torch.where(changed[:, None, None, None], blend(now, target, factor), now)
            if hue:
                turned = adjust_hue_(now.clone(), params["hue"])
                chosen = params["on"] & (due == _PLACES["hue"])
                out = torch.where(chosen[:, None, None, None], turned, out)
        return out


@written_as("Grayscale")
@dataclass(frozen=True, kw_only=True)
class Grayscale(AbstractOp):
    """Colour dropped: every channel becomes the luma. Gray images pass through."""

    p: float = 0.2
    """Probability."""

    commutes_with_flip: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_probability(self.p)

    def draw(self, key: DrawKey, shape: Shape) -> Params:
        check_colour(shape[0], "Grayscale")
        return {"on": draw_switch(key, self.p)}

    def apply(self, images: FloatImages, params: Params) -> FloatImages:
        if images.shape[1] == 1:
            return images
        kernels = kernels_for(images)
        if kernels is not None and images.dtype == torch.float32:
            return run_on_pixels(kernels.drop_colour, images, params["on"])
        return on_chosen(images, params, lambda chosen, _: gray(chosen).expand_as(chosen))


@written_as("Solarize")
@dataclass(frozen=True, kw_only=True)
class Solarize(AbstractOp):
    """Pixels at or above the threshold are inverted.

    >>> Solarize().apply(torch.tensor([[[[0.25, 0.75]]]]), {"on": torch.tensor([True])}).tolist()
    [[[[0.25, 0.25]]]]
    """

    threshold: float = 0.5
    """In [0, 1]; 0.5 separates 127 from 128 on the scale of bytes."""
    p: float = 0.2
    """Probability."""

    commutes_with_flip: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_probability(self.p)

    def draw(self, key: DrawKey, shape: Shape) -> Params:
        return {"on": draw_switch(key, self.p)}

    def apply(self, images: FloatImages, params: Params) -> FloatImages:
        return on_chosen(images, params, lambda chosen, _: chosen.where(chosen < self.threshold, 1 - chosen))


@written_as("Invert")
@dataclass(frozen=True, kw_only=True)
class Invert(AbstractOp):
    """Every pixel x becomes 1 - x."""

    p: float = 0.5
    """Probability."""

    commutes_with_flip: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_probability(self.p)

    def draw(self, key: DrawKey, shape: Shape) -> Params:
        return {"on": draw_switch(key, self.p)}

    def apply(self, images: FloatImages, params: Params) -> FloatImages:
        return on_chosen(images, params, lambda chosen, _: 1 - chosen)
