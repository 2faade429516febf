"""How alignment bounds R_epsilon: eta with its exact infimum, and the simpler bound of a finite family."""

import math
from dataclasses import dataclass
from typing import Literal

from contrascope.errors import InputError
from contrascope.theory.bounds.bound import Bound, over_views, require_between
from contrascope.theory.bounds.limits import most_alignment, unrelated_alignment


@dataclass(frozen=True, kw_only=True)
class Eta:
    """eta(epsilon), the factor between sqrt(L_align) and R_epsilon, and where its infimum lies."""

    value: float
    """The infimum, in 1 / (distance of embeddings); infinity where it overflows."""
    log_value: float
    """Its natural logarithm, finite also where the value overflows."""
    side: float
    """Side of the cubes at the infimum, in (0, 1]."""
    closed_form: bool
    """True where the inner minimum is reached and the value is 4 (2n+1) / eps ((2n+1) sqrt(n) L M / (n eps))^2n."""


def eta(epsilon: float, *, parameters: int, lipschitz: float, discrete: int, family_lipschitz: float) -> Eta:
    """Exact infimum over h in (0, eps / (2 sqrt(n) L M)) of 4 max(1, m^2 h^2n) / (h^2n (eps - 2 sqrt(n) L M h)).

    n = `parameters` of the continuous family, m = `discrete` maps, L = `lipschitz` of the encoder and M =
    `family_lipschitz`. Huang et al. 2023 (arXiv:2111.00743), Theorem 2. The objective falls up to the smaller
    of h* = 2n eps / ((2n+1) 2 sqrt(n) L M) and m^(-1/n), and rises after it; so the infimum is at that point.
    At h* it is of order eps^-(2n+1), which is the paper's O(1/eps) only for n = 0 or eps large against L M.
    With L M = 0 the family moves nothing.

    >>> round(eta(0.1, parameters=1, lipschitz=1.0, discrete=1, family_lipschitz=1.0).value)
    108000
    >>> eta(0.5, parameters=0, lipschitz=1.0, discrete=2, family_lipschitz=1.0).value
    32.0
    """
    _check_family(epsilon, parameters, lipschitz, discrete, family_lipschitz)
    n, speed = parameters, 2 * math.sqrt(parameters) * lipschitz * family_lipschitz
    most = 1.0 if n == 0 else max(discrete, 1) ** (-1 / n)
    best = math.inf if n == 0 or speed == 0 else 2 * n * epsilon / ((2 * n + 1) * speed)
    side = min(best, most)
    discrete_log = 2 * math.log(max(discrete, 1)) if n == 0 else 0.0
    log_value = math.log(4) + discrete_log - 2 * n * math.log(side) - math.log(epsilon - speed * side)
    value = math.exp(log_value) if log_value < 709 else math.inf
    return Eta(value=value, log_value=log_value, side=side, closed_form=best <= most)


def _check_family(
    epsilon: float, parameters: int, lipschitz: float, discrete: int, family_lipschitz: float
) -> None:
    if not 0 < epsilon < math.inf:
        raise InputError(f"epsilon is {epsilon}; expected a positive distance of embeddings.")
    require_between(0, math.inf, parameters=parameters, discrete=discrete)
    require_between(0, 1e300, lipschitz=lipschitz, family_lipschitz=family_lipschitz)
    if parameters == 0 and discrete == 0:
        raise InputError("parameters and discrete are both 0: an augmentation needs at least one map.")


def r_eps_bound(
    l_align: float,
    epsilon: float,
    *,
    parameters: int,
    lipschitz: float,
    discrete: int,
    family_lipschitz: float,
    norm: float = 1.0,
    unrelated: int | float | None = None,
    images: int | None = None,
) -> Bound:
    """R_epsilon <= eta(epsilon) sqrt(L_align), for `discrete` maps and one family with `parameters` parameters.

    Huang et al. 2023, Theorem 2 of the paper (Theorem 1 of their slides). L_align is over two independent
    views. R_epsilon is over all views. Trivial: 0 from epsilon = 2 r on, r = `norm` of the embeddings; below it 1, or
    what the theorem says of views that have nothing in common, whose L_align is `unrelated` (None: 2 r^2, the most
    there is). `images`: how many L_align is a mean over; then the word judges what it may be on new ones.

    >>> bound = r_eps_bound(1e-8, 0.5, parameters=0, lipschitz=1.0, discrete=2, family_lipschitz=0.0)
    >>> print(bound)
    R_eps <= 0.0032 over all views (informative: better than the trivial 1)
    """
    require_between(0, math.inf, l_align=l_align)
    factor = eta(
        epsilon,
        parameters=parameters,
        lipschitz=lipschitz,
        discrete=discrete,
        family_lipschitz=family_lipschitz,
    )
    most = most_alignment(l_align, norm, images)

    def at(l_align: float) -> float:
        return 0.0 if l_align == 0 else factor.value * math.sqrt(l_align)

    terms = {
        "eta": factor.value,
        "log_eta": factor.log_value,
        "side": factor.side,
        "l_align": l_align,
        "epsilon": epsilon,
    }
    return Bound(
        name="R_eps",
        value=at(l_align),
        terms=terms,
        conditions={},
        trivial=min(1.0, at(unrelated_alignment(unrelated, norm))) if epsilon < 2 * norm else 0.0,
        source="Huang et al. 2023, Theorem 2, exact infimum",
        limit=None if most is None else at(most),
        scope=over_views(math.inf),
    )


def finite_family_bound(
    l_align: float,
    epsilon: float,
    *,
    maps: int,
    pairs: Literal["independent", "distinct"] = "independent",
    norm: float = 1.0,
    unrelated: int | float | None = None,
    images: int | None = None,
) -> Bound:
    """R_epsilon <= m^2 L_align / (2 eps^2) for m equally likely maps: Markov on the square of the worst pair.

    With pairs of "distinct" maps in L_align the factor is m (m - 1) / 2. Equality where every image has one
    pair of maps at distance just above eps and m = 2. R_epsilon is over these m views. Trivial: as in `r_eps_bound`;
    distinct pairs of views that have nothing in common have L_align = `unrelated`.

    >>> finite_family_bound(0.01, 0.5, maps=2).value
    0.08
    """
    require_between(0, math.inf, l_align=l_align)
    if not 0 < epsilon < math.inf or maps < 1 or (pairs == "distinct" and maps < 2):
        raise InputError(
            f"epsilon={epsilon}, maps={maps}, pairs={pairs!r}; expected epsilon > 0 and at least one map, "
            "two for distinct pairs."
        )
    ways = maps**2 / 2 if pairs == "independent" else maps * (maps - 1) / 2
    most = most_alignment(l_align, norm, images)
    apart = maps * (maps - 1) / 2 * unrelated_alignment(unrelated, norm) / epsilon**2
    terms = {"l_align": l_align, "epsilon": epsilon, "maps": float(maps)}
    return Bound(
        name="R_eps",
        value=ways * l_align / epsilon**2,
        terms=terms,
        conditions={},
        trivial=min(1.0, apart) if epsilon < 2 * norm else 0.0,
        limit=None if most is None else ways * most / epsilon**2,
        scope=over_views(maps),
        source="Markov's inequality on the squared worst pair; proved in docs/theory/bounds.md",
    )
