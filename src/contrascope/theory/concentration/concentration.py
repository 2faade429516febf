"""Concentration of an augmentation: sigma as a function of delta, certified from both sides."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from contrascope.errors import InputError
from contrascope.theory.concentration.clique_curve import clique_curve

MOST_PAIRS = 1 << 23
"""Distances within classes that the grid's quantiles are taken of at most, evenly spaced among all."""


@dataclass(frozen=True, kw_only=True)
class Concentration:
    """Brackets of sigma, the share of each class in a largest set of images pairwise within delta."""

    deltas: Float[Tensor, " grid"]
    """The grid, rising, in the unit of the distances."""
    classes: Int[Tensor, " classes"]
    """The labels, rising."""
    counts: Int[Tensor, " classes"]
    """Images of each class."""
    lower: Float[Tensor, "classes grid"]
    """Share of the largest clique found, in (0, 1]; rises with delta."""
    upper: Float[Tensor, "classes grid"]
    """Proved: no clique is larger; rises with delta."""
    classes_from: str = "labels"
    """Where the classes come from: labels, or the rule that made pseudo-classes (label-free)."""

    @property
    def exact(self) -> Bool[Tensor, "classes grid"]:
        """Where both ends meet."""
        return self.lower == self.upper

    @property
    def width(self) -> Float[Tensor, "classes grid"]:
        """Upper minus lower end, in [0, 1)."""
        return self.upper - self.lower

    @property
    def sigma_low(self) -> Float[Tensor, " grid"]:
        """Lower end of sigma of Definition 1, which must hold for all classes: their minimum."""
        return self.lower.amin(dim=0)

    @property
    def sigma_high(self) -> Float[Tensor, " grid"]:
        """Upper end of the minimum over classes."""
        return self.upper.amin(dim=0)

    @property
    def mean_low(self) -> Float[Tensor, " grid"]:
        """Lower end of the mean over classes, less noisy than the minimum; classes count equally."""
        return self.lower.mean(dim=0)

    @property
    def mean_high(self) -> Float[Tensor, " grid"]:
        """Upper end of the mean over classes."""
        return self.upper.mean(dim=0)


def concentration(
    distance: Float[Tensor, "n n"],
    y: Int[Tensor, " labels"],
    deltas: Float[Tensor, " grid"],
    *,
    seconds: float | int = 10.0,
    seed: int = 0,
    classes_from: str = "labels",
    tell: Callable[[str], None] | None = None,
) -> Concentration:
    """sigma(delta) of every class: share of its largest clique in the graph with an edge where d_A <= delta.

    Huang et al. 2023 (arXiv:2111.00743), Definition 1 of a (sigma, delta)-augmentation, on the sample: the largest
    share of a sample is biased upwards (see `sigma_interval`). Each entry is a bracket, exact where both
    ends meet; up to `seconds` a class go into narrowing it, so that narrow brackets may differ between machines
    but all contain the truth. A class of one image has sigma 1. `tell` hears of every class that is done.

    >>> distance = torch.tensor([[0.0, 1.0, 3.0], [1.0, 0.0, 3.0], [3.0, 3.0, 0.0]])
    >>> found = concentration(distance, torch.zeros(3, dtype=torch.int64), torch.tensor([0.5, 1.0, 3.0]))
    >>> found.sigma_low.tolist(), bool(found.exact.all())
    ([0.33..., 0.66..., 1.0], True)
    """
    check_distance(distance, y)
    levels = _checked_deltas(deltas, seconds)
    classes, counts = y.unique(return_counts=True)
    low, high = [], []
    for number, (label, count) in enumerate(zip(classes.tolist(), counts.tolist(), strict=True)):
        rows = (y == label).nonzero().flatten()
        between = distance[rows][:, rows].detach().double().cpu().numpy()
        curve = clique_curve(between, levels, seconds=seconds, seed=seed)
        low.append([len(clique) / count for clique in curve.cliques])
        high.append([size / count for size in curve.upper])
        if tell is not None:
            width = max(b - a for a, b in zip(low[-1], high[-1], strict=True))
            tell(f"class {label} ({number + 1} of {len(classes)}): brackets at most {width:.3f} wide")
    return Concentration(
        deltas=deltas.detach().cpu(),
        classes=classes.cpu(),
        counts=counts.cpu(),
        lower=torch.tensor(low, dtype=torch.float64),
        upper=torch.tensor(high, dtype=torch.float64),
        classes_from=classes_from,
    )


def _checked_deltas(deltas: Tensor, seconds: float | int) -> list[float]:
    levels = deltas.detach().double().tolist()
    rising = all(a <= b for a, b in itertools.pairwise(levels))
    if not levels or not all(0 <= level < float("inf") for level in levels) or not rising:
        raise InputError(
            f"deltas={levels[:5]}; expected at least one, finite, 0 or more, rising. `delta_grid` makes such a grid."
        )
    if not seconds >= 0:
        raise InputError(f"seconds={seconds}; expected 0 or more.")
    return levels


def check_distance(distance: Float[Tensor, "n n"], y: Int[Tensor, " labels"] | None = None) -> None:
    """Raises `InputError` for what is no matrix of distances, or has not one label a row.

    >>> check_distance(torch.tensor([[0.0, 1.0], [2.0, 0.0]]))
    Traceback (most recent call last):
    contrascope.errors.InputError: distances are not symmetric...
    """
    if len(distance) == 0:
        raise InputError("distances of 0 images; expected at least one image.")
    if y is not None and len(y) != len(distance):
        raise InputError(f"{len(y)} labels for {len(distance)} images; expected one label an image.")
    for rows, block in zip(
        torch.arange(len(distance)).split(1024), distance.detach().split(1024), strict=True
    ):
        if not bool((block >= 0).all()) or not bool(torch.isfinite(block).all()):
            raise InputError(
                f"distances of rows {int(rows[0])} to {int(rows[-1])} hold a negative or non-finite value; expected "
                "`augmented_distance` of finite views."
            )
        if not torch.equal(block, distance[:, int(rows[0]) : int(rows[-1]) + 1].T):
            raise InputError(
                "distances are not symmetric: d(i, j) differs from d(j, i). Take the minimum of both."
            )


def delta_grid(
    distance: Float[Tensor, "n n"],
    y: Int[Tensor, " labels"],
    *,
    size: int = 33,
    low: float = 0.05,
    high: float = 0.8,
) -> Float[Tensor, " grid"]:
    """Rising deltas: quantiles `low` to `high` of the distances between images of one class.

    A grid for several policies is taken from the poorest one, whose distances are largest, and used for all.
    Each value is a distance that occurs; equal ones appear once, so there may be fewer than `size`.

    >>> line = (torch.arange(5.0)[:, None] - torch.arange(5.0)).abs()
    >>> delta_grid(line, torch.zeros(5, dtype=torch.int64), size=3, low=0.0, high=1.0).tolist()
    [1.0, 2.0, 4.0]
    """
    check_distance(distance, y)
    if size < 1 or not 0 <= low <= high <= 1:
        raise InputError(
            f"size={size}, low={low}, high={high}; expected 1 or more and 0 <= low <= high <= 1."
        )
    groups = [(y == label).nonzero().flatten() for label in y.unique()]
    pairs = sum(len(rows) * (len(rows) - 1) // 2 for rows in groups)
    if pairs == 0:
        raise InputError("no class has two images, so there is no distance within a class. Give more images.")
    step, parts = -(-pairs // MOST_PAIRS), []
    for rows in groups:
        between = distance[rows][:, rows].detach()
        parts += [between[place, place + 1 :][::step] for place in range(len(rows) - 1)]
    pooled = torch.cat(parts).sort().values
    levels = torch.linspace(low, high, size, dtype=torch.float64) * (len(pooled) - 1)
    return pooled[levels.floor().long().to(pooled.device)].unique()
