"""Concentration without labels: neighbourhoods, pseudo-classes, and how well the augmentation connects images."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import eigsh
from torch import Tensor

from contrascope.errors import InputError
from contrascope.intervals import generator
from contrascope.theory.concentration.concentration import Concentration, check_distance, concentration
from contrascope.theory.factors.pseudo import pseudo_classes

DENSE_MOST = 512
"""Images up to which all eigenvalues are computed; above, the two largest by Lanczos."""


@dataclass(frozen=True, kw_only=True)
class LabelFreeCurve:
    """A quantity along delta for which no label was read."""

    deltas: Float[Tensor, " grid"]
    """The grid, in the unit of the distances."""
    value: Float[Tensor, " grid"]
    """The quantity at each delta."""
    name: str
    """What it is, beginning with 'label-free'."""


def neighbourhood_concentration(
    distance: Float[Tensor, "n n"], deltas: Float[Tensor, " grid"], *, k: int = 10
) -> LabelFreeCurve:
    """Share of images whose k nearest other images in d_A all lie within delta, in [0, 1]; rises with delta.

    A stand-in for concentration where there are no labels, ours: an image in a dense part of its class has
    neighbours of that class. It does not ask the neighbours to be near each other. Label-free.

    >>> line = (torch.arange(4.0)[:, None] - torch.arange(4.0)).abs()
    >>> neighbourhood_concentration(line, torch.tensor([0.5, 1.0, 2.0]), k=2).value.tolist()
    [0.0, 0.5, 1.0]
    """
    check_distance(distance)
    if not 1 <= k < len(distance):
        raise InputError(f"k={k} neighbours of {len(distance)} images; choose 1 <= k <= {len(distance) - 1}.")
    parts = []
    for rows in torch.arange(len(distance), device=distance.device).split(1024):
        block = distance[rows].clone()
        block[torch.arange(len(rows), device=block.device), rows] = math.inf
        parts.append(block.kthvalue(k, dim=1).values)
    reach = torch.cat(parts).sort().values
    inside = torch.searchsorted(reach, deltas.to(reach), right=True)
    return LabelFreeCurve(
        deltas=deltas,
        value=inside.double() / len(distance),
        name=f"label-free: share of images with {k} others within delta",
    )


def pseudo_concentration(
    distance: Float[Tensor, "n n"],
    h: Float[Tensor, "n dim"],
    deltas: Float[Tensor, " grid"],
    *,
    k: int | None = None,
    seconds: float = 10.0,
    seed: int = 0,
    tell: Callable[[str], None] | None = None,
) -> Concentration:
    """`concentration` over k-means clusters of the features `h` (raw pixels will do) instead of classes.

    Label-free: `classes_from` of the result says how the clusters were found. Clusters are compact, so
    sigma is larger than over classes; compare policies only over the same clusters, found once.

    >>> h = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
    >>> found = pseudo_concentration(torch.cdist(h, h), h, torch.tensor([0.0, 0.2]), k=2)
    >>> found.sigma_low.tolist(), found.classes_from[:15]
    ([0.5, 1.0], 'pseudo-classes:')
    """
    clusters = pseudo_classes(h, k=k, seed=seed)
    return concentration(
        distance,
        clusters.labels,
        deltas,
        seconds=seconds,
        seed=seed,
        classes_from=clusters.rule,
        tell=tell,
    )


def augmentation_graph_gap(
    distance: Float[Tensor, "n n"], *, delta: float | None = None, bandwidth: float | None = None
) -> float:
    """Second smallest eigenvalue of the normalised Laplacian of the augmentation graph, in [0, n / (n - 1)].

    0: the images fall into parts that no views connect; large: every part leads to every other at once. Weights
    are 1 where d_A <= `delta`, or exp(-d_A^2 / (2 bandwidth^2)): give one of the two. Every image has a loop of
    weight 1. After HaoChen et al. 2021 (arXiv:2106.04156), whose graph has views as vertices and the chance
    of a common image as weights; here images are vertices and near views connect them (ours). For 1 image: 0.
    Label-free. A gap is good within classes and bad between them, which no label-free number can tell apart.

    >>> augmentation_graph_gap(torch.ones(3, 3).fill_diagonal_(0), delta=1.0)
    1.0...
    >>> augmentation_graph_gap(torch.ones(3, 3).fill_diagonal_(0), delta=0.5)
    0.0
    """
    check_distance(distance)
    choice = delta if bandwidth is None else bandwidth
    if choice is None or (delta is None) == (bandwidth is None) or not 0 <= choice < math.inf:
        raise InputError(
            f"delta={delta}, bandwidth={bandwidth}; expected one of them, finite and at least 0 (bandwidth above 0)."
        )
    between = distance.detach().double().cpu().numpy()
    if delta is not None:
        weight = (between <= delta).astype(np.float64)
    elif choice > 0:
        weight = np.exp(-np.square(between / choice) / 2)
    else:
        raise InputError("bandwidth=0; expected a number above 0.")
    np.fill_diagonal(weight, 1.0)
    if len(weight) == 1 or connected_components(csr_array(weight), directed=False)[0] > 1:
        return 0.0
    scale = 1 / np.sqrt(weight.sum(axis=1))
    weight *= scale[:, None]
    weight *= scale
    return max(0.0, 1 - _second_largest(weight))


def _second_largest(matrix: np.ndarray) -> float:
    """Second largest eigenvalue of a symmetric matrix whose largest is 1."""
    count = len(matrix)
    if count <= DENSE_MOST:
        return float(np.linalg.eigvalsh(matrix)[-2])
    start = torch.randn(count, dtype=torch.float64, generator=generator(0, "graph gap")).numpy()
    values = eigsh(matrix, k=2, which="LA", v0=start, return_eigenvectors=False)
    return float(np.sort(values)[0])
