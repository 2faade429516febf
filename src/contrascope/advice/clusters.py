"""Clear clusters of images that no label named: of colour, place, turn or shape. They may be the classes, or not."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from contrascope.advice.descriptors import PIXEL_SIDE, Described, binned, describe
from contrascope.advice.survey import MOST_GROUPS, Groups
from contrascope.intervals import generator
from contrascope.linalg import unit_rows
from contrascope.theory.factors.pseudo import PseudoClasses, pseudo_classes
from contrascope.types import FloatImages

DIRECTIONS = 4
"""Widest directions of a description in which clusters are sought."""
DIRECTIONS_OF_EDGES = 16
"""Bins of the directions in which edges face."""
NULLS = 3
"""Sets of Gaussian rows with the same variances, which have no clusters."""
CLEARLY = 0.6
"""Share of the way from the silhouette of such rows to 1, from which clusters count as clear."""
LEAST_SHARE = 0.05
"""Share of the images that the smallest cluster must hold, and at least 4 of them."""
LEAST = 32
"""Images below which no cluster is called clear."""
FLAT = 3.0
"""Distance of the plane of the rows from the origin, in their root mean square: k-means compares directions."""


def place(images: FloatImages) -> Float[Tensor, "batch 2"]:
    """Where what stands out lies: the mean place, in [0, 1], of pixels that differ from the image's usual colour.

    >>> picture = torch.zeros(1, 1, 4, 4)
    >>> picture[..., 0, 3] = 1
    >>> place(picture).mul(1000).round().tolist()
    [[875.0, 125.0]]
    """
    height, width = (min(side, PIXEL_SIDE) for side in images.shape[2:])
    small = functional.adaptive_avg_pool2d(images, (height, width))
    usual = small.flatten(2).median(dim=2).values[:, :, None, None]
    apart = (small - usual).abs().sum(dim=1)
    weight = (apart - 0.5 * apart.amax(dim=(1, 2), keepdim=True)).clamp_min(0) + 1e-6
    total = weight.sum(dim=(1, 2))
    across = (torch.arange(width, device=images.device) + 0.5) / width
    down = (torch.arange(height, device=images.device) + 0.5) / height
    x, y = (weight.sum(dim=1) * across).sum(dim=1), (weight.sum(dim=2) * down).sum(dim=1)
    return torch.stack((x / total, y / total), dim=1)


def turn(images: FloatImages) -> Float[Tensor, "batch directions"]:
    """How what stands out is turned: a histogram of the directions of its edges, inwards, wherever it lies.

    Square roots of shares; light on dark and dark on light are the same.

    >>> picture = torch.zeros(1, 1, 8, 8)
    >>> picture[..., 2:6, 2:6] = 1
    >>> turn(picture)[0, ::4].square().mul(100).round().tolist()  # its four sides
    [19.0, 19.0, 19.0, 19.0]
    """
    usual = images.flatten(2).median(dim=2).values[:, :, None, None]
    apart = functional.pad((images - usual).abs().sum(dim=1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    across = apart[:, 0, 1:-1, 2:] - apart[:, 0, 1:-1, :-2]
    down = apart[:, 0, 2:, 1:-1] - apart[:, 0, :-2, 1:-1]
    strength = torch.hypot(across, down)
    clear = (strength - 0.3 * strength.amax(dim=(1, 2), keepdim=True)).clamp_min(0)
    histogram = binned(torch.atan2(down, across), clear, DIRECTIONS_OF_EDGES).sum(dim=(2, 3))
    return (histogram / histogram.sum(dim=1, keepdim=True).clamp_min(1e-6)).sqrt()


def described(images: FloatImages) -> Described:
    """The plain descriptions, and the place and the turn of what stands out."""
    return describe(images) | {"place": place(images), "turn": turn(images)}


def clear_clusters(images: FloatImages, *, seed: int = 0) -> tuple[Groups, ...]:
    """Clusters of colour, place, turn and shape, each where they are clear beside Gaussian rows of the same variances.

    Of one partition that several descriptions show, the first is named.

    >>> clear_clusters(torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(0)))
    ()
    """
    if len(images) < LEAST:
        return ()
    rows = described(images)
    found: list[Groups] = []
    for name in ("colour", "place", "turn", "shape"):
        if name not in rows:
            continue
        codes = _clear(rows[name], seed)
        if codes is not None and not any(_same(codes, one.codes) for one in found):
            found.append(Groups(name=name, codes=codes))
    return tuple(found)


def _clear(rows: Float[Tensor, "n dim"], seed: int) -> Tensor | None:
    """The clusters of these rows where they are clear."""
    centred = rows.double() - rows.double().mean(dim=0)
    left, values, _ = torch.linalg.svd(centred, full_matrices=False)
    values = values[:DIRECTIONS]
    if not len(values) or float(values[0]) < 1e-6:
        return None
    mine = _clusters(left[:, : len(values)] * values, seed)
    least = max(4, LEAST_SHARE * len(rows))
    if not 2 <= mine.k <= MOST_GROUPS or int(mine.labels.bincount().min()) < least:
        return None
    null = 0.0
    for draw in range(NULLS):
        source = generator(seed, "no clusters", draw)
        drawn = torch.randn(len(rows), len(values), generator=source, dtype=torch.float64) * values
        null += _silhouette(_clusters(drawn, seed)) / NULLS
    return mine.labels if _silhouette(mine) >= null + CLEARLY * (1 - null) else None


def _clusters(rows: Float[Tensor, "n directions"], seed: int) -> PseudoClasses:
    """Clusters by distance: the rows stand on a plane far from the origin, so that directions tell distances."""
    size = rows.square().sum(dim=1).mean().sqrt().clamp_min(1e-12)
    flat = torch.full((len(rows), 1), FLAT, dtype=rows.dtype)
    return pseudo_classes(unit_rows(torch.cat((rows / size, flat), dim=1)).float(), seed=seed)


def _silhouette(found: PseudoClasses) -> float:
    return max(found.silhouettes.values(), default=0.0)


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether two partitions are alike: most of every cluster of one lies in one cluster of the other."""
    table = torch.zeros(int(one.max()) + 1, int(other.max()) + 1, dtype=torch.float64)
    table.index_put_((one, other), torch.ones(len(one), dtype=torch.float64), accumulate=True)
    return min(float(table.amax(dim=axis).sum()) for axis in (0, 1)) > 0.9 * len(one)
