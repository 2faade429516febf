"""Main parts of every class in embedding space, at several distances."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from contrascope.theory.concentration.cliques import closest_view_distances, greedy_clique, unit_images
from contrascope.theory.factors.alignment import worst_pair


@dataclass(frozen=True, kw_only=True)
class ClassParts:
    """The images of one class and its main part at every level."""

    rows: Float[Tensor, "n views dim"]
    """Unit views, image first."""
    worst: Float[Tensor, " n"]
    """Distance of the farthest two views of each image."""
    means: Float[Tensor, "n dim"]
    """Mean of the unit views."""
    cliques: list[Bool[Tensor, " n"]]
    """Which images are in the main part, one mask a level."""
    diameters: list[float]
    """delta_f of each: the largest distance of closest views of two members."""


def class_parts(
    h: Float[Tensor, "views n dim"], images: list[Int[Tensor, " _some"]], levels: int
) -> list[ClassParts]:
    """Greedy cliques of each class at `levels` quantiles of the distances within classes, features normalised.

    >>> found = class_parts(torch.eye(2).repeat(2, 2, 1), [torch.tensor([0, 2]), torch.tensor([1, 3])], 4)
    >>> found[0].cliques[0].tolist(), found[0].diameters
    ([True, True], [0.0])
    """
    rows = [unit_images(h, some) for some in images]
    distances = [closest_view_distances(part) for part in rows]
    deltas = _delta_grid(distances, levels)
    parts = []
    for part, distance in zip(rows, distances, strict=True):
        found = [greedy_clique(distance, delta).to(distance.device) for delta in deltas]
        nobody = torch.zeros(len(part), dtype=torch.bool, device=part.device)
        parts.append(
            ClassParts(
                rows=part,
                worst=worst_pair(part.transpose(0, 1)),
                means=part.mean(dim=1),
                cliques=[nobody.index_fill(0, clique, True) for clique in found],
                diameters=[distance[clique][:, clique].max().item() for clique in found],
            )
        )
    return parts


def _delta_grid(distances: list[Tensor], levels: int) -> list[float]:
    """Quantiles of the pooled distances of different images of one class, denser towards their maximum.

    The last is the maximum. A share s of pairs is about a main part with the share sqrt(s) of the class.
    """
    pooled = []
    for distance in distances:
        row, column = torch.triu_indices(len(distance), len(distance), 1, device=distance.device)
        pooled.append(distance[row, column])
    values = torch.cat(pooled).sort().values
    if len(values) == 0:
        return [0.0]
    shares = [1 - 2 ** (-10 * (level + 1) / levels) for level in range(levels - 1)] + [1.0]
    places = [math.ceil(len(values) * share) - 1 for share in shares]
    return values[torch.tensor(places, device=values.device)].unique().tolist()
