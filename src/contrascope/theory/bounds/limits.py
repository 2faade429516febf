"""What a share that was counted on some images may be on new ones."""

import math

from jaxtyping import Float, Int
from torch import Tensor

from contrascope.errors import InputError
from contrascope.theory.bounds.bound import require_between

LEVEL = 0.95
"""Confidence of the limits that decide on the word *informative*: noise earns it once in 20 times at most."""

ROUNDING = 1e-9
"""How far above 1 a share that was added up may lie."""
_ROUNDS = 60


def share_limit(share: float, size: int | float, *, level: float = LEVEL) -> float:
    """The largest mean m with size KL(share, m) <= ln(1 / (1 - level)): an upper limit of E share, in [share, 1].

    `share` is a weighted mean of independent numbers in [0, 1], and `size` is 1 over the largest weight: the number of
    images if all weigh the same. The means of one image need not be equal. Chernoff's bound in the form of Hoeffding
    1963; the proof for weights, and for the mean of two halves that judge each other, is in docs/theory/bounds.md.

    >>> round(share_limit(0.0, 100.0), 4), round(share_limit(0.02, 50.0), 2)
    (0.0295, 0.11)
    """
    share = min(1.0, share) if share < 1 + ROUNDING else share
    require_between(0, 1, share=share, level=level)
    require_between(0, math.inf, size=size)
    reach = -math.log1p(-level)
    low, high = share, 1.0
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        if size * _divergence(share, middle) <= reach:
            low = middle
        else:
            high = middle
    return high


def _divergence(p: float, q: float) -> float:
    """KL of two coins, p at most q."""
    if q >= 1:
        return 0.0 if p >= 1 else math.inf
    least = p * math.log(p / q) if p > 0 else 0.0
    return least + ((1 - p) * math.log((1 - p) / (1 - q)) if p < 1 else 0.0)


def most_alignment(l_align: float, norm: float, images: int | None) -> float | None:
    """What a mean of squared distances over so many images may be on new ones, embeddings of norm r; None for None.

    >>> round(most_alignment(0.0, 1.0, 100), 3)
    0.118
    """
    if images is None:
        return None
    if not 0 < norm < math.inf or images < 1:
        raise InputError(
            f"images={images}, norm={norm}; expected at least 1 image and the norm of the embeddings."
        )
    require_between(0, 4 * norm**2, l_align=l_align)
    return 4 * norm**2 * share_limit(l_align / (4 * norm**2), float(images))


def unrelated_alignment(given: int | float | None, norm: float) -> float:
    """E ||f(x) - f(x')||^2 of different images, where it is not given: at most 2 r^2, for norm r.

    >>> unrelated_alignment(None, 2.0)
    8.0
    """
    most = 2 * norm**2
    value = most if given is None else given
    require_between(0, most, unrelated=value)
    return value


def least_common_product(
    square_norms: Float[Tensor, " two"], counts: Int[Tensor, " two"], *, level: float = LEVEL
) -> float:
    """What c_k . c_l is below with probability 1 - level at most, c two means of unit vectors around one centre.

    c_k . c_l = (|c_k|^2 + |c_l|^2 - |c_k - c_l|^2) / 2, and |c_k - c_l| <= sqrt(nu) (1 + sqrt(2 ln(1 / (1 - level)))),
    nu = 1 / n_k + 1 / n_l, by McDiarmid's inequality: docs/theory/bounds.md.

    >>> import torch
    >>> round(least_common_product(torch.ones(2), torch.tensor([100, 100])), 3)
    0.881
    """
    noise = (1 / counts.double()).sum().item()
    return square_norms.double().mean().item() - noise * (1 + math.sqrt(-2 * math.log1p(-level))) ** 2 / 2
