"""Colour shifts: an augmentation of any images whose distances are known, and encoders that remove or leak them."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.errors import InputError
from contrascope.intervals import generator
from contrascope.linalg import require_finite


def shift_distance(images: Float[Tensor, "n channel pixels"], *, reach: float) -> Float[Tensor, "n n"]:
    """Exact d_A where a view adds a number in [-reach, reach] to each channel: float64, in the images' unit.

    The difference of two views can be any shift in [-2 reach, 2 reach] per channel. So a channel contributes the
    squared norm of the difference without its mean, and pixels times the square of what is left of the mean's
    difference beyond 2 reach.

    >>> shift_distance(torch.tensor([[[0.0, 0.0]], [[1.0, 1.0]]]), reach=0.25).tolist()
    [[0.0, 0.70...], [0.70..., 0.0]]
    """
    _check_reach(reach)
    mean, flat = _parts(images)
    shape = torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist")
    beyond = ((mean[:, None] - mean).abs() - 2 * reach).clamp_min(0)
    return (shape.square() + images.shape[2] * beyond.square().sum(dim=2)).sqrt()


def shift_views(
    images: Float[Tensor, "n channel pixels"], *, reach: float, num_views: int, seed: int = 0
) -> Float[Tensor, "views n dim"]:
    """Flattened views of that augmentation, shifts uniform; view 0 is the image; views of a smaller number come first.

    >>> shift_views(torch.zeros(2, 3, 4), reach=0.1, num_views=5).shape
    torch.Size([5, 2, 12])
    """
    _check_reach(reach)
    if num_views < 1:
        raise InputError(f"num_views={num_views}; expected at least 1.")
    views = [images.flatten(1)]
    for number in range(1, num_views):
        source = generator(seed, "shift_views", number)
        shift = (2 * torch.rand(*images.shape[:2], 1, generator=source, dtype=torch.float32) - 1) * reach
        views.append((images + shift.to(images)).flatten(1))
    return torch.stack(views)


@dataclass(frozen=True, kw_only=True)
class ShiftEncoder:
    """f(x) = (W c(x) + b, leak m(x)), made unit: c(x) is the image without its channel means m(x).

    Without a leak it is invariant: every view of an image has one embedding. With one, what a shift moves
    is known: the last coordinates, one a channel, by leak times the shift, before the norm is divided out.
    """

    weight: Float[Tensor, "out inputs"] | None = None
    """W, on the flattened image; None: the identity."""
    bias: Float[Tensor, " out"] | None = None
    """b; None: zero."""
    leak: float = 0.0
    """How much of the channel means is left, 0 or more."""

    def __call__(self, images: Float[Tensor, "n channel pixels"]) -> Float[Tensor, "n dim"]:
        """Unit rows, float64.

        >>> ShiftEncoder()(torch.tensor([[[0.0, 2.0]], [[3.0, 5.0]]])).tolist()
        [[-0.70..., 0.70..., 0.0], [-0.70..., 0.70..., 0.0]]
        """
        mean, shape = self.parts(images)
        return torch.nn.functional.normalize(torch.cat([shape, mean], dim=1), dim=1)

    def parts(
        self, images: Float[Tensor, "n channel pixels"]
    ) -> tuple[Float[Tensor, "n channel"], Float[Tensor, "n out"]]:
        """The leaked means and the invariant part, before the norm is divided out."""
        if not 0 <= self.leak < math.inf:
            raise InputError(f"leak={self.leak}; expected a finite number of 0 or more.")
        require_finite(images.flatten(1), "images")
        mean, shape = _parts(images)
        if self.weight is not None:
            shape = shape @ self.weight.to(shape).T
        shape = shape if self.bias is None else shape + self.bias.to(shape)
        flat = (shape.norm(dim=1) == 0).nonzero().flatten().tolist()
        if flat:
            raise InputError(
                f"image {flat[0]} maps to zero without its channel means (one colour all over?), so its embedding "
                "has no direction. Leave such images out or give another weight."
            )
        return self.leak * mean, shape


def _check_reach(reach: float) -> None:
    if not 0 <= reach < math.inf:
        raise InputError(f"reach={reach}; expected a finite number of 0 or more.")


def _parts(images: Tensor) -> tuple[Tensor, Tensor]:
    """Channel means, and the flattened image without them."""
    rows = images.double()
    mean = rows.mean(dim=2)
    return mean, (rows - mean[..., None]).flatten(1)
