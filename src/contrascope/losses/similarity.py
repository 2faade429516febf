"""Unit vectors, and the log of the summed similarity of each embedding to other images."""

from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

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
    views a and b of the other images. All pairs are read from one similarity matrix of all embeddings.
    Gradients are first order: differentiating them again is refused.
    """
    per_view = cast(Tensor, _LogSumOthers.apply(online, target))  # views batch views
    own = torch.einsum("aia->ia", per_view)
    return flatten_pairs(torch.logaddexp(own[:, :, None], per_view.transpose(0, 1)))


class _LogSumOthers(torch.autograd.Function):
    """log sum over j != i of exp(online[a, i] . target[v, j]), for every anchor (a, i) and target view v.

    The gradient of the log-sum-exp is its softmax. The incoming gradient is one number per (a, i, v), so it
    scales embeddings and not the square matrix: the backward is two matrix products and no pass besides.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, online: Tensor, target: Tensor) -> Tensor:
        views, batch, _ = online.shape
        similarity = (online.flatten(0, 1) @ target.flatten(0, 1).T).view(views, batch, views, batch)
        similarity.diagonal(dim1=1, dim2=3).fill_(-torch.inf)
        weights = similarity.softmax(-1)
        ctx.save_for_backward(online, target, weights)
        # at its largest entry x, softmax is exp(x - logsumexp): at least 1 / batch, so its log is exact
        return similarity.amax(-1) - weights.amax(-1).log_()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        online, target, weights = ctx.saved_tensors
        anchors = online.flatten(0, 1)
        scale = grads[0].flatten(0, 1).T[:, :, None]  # views anchors 1
        weights = weights.flatten(0, 1).transpose(0, 1)  # views anchors batch
        to_online = to_target = None
        with torch.autocast(online.device.type, enabled=False):
            # one target view at a time: all at once would be m^2 embeddings
            if ctx.needs_input_grad[0]:
                to_online = torch.zeros_like(anchors)
                for weight, view, factor in zip(weights, target, scale, strict=True):
                    to_online.addcmul_(weight @ view, factor)
                to_online = to_online.view_as(online)
            if ctx.needs_input_grad[1]:
                pulled = [
                    weight.T @ (factor * anchors) for weight, factor in zip(weights, scale, strict=True)
                ]
                to_target = torch.stack(pulled)
        return to_online, to_target
