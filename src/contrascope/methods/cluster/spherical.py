"""Spherical k-means: clusters of unit vectors by their cosine."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.losses.blocks import block_images
from contrascope.losses.similarity import nearest_places, unit


@torch.no_grad()
def spherical_k_means(
    rows: Float[Tensor, "n dim"], start: Float[Tensor, "clusters dim"], *, iterations: int
) -> tuple[Float[Tensor, "clusters dim"], Int[Tensor, " n"]]:
    """Centroids, unit vectors, and the cluster of each row: that of the centroid with the largest cosine.

    Each iteration puts rows to their nearest centroid, then each centroid at the direction of its rows' sum. A cluster
    without rows, or whose rows cancel, keeps its centroid (Caron et al. 2020, arXiv:2006.09882, appendix A.3, and their
    code). Sums are products of matrices, which give the same bits on every run where adding by index does not.

    >>> rows = torch.tensor([[3.0, 0.0], [0.8, 0.6], [0.0, 2.0], [-0.6, 0.8]])
    >>> spherical_k_means(rows, torch.eye(2), iterations=3)[1].tolist()
    [0, 0, 1, 1]
    """
    with torch.autocast(rows.device.type, enabled=False):
        rows, centroids = unit(rows), unit(start)
        for _ in range(iterations):
            sums = _sums(rows, nearest_cluster(rows, centroids), clusters=len(centroids))
            found = unit(sums)
            centroids = torch.where(found.abs().sum(1, keepdim=True) > 0, found, centroids)
        return centroids, nearest_cluster(rows, centroids)


def nearest_cluster(
    rows: Float[Tensor, "n dim"], centroids: Float[Tensor, "clusters dim"]
) -> Int[Tensor, " n"]:
    """The cluster of each row.

    >>> nearest_cluster(torch.tensor([[0.0, 2.0]]), torch.eye(2)).tolist()
    [1]
    """
    return nearest_places(rows, centroids, count=1)[:, 0]


def _sums(
    rows: Float[Tensor, "n dim"], clusters_of: Int[Tensor, " n"], *, clusters: int
) -> Float[Tensor, "clusters dim"]:
    """The sum of each cluster's rows."""
    total = rows.new_zeros(clusters, rows.shape[1])
    each, numbers = block_images(rows[None], per_image=clusters), torch.arange(clusters, device=rows.device)
    for part, theirs in zip(rows.split(each), clusters_of.split(each), strict=True):
        total += (numbers[:, None] == theirs).to(rows) @ part
    return total
