"""One number for each embedding from its inner products with all other images, in blocks of images."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.losses.blocks import block_images


class Statistic(NamedTuple):
    """What is made of the products of one embedding with one view of all images."""

    own: float
    """Stands where an image meets itself, so that it does not count."""
    weights: Callable[[Tensor], Tensor]
    """The derivative of the number by each product, from the products."""
    value: Callable[[Tensor, Tensor], Tensor]
    """The number, from products and weights, over the last axis."""


LOG_SUM = Statistic(
    own=-torch.inf,
    weights=lambda products: products.softmax(-1),
    # at its largest entry x, softmax is exp(x - logsumexp): at least 1 / batch, so its log is exact
    value=lambda products, weights: products.amax(-1) - weights.amax(-1).log_(),
)
"""Log of the sum of exponentials, whose derivative is the softmax."""

HALF_SQUARES = Statistic(
    own=0.0,
    weights=lambda products: products,
    value=lambda products, weights: products.square().sum(-1) / 2,
)
"""Half the sum of squares, whose derivative is the product itself."""


def over_others(
    online: Float[Tensor, "views batch dim"], target: Float[Tensor, "views batch dim"], statistic: Statistic
) -> Float[Tensor, "views batch views"]:
    """`statistic` of online[a, i] . target[v, j] over j != i, for every anchor (a, i) and target view v.

    >>> over_others(torch.ones(1, 3, 2), torch.ones(1, 3, 2), HALF_SQUARES).flatten().tolist()
    [4.0, 4.0, 4.0]
    """
    return _OverOthers.apply(online, target, statistic)


class _OverOthers(torch.autograd.Function):
    """The incoming gradient is one number per (a, i, v), so it scales embeddings and not the square matrix.

    The backward is two matrix products and no pass besides. The weights are kept where one block holds them
    all, and otherwise made again block by block.
    """

    @staticmethod
    def forward(ctx: Any, online: Tensor, target: Tensor, statistic: Statistic) -> Tensor:
        views, batch, _ = online.shape
        ctx.size, ctx.statistic = block_images(online, views * views * batch), statistic
        # what is kept is laid out before any block: between blocks it would keep freed ones from being reused
        found, weights = online.new_empty((views, batch, views)), None
        for first in range(0, batch, ctx.size):
            part = slice(first, first + ctx.size)
            products = _products(online[:, part], target, first, statistic.own)
            weights = statistic.weights(products)
            found[:, part] = statistic.value(products, weights)
        ctx.save_for_backward(online, target, weights if ctx.size == batch else None)
        return found

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        online, target, kept = ctx.saved_tensors
        to_online = torch.zeros_like(online) if ctx.needs_input_grad[0] else None
        to_target = torch.zeros_like(target) if ctx.needs_input_grad[1] else None
        with torch.autocast(online.device.type, enabled=False):
            for first in range(0, online.shape[1], ctx.size):
                part = slice(first, first + ctx.size)
                rows, weights = online[:, part], kept
                if (
                    weights is None or torch.is_grad_enabled()
                ):  # enabled: this gradient is itself differentiated
                    weights = ctx.statistic.weights(_products(rows, target, first, ctx.statistic.own))
                to_rows = None if to_online is None else to_online[:, part]
                _pull(rows, target, weights, grads[0][:, part], to_rows, to_target)
        return to_online, to_target, None


def _products(rows: Tensor, target: Tensor, first: int, own: float) -> Tensor:
    """Of images `first` and on with all images: view, image, target view, image."""
    views, batch, _ = target.shape
    products = (rows.flatten(0, 1) @ target.flatten(0, 1).T).view(views, -1, views, batch)
    products.diagonal(offset=first, dim1=1, dim2=3).fill_(own)
    return products


def _pull(
    rows: Tensor,
    target: Tensor,
    weights: Tensor,
    grad: Tensor,
    to_rows: Tensor | None,
    to_target: Tensor | None,
) -> None:
    """Adds what the gradient of a block sends to its rows, and to all of the target."""
    anchors = rows.flatten(0, 1)
    scale = grad.flatten(0, 1).T[:, :, None]  # views anchors 1
    # one target view at a time: all at once would be m^2 embeddings
    for view, weight in enumerate(weights.flatten(0, 1).unbind(1)):
        if to_rows is not None:
            to_rows.addcmul_((weight @ target[view]).view_as(rows), scale[view].view(len(rows), -1, 1))
        if to_target is not None:
            to_target[view].addmm_(weight.T, scale[view] * anchors)
