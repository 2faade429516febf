"""Separable resampling of integer boxes, with the antialiased triangle filter of bilinear `interpolate`."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor


def triangle_taps(
    start: Int[Tensor, " batch"], length: Int[Tensor, " batch"], *, full: int, out: int
) -> tuple[Int[Tensor, "taps batch out"], Float[Tensor, "taps batch out"]]:
    """Source pixels and weights that resize [start, start + length) of an axis of `full` pixels to `out`.

    Where the box is larger than `out` the triangle is widened by the ratio (antialiasing); else this is plain
    bilinear interpolation with the border pixel repeated. Weights of one output pixel add up to 1.

    >>> index, weight = triangle_taps(torch.tensor([2]), torch.tensor([2]), full=4, out=4)
    >>> index[:, 0].T.tolist(), weight[:, 0, 1].tolist()
    ([[2, 3], [2, 3], [2, 3], [3, 3]], [0.75, 0.25])
    """
    ratio = length[:, None].to(torch.float32) / out
    reach = ratio.clamp(min=1)
    centre = ratio * (torch.arange(out, dtype=torch.float32, device=start.device) + 0.5)
    first = (centre - reach + 0.5).clamp(min=0).floor()
    count = math.ceil(2 * max(full / out, 1))
    offset = first + torch.arange(count, device=start.device)[:, None, None]
    weight = (1 - ((offset + 0.5 - centre) / reach).abs()).clamp(min=0) * (offset < length[:, None])
    total = weight[0].clone()
    for tap in weight[1:]:
        total += tap
    index = torch.minimum(offset.to(torch.int64), length[:, None] - 1) + start[:, None]
    return index, weight / total


def resample_rows(
    images: Tensor, source: Int[Tensor, " batch"], taps: tuple[Tensor, Tensor]
) -> Float[Tensor, "batch channel out width"]:
    """Weighted sums of whole rows of images[source]; uint8 pixels count as 0 to 255."""
    channels, height, width = images.shape[1:]
    rows = images.reshape(-1, width)
    base = (source[:, None] * channels + torch.arange(channels, device=source.device)) * height
    total = None
    for index, weight in zip(*taps, strict=True):
        where = (base[:, :, None] + index[:, None, :]).flatten()
        part = rows.index_select(0, where).to(torch.float32)
        part = part.view(len(source), channels, -1, width).mul_(weight[:, None, :, None])
        total = part if total is None else total.add_(part)
    assert total is not None
    return total


def resample_columns(
    images: Float[Tensor, "batch channel height width"], taps: tuple[Tensor, Tensor]
) -> Float[Tensor, "batch channel height out"]:
    """Weighted sums of columns."""
    total = None
    for index, weight in zip(*taps, strict=True):
        where = index[:, None, None, :].expand(*images.shape[:3], -1)
        part = images.gather(3, where).mul_(weight[:, None, None, :])
        total = part if total is None else total.add_(part)
    assert total is not None
    return total
