"""The negative that looks most like an image to the projector: where it lies, and whether it is of the same class.

Anchors are the first view of each image, as in Cosentino et al. 2022 (arXiv:2205.06926), table 1 and
Proposition 3.1. Their table picks the nearest negative by inner product, their proposition by cosine; here it
is the cosine. Projector outputs decide which negative it is; distances and displacements are of the encoder.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.errors import InputError
from contrascope.geometry.spans import require_rows
from contrascope.intervals import Estimate, images_worth, random_halves, share_estimate
from contrascope.linalg import Seen, nearest, unit_rows

CANDIDATES = 8
"""Images whose views are looked for beside the nearest negative, for the interval of a share of them."""


@dataclass(frozen=True, kw_only=True)
class Negatives:
    """The nearest negative of the first view of each image, among all views of the other images."""

    image: Int[Tensor, " n"]
    """Which image it is of."""
    view: Int[Tensor, " n"]
    """Which view of that image."""
    similarity: Float[Tensor, " n"]
    """Its cosine with the anchor in projector space, -1 to 1."""
    near: Int[Tensor, "n candidates"]
    """The images of the nearest negatives, nearest first; an image may stand more than once."""


def nearest_negatives(z: Float[Tensor, "views n dim"], *, see: Seen | None = None) -> Negatives:
    """The nearest negative of every image's first view by cosine of projector outputs; exact, in blocks.

    Of equal ones the first view, then the first image, wins. A zero row has cosine 0 with everything.
    `see` is shown the cosines of every block of anchors with all views, image first (`linalg.nearest`).

    >>> z = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [1.0, 0.2]]])
    >>> nearest_negatives(z).image.tolist()
    [2, 2, 0]
    """
    views, n, _ = z.shape
    require_rows(z.flatten(0, 1), 1, "z")
    if n < 2:
        raise InputError(f"z has {n} image; a negative needs another one: give at least 2 images.")
    near = nearest(z[0], z.flatten(0, 1), min(views * (CANDIDATES + 1), views * n), see=see)
    other = near.index % n != torch.arange(n, device=z.device)[:, None]  # at most `views` are the image's own
    order = (~other).to(torch.int8).argsort(dim=1, stable=True)[:, : max(1, near.index.shape[1] - views)]
    index = near.index.gather(1, order)
    return Negatives(
        image=index[:, 0] % n,
        view=index[:, 0] // n,
        similarity=near.value.gather(1, order)[:, 0],
        near=index % n,
    )


def negatives_in(h: Float[Tensor, "views n dim"], negatives: Negatives) -> Float[Tensor, "n dim"]:
    """The encoder outputs of the nearest negatives.

    >>> h = torch.tensor([[[1.0], [2.0]]])
    >>> negatives_in(h, nearest_negatives(h)).flatten().tolist()
    [2.0, 1.0]
    """
    if h.shape[1] != len(negatives.image):
        raise InputError(
            f"h has {h.shape[1]} images and there are {len(negatives.image)} negatives; "
            "expected h and z of the same images and views."
        )
    return h[negatives.view, negatives.image]


def displacements(h: Float[Tensor, "views n dim"], negatives: Negatives) -> Float[Tensor, "n dim"]:
    """Second view less nearest negative, in the encoder: delta h_i of table 1 (Cosentino et al. 2022).

    >>> h = torch.tensor([[[1.0], [2.0]], [[5.0], [6.0]]])
    >>> displacements(h, nearest_negatives(h)).flatten().tolist()
    [3.0, 5.0]
    """
    if len(h) < 2:
        raise InputError(
            f"a displacement runs from the negative to the second view; got {len(h)} view. "
            "Embed at least 2 views of each image."
        )
    return h[1] - negatives_in(h, negatives)


def negative_distances(
    h: Float[Tensor, "views n dim"],
    negatives: Negatives,
    *,
    scale: Literal["unit", "spread"],
) -> Float[Tensor, " n"]:
    """Distance of each first view to its nearest negative in the encoder; Figure 5 of Cosentino et al. 2022.

    The paper says "normalised" and no more. `unit`: both rows have length 1, 0 to 2. `spread`: in units of the
    root mean squared distance of two independent rows, so that 1 is as far as any other image; 0 where the
    features are constant. An untrained encoder sends everything nearly one way: there only `spread` tells
    anything.

    >>> h = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    >>> negative_distances(h, nearest_negatives(h), scale="unit").tolist()
    [1.41..., 1.41...]
    """
    other = negatives_in(h, negatives).double()
    first = h[0].double()
    if scale == "unit":
        return torch.linalg.vector_norm(unit_rows(first) - unit_rows(other), dim=1)
    if scale != "spread":
        raise InputError(f"scale={scale!r} is not known. Known: 'unit', 'spread'.")
    rows = h.flatten(0, 1).double()
    typical = (2 * rows.var(dim=0, correction=0).sum()).sqrt()
    distance = torch.linalg.vector_norm(first - other, dim=1)
    return distance / typical if typical > 0 else torch.zeros_like(distance)


def label_sharing(negatives: Negatives, labels: Int[Tensor, " n"], *, draws: int = 0) -> Estimate:
    """Share of images whose nearest negative has their label, 0 to 1; Figure 6 of Cosentino et al. 2022.

    Beside it belongs `chance_sharing`: a high share of a coarse label may be chance.

    >>> z = torch.tensor([[[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]]])
    >>> round(label_sharing(nearest_negatives(z), torch.tensor([0, 0, 1])).value, 4)
    0.6667
    """
    require_labels(labels, len(negatives.image))
    labels = labels.to(negatives.image.device)
    same = (labels[negatives.near] == labels[:, None]).double().cpu()
    if draws == 0:
        return share_estimate(same[:, 0])
    half = random_halves(len(labels))
    place = (half[:, negatives.near.cpu()] == half[:, :, None]).int().argmax(dim=2)
    halved = same.expand(len(half), -1, -1).gather(2, place[:, :, None])[:, :, 0]
    return share_estimate(same[:, 0], draws=draws, images=images_worth(halved, half))


def chance_sharing(labels: Int[Tensor, " n"]) -> float:
    """Chance that two different images share a label: what `label_sharing` is for a random negative.

    >>> round(chance_sharing(torch.tensor([0, 0, 1])), 4)
    0.3333
    """
    require_labels(labels, len(labels))
    counts = labels.unique(return_counts=True)[1].double()
    return ((counts * (counts - 1)).sum() / (len(labels) * (len(labels) - 1))).item()


def require_labels(labels: Int[Tensor, " n"], count: int) -> None:
    """Raises `InputError` for labels of another number of images, or of fewer than two."""
    if len(labels) != count or count < 2:
        raise InputError(f"got {len(labels)} labels for {count} images; expected one for each of 2 or more.")
