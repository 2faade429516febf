"""Unit vectors, and the log of the summed similarity of each embedding to other images."""

from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from contrascope.losses.blocks import block_images
from contrascope.losses.pairs import flatten_pairs

_ZERO_SQUARE_NORM = 1e-30
"""Squared norms up to this count as the zero vector."""


def unit(z: Float[Tensor, "*stack dim"]) -> Float[Tensor, "*stack dim"]:
    """`z` scaled to length 1; the zero vector stays zero and gets the gradient zero.

    >>> unit(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).square().sum(-1).tolist()
    [1.0, 0.0]
    """
    square = z.square().sum(-1, keepdim=True)
    scale = square.clamp_min(_ZERO_SQUARE_NORM).rsqrt()
    return z * torch.where(square > _ZERO_SQUARE_NORM, scale, 0.0)


def log_negatives(
    online: Float[Tensor, "views batch dim"], target: Float[Tensor, "views batch dim"]
) -> Float[Tensor, "pairs batch"]:
    """Log of the sum of exp(online . target) over both views of all other images, per ordered pair of views.

    For the pair (a, b) the anchor is online view a of an image, and the 2(batch - 1) terms are the target
    views a and b of the other images. All pairs are read from one similarity matrix of all embeddings, made
    in blocks of images.
    Gradients are first order: differentiating them again is refused.
    """
    per_view = cast(Tensor, _LogSumOthers.apply(online, target))  # views batch views
    own = torch.einsum("aia->ia", per_view)
    return flatten_pairs(torch.logaddexp(own[:, :, None], per_view.transpose(0, 1)))


class _LogSumOthers(torch.autograd.Function):
    """log sum over j != i of exp(online[a, i] . target[v, j]), for every anchor (a, i) and target view v.

    The gradient of the log-sum-exp is its softmax. The incoming gradient is one number per (a, i, v), so it
    scales embeddings and not the square matrix: the backward is two matrix products and no pass besides.
    The softmax is kept where one block holds it all, and otherwise made again block by block.
    """

    @staticmethod
    def forward(ctx: Any, online: Tensor, target: Tensor) -> Tensor:
        views, batch, _ = online.shape
        ctx.size = block_images(batch, views * views * batch)
        values, weights = [], None
        for first in range(0, batch, ctx.size):
            weights, largest = _softmax(online[:, first : first + ctx.size], target, first)
            # at its largest entry x, softmax is exp(x - logsumexp): at least 1 / batch, so its log is exact
            values.append(largest - weights.amax(-1).log_())
        ctx.save_for_backward(online, target, weights if len(values) == 1 else None)
        return values[0] if len(values) == 1 else torch.cat(values, dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        online, target, kept = ctx.saved_tensors
        to_online = torch.zeros_like(online) if ctx.needs_input_grad[0] else None
        to_target = torch.zeros_like(target) if ctx.needs_input_grad[1] else None
        with torch.autocast(online.device.type, enabled=False):
            for first in range(0, online.shape[1], ctx.size):
                part = slice(first, first + ctx.size)
                rows = online[:, part]
                weights = _softmax(rows, target, first)[0] if kept is None else kept
                to_rows = None if to_online is None else to_online[:, part]
                _pull(rows, target, weights, grads[0][:, part], to_rows, to_target)
        return to_online, to_target


def _pull(
    rows: Tensor,
    target: Tensor,
    weights: Tensor,
    grad: Tensor,
    to_rows: Tensor | None,
    to_target: Tensor | None,
) -> None:
    """Adds what a block's gradient sends to its rows, and to all of the target."""
    anchors = rows.flatten(0, 1)
    scale = grad.flatten(0, 1).T[:, :, None]  # views anchors 1
    # one target view at a time: all at once would be m^2 embeddings
    for view, weight in enumerate(weights.flatten(0, 1).unbind(1)):
        if to_rows is not None:
            to_rows.addcmul_((weight @ target[view]).view_as(rows), scale[view].view(len(rows), -1, 1))
        if to_target is not None:
            to_target[view].addmm_(weight.T, scale[view] * anchors)


def _softmax(rows: Tensor, target: Tensor, first: int) -> tuple[Tensor, Tensor]:
    """Over all other images, for images `first` and on: weights (view image view batch), largest products."""
    views, batch, _ = target.shape
    similarity = (rows.flatten(0, 1) @ target.flatten(0, 1).T).view(views, -1, views, batch)
    similarity.diagonal(offset=first, dim1=1, dim2=3).fill_(-torch.inf)
    return similarity.softmax(-1), similarity.amax(-1)
