"""What the losses say about the divergence of class centres: Theorem 3, its usable forms, and Theorem 4."""

import math
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.errors import InputError
from contrascope.linalg import class_means
from contrascope.theory.bounds.bound import Bound, over_views, require_between
from contrascope.theory.bounds.convex import argmin, last_below, log_sum
from contrascope.theory.bounds.limits import least_common_product
from contrascope.theory.bounds.random_classes import random_classes
from contrascope.theory.factors.alignment import BLOCK_ROWS
from contrascope.theory.factors.decompose import cross_correlation
from contrascope.theory.factors.divergence import class_codes, mean_view

LARGEST_EPSILON = 1 - math.log(1 - 1 / math.e)
"""Theorem 3 with tau = (2 - eps) R_eps is proved up to this epsilon, about 1.459."""

_SMALLEST_L_2 = math.log(2) - 1
"""Of any two products of unit vectors."""


def divergence_bound(l_2: float, p_k: float, p_l: float, *, epsilon: float, r_epsilon: float) -> Bound:
    """mu_k . mu_l <= log(exp((L_2 + tau) / (p_k p_l)) - exp(1 - eps)), tau = (2 - eps) R_eps, unit embeddings.

    Theorem 3 of Huang et al. 2023 (arXiv:2111.00743) with a tau that is proved without sigma and delta, for
    eps in [0, 1 - ln(1 - 1/e)]. Always vacuous, proved in docs/theory/bounds.md: for independent negatives
    L_2 + tau >= log(1 + e^(1 - eps)), so the value is at least 1.86, and a product of unit vectors is at most 1. At
    eps = 0 it is at least 5.24 for two and 131.3 for ten balanced classes; at a larger eps it can be less. It explains
    a trend; use `centre_cap`. The term `both_orders` counts the pairs (k, l) and (l, k), which halves the exponent.
    Numbers below that minimum are of other negatives: condition. Trivial: 1.

    >>> print(divergence_bound(1.3133, 0.1, 0.1, epsilon=0.0, r_epsilon=0.0))
    mu_k . mu_l <= 131.3 (vacuous: no better than the trivial 1)
    """
    _check_pair(p_k, p_l)
    require_between(0, 1, r_epsilon=r_epsilon)
    require_between(_SMALLEST_L_2 - 1e-6, math.log(2) + 1 + 1e-6, l_2=l_2)
    require_between(0, 2, epsilon=epsilon)
    tau = (2 - epsilon) * r_epsilon
    terms = {
        "l_2": l_2,
        "tau": tau,
        "epsilon": epsilon,
        "r_epsilon": r_epsilon,
        "p_k": p_k,
        "p_l": p_l,
        "both_orders": _log_difference((l_2 + tau) / (2 * p_k * p_l), 1 - epsilon),
    }
    return Bound(
        name="mu_k . mu_l",
        value=_log_difference((l_2 + tau) / (p_k * p_l), 1 - epsilon),
        terms=terms,
        conditions={
            "eps <= 1 - ln(1 - 1/e)": epsilon <= LARGEST_EPSILON,
            "L_2 + tau >= log(1 + e^(1 - eps))": l_2 + tau >= math.log1p(math.exp(1 - epsilon)) - 1e-4,
        },
        trivial=1.0,
        source="Huang et al. 2023, Theorem 3, tau = (2 - eps) R_eps",
    )


def _log_difference(x: float, y: float) -> float:
    """log(e^x - e^y); minus infinity where nothing is left."""
    return x + math.log1p(-math.exp(y - x)) if x > y else -math.inf


def _check_pair(p_k: float, p_l: float) -> None:
    if not (p_k > 0 and p_l > 0 and p_k + p_l <= 1 + 1e-9):
        raise InputError(f"p_k={p_k}, p_l={p_l}; expected two class probabilities above 0 with sum up to 1.")


def usable_inequality(
    l_2: float,
    priors: Float[Tensor, " priors"],
    class_alignment: Float[Tensor, " alignments"],
    centres: Float[Tensor, "classes dim"],
) -> Bound:
    """L_2 >= sum over k, l of p_k p_l log(exp(1 - a_k / 2) + exp(mu_k . mu_l)), unit embeddings.

    a_k = `class_alignment`, the mean squared distance of two views in class k. Jensen in both exponents; the
    gap of random instances is 8e-5 to 0.1. Negatives must be independent. `terms["slack"]` is L_2 minus the
    value. Trivial: log(exp(1 - a / 2) + exp(|mu|^2)), a and mu of all images: what is known without classes, at least
    log(1 + 1 / e) = 0.313 and never above the value. All numbers are those of one law; on a sample chance alone lifts
    the value above it, so `spread_bound` compares with random classes.

    >>> bound = usable_inequality(1.42, torch.ones(2) / 2, torch.zeros(2), torch.tensor([[1.0], [-1.0]]))
    >>> round(bound.value, 4), bound.word
    (1.41, 'informative')
    """
    rows, p, a = centres.double(), priors.double(), class_alignment.double()
    if not len(rows) == len(p) == len(a) or not bool(torch.isfinite(rows).all()):
        raise InputError(
            f"{len(rows)} centres, {len(p)} priors, {len(a)} class alignments; expected finite ones, "
            "one of each a class."
        )
    logs = torch.logaddexp(1 - a[:, None] / 2, rows @ rows.T)
    value = (p @ logs @ p).item()
    alone = torch.logaddexp(1 - (p @ a) / 2, (p @ rows).square().sum()).item()
    return Bound(
        name="L_2",
        value=value,
        terms={"l_2": l_2, "slack": l_2 - value, "alignment": (p @ a).item()},
        conditions={},
        trivial=alone,
        source="usable form of Theorem 3; proved in docs/theory/bounds.md",
        lower=True,
    )


def centre_cap(
    l_2: float,
    priors: Float[Tensor, " priors"],
    class_alignment: Float[Tensor, " alignments"],
    square_norms: Float[Tensor, " classes"],
    pair: tuple[int, int],
    *,
    counts: Int[Tensor, " classes"] | None = None,
) -> Bound:
    """The largest mu_k . mu_l that L_2, the alignment and the norms of the centres still allow.

    The usable inequality solved for one pair: all other pairs are replaced by their mean (Jensen), which is
    at least what ||sum p_k mu_k||^2 >= 0 leaves. Equality for the simplex, so unlike Theorem 3 it is not
    vacuous for a well-trained loss. Where L_2 is too small for these norms (another law of negatives), the
    condition fails. Trivial: ||mu_k|| ||mu_l||.

    The numbers are those of one law. With `counts`, the images that each centre is a mean of, the word is about the law
    that they were drawn from: there centres that are one and the same are called apart with probability 0.05 at most.

    >>> one, none = torch.ones(2), torch.zeros(2)
    >>> round(centre_cap(1.4101, one / 2, none, one, (0, 1)).value, 2)
    -1.0
    """
    p, a, squares = (x.double() for x in (priors, class_alignment, square_norms))
    k, other = pair
    if not len(p) == len(a) == len(squares) or k == other or not 0 <= min(pair) <= max(pair) < len(p):
        raise InputError(
            f"pair={pair} of {len(p)} priors, {len(a)} alignments, {len(squares)} norms; expected one each a "
            "class and two different classes."
        )
    own = (p.square() * torch.logaddexp(1 - a / 2, squares)).sum().item()
    spread = (p.square() * squares).sum().item()
    two = 2 * (p[k] * p[other]).item()
    rest = 1 - p.square().sum().item() - two
    here = 1 - (a[k] + a[other]).item() / 4
    there = (
        1 - ((p * (1 - p) * a).sum() - two * (a[k] + a[other]) / 2).item() / 2 / rest if rest > 1e-12 else 0.0
    )

    def least(t: Tensor) -> Tensor:
        others = rest * log_sum(there, -(spread + two * t) / rest) if rest > 1e-12 else 0.0
        return own + two * log_sum(here, t) + others

    limit = math.sqrt((squares[k] * squares[other]).item())
    # where there are no other pairs, ||sum p mu||^2 >= 0 bounds t itself from below
    floor = -limit if rest > 1e-12 else max(-limit, -spread / two)
    lowest = argmin(least, floor, limit)
    least_l_2 = least(torch.tensor(lowest, dtype=torch.float64)).item()
    feasible = least_l_2 <= l_2 + 1e-12
    value = last_below(least, l_2, lowest, limit) if feasible else -limit
    terms = {
        "l_2": l_2,
        "least_l_2": least_l_2,
        "p_k": p[k].item(),
        "p_l": p[other].item(),
        "limit": limit,
    }
    return Bound(
        name="mu_k . mu_l",
        value=value,
        terms=terms,
        conditions={"L_2 possible for these norms and alignment": feasible},
        trivial=limit
        if counts is None
        else min(limit, least_common_product(squares[list(pair)], counts[list(pair)])),
        source="usable form of Theorem 3 solved for one pair; proved in docs/theory/bounds.md",
    )


def correlation_bound(
    l_2: float,
    tau: float,
    p_k: float,
    p_l: float,
    *,
    dim: int,
    classes: int,
    constant: float = 1.0,
    lengths: float = 0.0,
) -> Bound:
    """mu_k . mu_l <= sqrt(constant / (p_k p_l) (L_2 + tau - (d - K) / 2)) for the cross-correlation loss.

    Theorem 4 of Huang et al. 2023, embeddings of norm sqrt(d); theirs has constant 2, and 1 is proved since
    the pairs (k, l) and (l, k) both count. tau is at least ||F - sum p_k mu_k mu_k^T||_F^2. The term
    `triangle` is the sharper sqrt(((sqrt(L_2) + sqrt(tau))^2 - (d - K)) / (2 p_k p_l)). A negative radicand
    means that L_2 and tau do not belong to one set of embeddings: condition. Trivial: the smaller of `lengths`,
    |mu_k| |mu_l| (Cauchy and Schwarz; 0 where it is not given, since then nothing says that the bound is better), and
    d / 2 (sqrt((1 - p_k) (1 - p_l) / (p_k p_l)) - 1), the largest product of centred features with E f_i^2 = 1. That
    is 0 for two classes, whose centres always point away from each other.

    >>> correlation_bound(0.0, 0.0, 0.5, 0.5, dim=2, classes=2).value
    0.0
    """
    _check_pair(p_k, p_l)
    require_between(0, math.inf, l_2=l_2, tau=tau)
    if constant not in (1.0, 2.0):
        raise InputError(f"constant is {constant}; expected 1 (proved) or 2 (the paper's).")
    require_between(0, math.inf, lengths=lengths)
    inside = l_2 + tau - (dim - classes) / 2
    most = dim / 2 * max(0.0, math.sqrt((1 - p_k) * (1 - p_l) / (p_k * p_l)) - 1)
    triangle = max(0.0, (math.sqrt(l_2) + math.sqrt(tau)) ** 2 - (dim - classes)) / (2 * p_k * p_l)
    terms = {"l_2": l_2, "tau": tau, "p_k": p_k, "p_l": p_l, "dim": float(dim), "classes": float(classes)}
    terms["lengths"] = lengths
    return Bound(
        name="mu_k . mu_l",
        value=math.sqrt(max(0.0, constant * inside / (p_k * p_l))),
        terms=terms | {"constant": constant, "triangle": math.sqrt(triangle)},
        conditions={"L_2 + tau >= (d - K) / 2": inside >= -1e-9 * (1 + dim)},
        trivial=min(most, lengths),
        source=f"Huang et al. 2023, Theorem 4, constant {constant:g}, exact tau",
    )


def correlation_divergence(
    h: Float[Tensor, "views n dim"],
    y: Int[Tensor, " labels"],
    *,
    constant: float = 1.0,
    seed: int = 0,
    block_rows: int = BLOCK_ROWS,
) -> Bound:
    """`correlation_bound` measured on embeddings, for the pair of classes with the largest product.

    tau is exact, ||F - sum p_k mu_k mu_k^T||_F^2 with standardised features; for views independent given the
    image it is ||sum p_k Cov(mean view)||_F^2. The measured product is `terms["product"]`. Trivial: the smaller of
    |mu_k| |mu_l| (Cauchy and Schwarz) and the least value that random classes of the same sizes have.

    >>> h = torch.tensor([[1.0], [-1.0]]).expand(2, 2, 1)
    >>> bound = correlation_divergence(h, torch.tensor([0, 1]))
    >>> round(bound.value, 4), bound.terms["product"]
    (1.4142, -1.0)
    """
    codes, classes = class_codes(y, h.shape[1], least=2)
    f = cross_correlation(h, block_rows=block_rows)
    rows = (mean_view(h, block_rows=block_rows).double() - f.mean) / f.std * f.active
    priors = codes.bincount().double() / len(codes)
    gap = f.matrix - torch.eye(len(f.mean), dtype=torch.float64, device=h.device)
    l_2 = gap.square().sum().item()

    def measured(codes: Tensor) -> Bound:
        centres = class_means(rows, codes, len(classes))
        tau = (f.matrix - (centres.T * priors) @ centres).square().sum().item()
        products = (centres @ centres.T).fill_diagonal_(-math.inf)
        k, other = divmod(int(products.argmax()), len(classes))
        lengths = (torch.linalg.vector_norm(centres[k]) * torch.linalg.vector_norm(centres[other])).item()
        shares = priors[k].item(), priors[other].item()
        sizes = dict(dim=len(f.mean), classes=len(classes))
        bound = correlation_bound(l_2, tau, *shares, **sizes, constant=constant, lengths=lengths)
        terms = bound.terms | {"product": products[k, other].item()}
        return replace(bound, terms=terms, scope=over_views(len(h)))

    bound = measured(codes)
    if bound.vacuous:
        return bound
    chance = min(measured(order).value for order in random_classes(codes, seed=seed))
    return replace(bound, trivial=min(bound.trivial, chance), terms=bound.terms | {"random_classes": chance})


def within_class_bound(
    *,
    lipschitz: float,
    delta: float,
    epsilon: float,
    sigma: float,
    r_epsilon: float,
    dim: int,
    common: float = 0.0,
    views: int | float | None = None,
) -> Bound:
    """Upper bound ((L delta + 2 eps)^2 / 2 + 4 d (1 - sigma + R_eps))^2 of tau in `correlation_bound`.

    Through the trace of the within-class covariance of mean views, norm sqrt(d); replaces the formula of the paper's
    appendix. Views are independent given the image. Trivial: (d - |mu|^2)^2, |mu|^2 = `common` the squared norm of the
    mean embedding: the trace of the whole covariance.

    >>> kwargs = dict(lipschitz=1.0, delta=0.1, epsilon=0.0, sigma=1.0, r_epsilon=0.0, dim=2)
    >>> round(within_class_bound(**kwargs).value, 9)
    2.5e-05
    """
    require_between(0, 1, sigma=sigma, r_epsilon=r_epsilon)
    require_between(0, math.inf, lipschitz=lipschitz, delta=delta, epsilon=epsilon)
    require_between(0, dim, common=common)
    reach = (lipschitz * delta if lipschitz and delta else 0.0) + 2 * epsilon
    terms = {"lipschitz": lipschitz, "delta": delta, "epsilon": epsilon, "sigma": sigma}
    return Bound(
        name="tau",
        value=(reach**2 / 2 + 4 * dim * (1 - sigma + r_epsilon)) ** 2,
        terms=terms | {"r_epsilon": r_epsilon, "dim": float(dim)},
        conditions={},
        trivial=(dim - common) ** 2,
        scope=over_views(views),
        source="bound of tau' of Huang et al. 2023, Theorem 4; proved in docs/theory/bounds.md",
    )
