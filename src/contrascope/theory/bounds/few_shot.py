"""The few-shot bound on images that did not make the centres."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.errors import InputError
from contrascope.theory.bounds.bound import Bound, over_views
from contrascope.theory.bounds.halves import MAX_IMAGES, Halves, class_halves
from contrascope.theory.bounds.limits import share_limit
from contrascope.theory.factors.alignment import check_views
from contrascope.theory.factors.divergence import SAME_POINT, class_codes, square_scale


def held_out_few_shot(
    h: Float[Tensor, "views n dim"],
    y: Int[Tensor, " labels"],
    *,
    shots: int | None,
    max_images: int | None = MAX_IMAGES,
    seed: int = 0,
) -> Bound:
    """Upper bound of the error of nearest centres of `shots` rows a class, on images of the other half.

    As `few_shot_bound`, but the labelled rows are drawn from one half of each class and the judged rows are the views
    of the other; mean of both ways, every class equally likely. For a judged law and drawn centres with different
    means the moments of the margin are exact, by the law of total variance (docs/theory/few_shot.md); Cantelli, or
    the norms alone, bound each pair. `limit` is that of new images. shots None: all rows of the half. A class with
    more than `max_images` images is represented by that many. Trivial: 1 - 1 / classes.

    >>> h = torch.eye(2).repeat(1, 20, 1)
    >>> print(held_out_few_shot(h, torch.tensor([0, 1] * 20), shots=1))
    Err <= 0 at 1 view an image (informative: 0.1391 on new images, better than the trivial 0.5)
    """
    check_views(h)
    if shots is not None and shots < 1:
        raise InputError(f"shots={shots}; expected at least 1 labelled row a class, or None for all.")
    codes, classes = class_codes(y, h.shape[1], least=2)
    halves = class_halves(codes, len(classes), max_images=max_images, seed=seed)
    share = 0.0 if shots is None else 1 / shots
    found = [_fold(h, halves, fold, share) for fold in (0, 1)]
    terms = {name: (found[0][name] + found[1][name]) / 2 for name in found[0]}
    value = terms.pop("value")
    even = torch.full((len(classes),), 1 / len(classes), dtype=torch.float64)
    return Bound(
        name="Err",
        value=value,
        terms=terms,
        conditions={},
        trivial=1 - 1 / len(classes),
        source="ours, after Galanti et al. 2022 and Luthra et al. 2025: docs/theory/few_shot.md",
        limit=share_limit(value, halves.size(even)),
        scope=over_views(len(h)),
    )


@dataclass(frozen=True, kw_only=True)
class _Drawn:
    """What the rows that make the centre of one class say of the judged rows x, and of the noise of m drawn ones."""

    centre: Tensor
    square: Tensor
    """|x - mu|^2."""
    noise: Tensor
    """Variance of |x - c|^2 over drawn centres c."""
    variance: float
    """E |row - mu|^2."""


def _drawn(made: Tensor, judged: Tensor, share: float) -> _Drawn:
    centre = made.mean(dim=0)
    rows, off = made - centre, judged - centre
    norms = rows.square().sum(dim=1)
    variance = norms.mean().item()
    noise = off.new_zeros(len(off))
    if share > 0:
        gram = rows.T @ rows if rows.shape[1] < len(rows) else rows @ rows.T
        frobenius = gram.square().sum().item() / len(rows) ** 2
        along = torch.cat([(part @ rows.T).square().mean(dim=1) for part in off.split(2048)])
        lean = off @ (norms @ rows / len(rows))
        own = share**3 * norms.var(correction=0).item() + 2 * share**2 * (1 - share) * frobenius
        noise = (4 * share * along - 4 * share**2 * lean + own).clamp_min(0)
    return _Drawn(centre=centre, square=off.square().sum(dim=1), noise=noise, variance=variance)


def _fold(h: Tensor, halves: Halves, fold: int, share: float) -> dict[str, float]:
    """Value, its two parts and the error of exact centres, where `fold` is judged."""
    count = len(halves.images)
    made = [
        h[:, part[~halves.judged(k, fold)]].flatten(0, 1).double() for k, part in enumerate(halves.images)
    ]
    judged = [
        h[:, part[halves.judged(k, fold)]].flatten(0, 1).double() for k, part in enumerate(halves.images)
    ]
    every, sizes = torch.cat(judged), [len(part) for part in judged]
    drawn = {k: _drawn(part, every, share) for k, part in enumerate(made) if len(part)}
    totals: dict[str, float] = dict.fromkeys(("value", "directional", "isotropic", "error"), 0.0)
    for i, (start, size) in enumerate(zip(_starts(sizes), sizes, strict=True)):
        mine = slice(start, start + size)
        pairs = (
            []
            if i not in drawn or size == 0
            else [_pair(drawn[i], drawn[j], mine, share) for j in drawn if j != i]
        )
        if not pairs:
            totals = {name: total + 1 / count for name, total in totals.items()}
            continue
        directional, isotropic = (sum(column) for column in zip(*pairs, strict=True))
        nearest = torch.stack([drawn[j].square[mine] for j in drawn if j != i]).amin(dim=0)
        wrong = (drawn[i].square[mine] >= nearest).double().mean().item()
        both = {"value": sum(min(pair) for pair in pairs), "directional": directional, "isotropic": isotropic}
        for name, value in (both | {"error": wrong}).items():
            totals[name] += min(1.0, value) / count
    return totals


def _starts(sizes: list[int]) -> list[int]:
    return [sum(sizes[:k]) for k in range(len(sizes))]


def _pair(own: _Drawn, other: _Drawn, mine: slice, share: float) -> tuple[float, float]:
    """Bounds of P[a judged row is no nearer to its own drawn centre than to the other]: directional, isotropic."""
    margin = other.square[mine] - own.square[mine] + share * (other.variance - own.variance)
    mean = margin.mean().item()
    variance = margin.var(correction=0).item() + (own.noise + other.noise)[mine].mean().item()
    directional = variance / (variance + mean**2) if mean > 0 else 1.0
    apart = (own.centre - other.centre).square().sum().item()
    if apart <= SAME_POINT * square_scale(torch.stack([own.centre, other.centre])).item():
        return 1.0, 1.0
    spread = 2 * own.square[mine].mean().sqrt().item()
    reach = spread + (share * own.variance) ** 0.5 + (share * other.variance) ** 0.5
    return directional, min(1.0, reach**2 / apart)
