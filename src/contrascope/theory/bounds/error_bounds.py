"""The main theorem: concentration, alignment and divergence bound the error of the nearest centre."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.errors import InputError
from contrascope.theory.bounds.bound import Bound, over_views, require_between
from contrascope.theory.bounds.limits import most_alignment, unrelated_alignment

LARGEST_RHO = 2 - math.sqrt(3)
"""Where 1 - rho - sqrt(2 rho) is zero: above it centres must point away from each other."""

_PROVED_RHO = 0.5
"""The statement with R_eps / p is proved up to this rho; above it only opposite centres could satisfy it."""


def rho(
    priors: Float[Tensor, " classes"],
    *,
    sigma: float,
    delta: float,
    lipschitz: float,
    epsilon: float,
    r_epsilon: float,
    norm: float = 1.0,
) -> Float[Tensor, " classes"]:
    """rho_l = 2 (1 - sigma) + R_eps / p_l + sigma (L delta + 2 eps) / r of every class, at least 0.

    Huang et al. 2023 (arXiv:2111.00743), Lemma 3.2; r is the norm of every embedding.

    >>> kwargs = dict(sigma=1.0, delta=0.0, lipschitz=1.0, epsilon=0.05, r_epsilon=0.01)
    >>> rho(torch.tensor([0.5, 0.5]), **kwargs).tolist()
    [0.12..., 0.12...]
    """
    require_between(0, 1, sigma=sigma, r_epsilon=r_epsilon)
    require_between(0, math.inf, delta=delta, lipschitz=lipschitz, epsilon=epsilon)
    reach = (lipschitz * delta if lipschitz and delta else 0.0) + 2 * epsilon
    return 2 * (1 - sigma) + r_epsilon / _checked_priors(priors) + sigma * reach / norm


def _checked_priors(priors: Tensor) -> Tensor:
    priors = priors.double()
    if len(priors) < 2 or not bool((priors > 0).all()) or abs(priors.sum().item() - 1) > 1e-4:
        raise InputError(
            f"priors={priors.tolist()[:5]}; expected the probabilities of at least two classes, each above "
            "zero, with sum 1. Drop classes without images."
        )
    return priors / priors.sum()


def thresholds(
    rhos: Float[Tensor, "*epsilons classes"], centres: Float[Tensor, "classes dim"], *, norm: float = 1.0
) -> Float[Tensor, "*epsilons classes"]:
    """r^2 (1 - rho - sqrt(2 rho) - Delta_mu / 2): what mu_l . mu_k must stay below, for k other than l.

    Delta_mu = 1 - min_k ||mu_k||^2 / r^2. Huang et al. 2023, Lemma 3.2.

    >>> [round(value, 4) for value in thresholds(torch.tensor([0.0, 0.02]), torch.eye(2)).tolist()]
    [1.0, 0.78]
    """
    squares = centres.double().square().sum(dim=1)
    shrink = 1 - squares.min() / norm**2
    rhos = rhos.double()
    return norm**2 * (1 - rhos - (2 * rhos).sqrt() - shrink / 2)


def largest_other(centres: Float[Tensor, "classes dim"]) -> Float[Tensor, " classes"]:
    """Largest mu_l . mu_k over k other than l, for every class l.

    >>> largest_other(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.5]])).tolist()
    [0.0, 0.5, 0.5]
    """
    if len(centres) < 2 or not bool(torch.isfinite(centres).all()):
        raise InputError(f"centres of {len(centres)} classes; expected finite rows of at least two classes.")
    rows = centres.double()
    return (rows @ rows.T).fill_diagonal_(-math.inf).amax(dim=1)


def error_bound(
    centres: Float[Tensor, "classes dim"],
    priors: Float[Tensor, " priors"],
    *,
    sigma: float,
    delta: float,
    lipschitz: float,
    epsilon: float,
    r_epsilon: float,
    norm: float = 1.0,
    views: int | float | None = None,
) -> Bound:
    """Err <= (1 - sigma) + R_eps of the nearest-centre classifier, where all centres are far enough apart.

    The condition is that of Lemma 3.2 for every ordered pair of classes, with rho_l of its own class; it is
    weaker than Theorem 1's, which takes rho_max for all, and gives the same conclusion through Lemma 3.1
    (Huang et al. 2023). It also asks rho_max <= 1/2: with R_eps / p_l (not twice that) in rho the statement is
    proved up to there (docs/theory/bounds.md). All numbers are those of one law; of images that were drawn from it,
    they are not. `views`: how many views of an image epsilon and R_eps are over, infinity for all (the theorem's).
    Trivial: the error of always answering the largest class.

    >>> kwargs = dict(sigma=0.99, delta=0.01, lipschitz=1.0, epsilon=0.01, r_epsilon=0.005)
    >>> print(error_bound(torch.eye(3), torch.ones(3) / 3, **kwargs, views=math.inf))
    Err <= 0.015 over all views (informative: better than the trivial 0.6667)
    """
    if len(centres) != len(priors):
        raise InputError(f"{len(centres)} centres and {len(priors)} priors; expected one prior a class.")
    rhos = rho(
        priors,
        sigma=sigma,
        delta=delta,
        lipschitz=lipschitz,
        epsilon=epsilon,
        r_epsilon=r_epsilon,
        norm=norm,
    )
    limits = thresholds(rhos, centres, norm=norm)
    slack = limits - largest_other(centres)
    terms = {
        "sigma": sigma,
        "delta": delta,
        "lipschitz": lipschitz,
        "epsilon": epsilon,
        "r_epsilon": r_epsilon,
        "rho_max": rhos.max().item(),
        "threshold": limits.min().item(),
        "largest_product": largest_other(centres).max().item(),
        "shrink": 1 - centres.double().square().sum(dim=1).min().item() / norm**2,
        "smallest_slack": slack.min().item(),
        "failing_classes": float((slack <= 0).sum().item()),
    }
    conditions = {
        "rho_max <= 1/2": terms["rho_max"] <= _PROVED_RHO,
        "mu_l . mu_k below the threshold of l for every pair": bool((slack > 0).all()),
    }
    return Bound(
        name="Err",
        value=(1 - sigma) + r_epsilon,
        terms=terms,
        conditions=conditions,
        trivial=1 - priors.double().max().item(),
        source="Huang et al. 2023, Lemmas 3.1 and 3.2 (Theorem 1)",
        scope=over_views(views),
    )


def best_error_bound(
    worst: Float[Tensor, " n"],
    centres: Float[Tensor, "classes dim"],
    priors: Float[Tensor, " classes"],
    *,
    sigma: float,
    delta: float,
    lipschitz: float,
    norm: float = 1.0,
    weights: Float[Tensor, "laws n"] | None = None,
    views: int | float | None = None,
) -> Bound:
    """`error_bound` at the best epsilon, given the worst distance between views of every image.

    R_eps is a step function that changes at these distances only, and between two of them the smaller epsilon
    is better; so the sweep over them and 0 is exact. Where the conditions fail at every epsilon it is the
    bound whose centres come closest to their thresholds, and is vacuous. `weights`, rows that sum to 1, are laws of
    the images in place of the uniform one; R_eps is then the largest of theirs.

    >>> worst = torch.tensor([0.0, 0.0, 0.01, 1.9])
    >>> bound = best_error_bound(worst, torch.eye(2), torch.ones(2) / 2, sigma=1.0, delta=0.0, lipschitz=1.0)
    >>> bound.value, bound.word
    (0.25, 'vacuous')
    """
    if len(worst) == 0 or not bool((worst >= 0).all()):
        raise InputError(f"worst has {len(worst)} distances; expected at least one, all of them 0 or more.")
    worst = worst.double()
    steps = torch.cat([worst.new_zeros(1), worst]).unique()
    share = _exceeding(worst, steps, weights)
    base = rho(priors, sigma=sigma, delta=delta, lipschitz=lipschitz, epsilon=0.0, r_epsilon=0.0, norm=norm)
    rhos = base + share[:, None] / _checked_priors(priors) + sigma * 2 * steps[:, None] / norm
    slack = (thresholds(rhos, centres, norm=norm) - largest_other(centres)).amin(dim=1)
    proved = (slack > 0) & (rhos.amax(dim=1) <= _PROVED_RHO)
    at = int(proved.nonzero().amax()) if bool(proved.any()) else int(slack.argmax())
    return error_bound(
        centres,
        priors,
        sigma=sigma,
        delta=delta,
        lipschitz=lipschitz,
        epsilon=steps[at].item(),
        r_epsilon=share[at].item(),
        norm=norm,
        views=views,
    )


def _exceeding(worst: Tensor, steps: Tensor, weights: Tensor | None) -> Tensor:
    """R_eps at every step: the largest weight, over the laws, of the images whose worst pair is beyond it."""
    if weights is None:
        return 1 - torch.searchsorted(worst.sort().values, steps, right=True).double() / len(worst)
    order = worst.argsort()
    within = torch.cat([weights.new_zeros(len(weights), 1), weights[:, order].cumsum(dim=1)], dim=1).double()
    place = torch.searchsorted(worst[order], steps, right=True)
    return (within[:, -1:] - within[:, place]).amax(dim=0).clamp(0, 1)


def risk_gap_bound(
    l_ar: float,
    *,
    loss_lipschitz: float,
    norm_one: float,
    norm_two: float,
    largest_loss: float = math.inf,
    norm: float = 1.0,
    unrelated: int | float | None = None,
    images: int | None = None,
    views: int | float | None = None,
) -> Bound:
    """R(h_A' f; D_A) - R(h_A f; D_A) <= c (||h_A|| + ||h_A'||) sqrt(L_AR), c the Lipschitz constant of the loss.

    Zhao et al. 2023 (arXiv:2303.01092, ArCL), Theorem 2, with the first power of the worst distance: as
    printed, with its square L_AR, it is false (`squared_form_fails` in worlds.py). c is 1 for the logistic and
    hinge losses in the margin, sqrt(2) for softmax cross-entropy in the Euclidean norm of the logits.
    Trivial: the least of `largest_loss`, of c (||h_A|| + ||h_A'||) r, which holds for any embeddings of norm r
    (`norm`), as no head is farther from the loss at zero than c ||h|| r, and of what the theorem says of views that
    have nothing in common, whose mean squared distance is `unrelated` (None: 2 r^2). L_AR is over `views`; with
    `images`, its number of images, the word judges what it may be on new ones.

    >>> risk_gap_bound(0.04, loss_lipschitz=1.0, norm_one=1.0, norm_two=2.0).value
    0.6000...
    """
    require_between(
        0, math.inf, l_ar=l_ar, loss_lipschitz=loss_lipschitz, norm_one=norm_one, norm_two=norm_two
    )
    terms = {"l_ar": l_ar, "loss_lipschitz": loss_lipschitz, "norm_one": norm_one, "norm_two": norm_two}
    reach = loss_lipschitz * (norm_one + norm_two)
    most, apart = most_alignment(l_ar, norm, images), unrelated_alignment(unrelated, norm)
    return Bound(
        name="risk gap",
        value=reach * math.sqrt(l_ar),
        terms=terms,
        conditions={},
        trivial=min(largest_loss, reach * norm, reach * math.sqrt(apart)),
        limit=None if most is None else reach * math.sqrt(most),
        source="Zhao et al. 2023 (ArCL), Theorem 2 in first power",
        scope="" if views is None else over_views(views),
    )
