"""The three factors along the epochs, and theorem 1 at the end, of unit features on fixed views of test images."""

import torch
from torch import Tensor

from contrascope.augment.presets import build_policy
from contrascope.augment.settings import PolicySettings
from contrascope.diagnosis.exhibits import FixedViews, embed_views, fixed_views
from contrascope.methods.base import Method
from contrascope.papers.measures.measured_run import MeasuredRun, MeasureFound, RunMeasure, some_of
from contrascope.runs.load import policies_for
from contrascope.theory.bounds.embedding_bound import embedding_error_bounds
from contrascope.theory.factors.alignment import alignment, unit_views
from contrascope.theory.factors.divergence import divergence

IMAGES, VIEWS = 2_000, 2
POLICY = "simclr-cifar"
"""Views of the curves: the same for every method."""


def theorem(one: MeasuredRun) -> MeasureFound:
    """Theorem 1 of Huang et al. 2023 on the encoder under the views that it was trained on.

    L delta is replaced by measured distances of closest views (docs/theory/bounds.md). `theorem_holds` is 1 where the
    condition holds, and only there `theorem_value` bounds `theorem_error`; both in percent.
    """
    test = one.sets[1].select(some_of(len(one.sets[1]), IMAGES))
    views = fixed_views(test, policies_for(one.run.settings.policy, test), num_views=VIEWS)
    h, _ = embed_views(one.networks(one.run.method), views, device=one.device)
    bound = embedding_error_bounds(unit_views(h), next(iter(test.labels.values()))).theorem
    return MeasureFound(
        values={
            "theorem_holds": float(bound.holds),
            "theorem_value": 100 * bound.value,
            "theorem_error": 100 * bound.terms.get("error", 1.0),
        }
    )


def curves(one: MeasuredRun) -> MeasureFound:
    """Alignment and divergence of h and z from before the first step to the end, beside the theorem's threshold."""
    test = one.sets[1].select(some_of(len(one.sets[1]), IMAGES))
    policies = build_policy(PolicySettings(name=POLICY), channels=test.shape[0], size=min(test.shape[1:]))
    views = fixed_views(test, policies, num_views=VIEWS)
    y = next(iter(test.labels.values()))
    kept = [(0.0, one.start), *one.kept()]
    rows = [_factors(one, make(), views, y) for _, make in kept]
    found = {name: tuple(row[name] for row in rows) for name in rows[0]}
    return MeasureFound(values={}, curves={"epoch_of_factors": tuple(epoch for epoch, _ in kept), **found})


def _factors(one: MeasuredRun, method: Method, views: FixedViews, y: Tensor) -> dict[str, float]:
    found: dict[str, float] = {}
    for layer, rows in zip("hz", embed_views(one.networks(method), views, device=one.device), strict=True):
        if rows is None:
            continue
        unit = unit_views(rows)
        apart, terms = divergence(unit, y), embedding_error_bounds(unit, y).theorem.terms
        close = alignment(unit).value
        found |= {
            f"{layer}_alignment": close,
            f"{layer}_alignment_relative": close / max(distance_of_others(unit), 1e-12),
            f"{layer}_max_inner": apart.max_inner.value,
            f"{layer}_mean_inner": apart.mean_inner.value,
            f"{layer}_max_cosine": apart.max_cosine.value,
            f"{layer}_delta_mu": apart.delta_mu,
            f"{layer}_threshold": terms.get("threshold", -1.0),
        }
    return found


def distance_of_others(unit: Tensor) -> float:
    """Mean squared distance of views of two different images, [views n dim] of unit rows.

    >>> distance_of_others(torch.eye(2)[None])
    2.0
    """
    views, n, _ = unit.shape
    every = unit.double().sum(dim=(0, 1)).square().sum()
    own = unit.double().sum(dim=0).square().sum()
    return float(2 - 2 * (every - own) / (views**2 * n * (n - 1)))


THEOREM = RunMeasure(settings={"images": IMAGES, "views": VIEWS}, make=torch.no_grad()(theorem), minutes=0.2)
CURVES = RunMeasure(
    settings={"images": IMAGES, "views": VIEWS, "policy": POLICY}, make=torch.no_grad()(curves), minutes=1.5
)
