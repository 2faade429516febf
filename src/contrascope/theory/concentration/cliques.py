"""The main part of a class: many images of which every two are at most delta apart."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.errors import InputError
from contrascope.linalg import unit_rows
from contrascope.theory.concentration.augmented_distance import BLOCK_FLOATS, augmented_distance


def closest_view_distances(
    rows: Float[Tensor, "n views dim"], *, block_floats: int = BLOCK_FLOATS
) -> Float[Tensor, "n n"]:
    """Distance of the closest views, min over a, b of ||f(x_i^a) - f(x_j^b)||, in float64; diagonal 0.

    `augmented_distance` of rows that come image first.

    >>> closest_view_distances(torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])).tolist()
    [[0.0, 1.414...], [1.414..., 0.0]]
    """
    return augmented_distance(rows.transpose(0, 1).double(), block_floats=block_floats)


def greedy_clique(distance: Float[Tensor, "n n"], delta: float, *, hubs: int = 3) -> Int[Tensor, " members"]:
    """Images of which every two are at most `delta` apart, as many as a greedy search finds; rising.

    Always a clique of the graph with an edge where the distance is at most delta, so its share of the class is
    a valid sigma; the largest clique may be larger. Orders tried: by falling degree, and by distance from each
    of the `hubs` images with the most neighbours (star-shaped). At least one image.

    >>> greedy_clique(torch.tensor([[0.0, 1.0, 3.0], [1.0, 0.0, 3.0], [3.0, 3.0, 0.0]]), 1.0).tolist()
    [0, 1]
    """
    if len(distance) == 0 or bool(torch.isnan(distance).any()) or not delta >= 0:
        raise InputError(
            f"distances of {len(distance)} images, delta={delta}; expected at least one image, no nan and "
            "delta of at least 0."
        )
    between = distance.detach().cpu().numpy()
    near = between <= delta
    by_degree = np.argsort(-near.sum(axis=1), kind="stable")
    orders = [by_degree, *(np.argsort(between[hub], kind="stable") for hub in by_degree[:hubs])]
    best = max((_greedy(near, order) for order in orders), key=len)
    return torch.tensor(sorted(best), dtype=torch.int64)


def _greedy(near: np.ndarray, order: np.ndarray) -> list[int]:
    candidate = np.ones(len(near), dtype=bool)
    chosen: list[int] = []
    for image in order.tolist():
        if candidate[image]:
            chosen.append(image)
            candidate &= near[image]
    return chosen


def unit_images(
    h: Float[Tensor, "views n dim"], images: Int[Tensor, " some"]
) -> Float[Tensor, "some views dim"]:
    """Views of some images as unit rows, image first, float64; `InputError` for a row of norm zero.

    >>> unit_images(torch.tensor([[[3.0, 4.0]]]), torch.tensor([0])).tolist()
    [[[0.6, 0.8]]]
    """
    rows = h[:, images].transpose(0, 1).double()
    if not bool((rows != 0).any(dim=2).all()):
        raise InputError(
            "h holds a row of norm zero, which has no direction; the theorem needs normalised features. Drop "
            "these images, or look for dead units."
        )
    return unit_rows(rows.flatten(0, 1)).view(rows.shape)
