"""Curves for gallery.json: spectra, R_eps and concentration, each beside the random encoder's."""

from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from contrascope.augment.policy import Policy
from contrascope.diagnosis.exhibits import Networks
from contrascope.draws import PROBE_EPOCH
from contrascope.features.embed import embed
from contrascope.gallery.part import GallerySettings, Part
from contrascope.linalg import unit_rows
from contrascope.theory.concentration.cliques import closest_view_distances, greedy_clique
from contrascope.theory.factors.alignment import r_epsilon_curve, unit_views
from contrascope.theory.factors.spectrum import spectrum

REFERENCE_IMAGES = 2000
"""Images on which the curves are measured, of the run and of its random twin alike."""
PER_CLASS = 100
"""Images of a class on which concentration is measured."""
MOST_CLASSES = 20
"""Classes on which concentration is measured, the first ones."""


def factor_curves(
    twin: Networks | None,
    part: Part,
    policies: tuple[Policy, ...],
    settings: GallerySettings,
    *,
    device: torch.device | str = "cpu",
) -> dict[str, Any]:
    """Spectra, R_eps and concentration of a part beside the random twin's, on the same views of the same images."""
    few = torch.arange(min(REFERENCE_IMAGES, len(part.ids)))
    layers = {"h": part.views[:, few]}
    if part.z is not None:
        layers["z"] = part.z[:, few]
    if twin is not None:
        known = embed(
            twin.encoder,
            twin.projector,
            part.images.select(few),
            policies=policies,
            num_views=settings.measured_views,
            seed=settings.seed,
            epoch=PROBE_EPOCH,
            device=device,
        )
        layers["reference_h"] = known.h
        if known.z is not None:
            layers["reference_z"] = known.z
    found: dict[str, Any] = {
        "spectra": {name: spectrum(rows[0]).eigenvalues.tolist() for name, rows in layers.items()},
        "r_epsilon": _r_epsilon(layers, seed=settings.seed),
    }
    y = part.images.y
    if y is not None and len(y[few].unique()) > 1:
        pair = {name: layers[name] for name in ("h", "reference_h") if name in layers}
        found["concentration"] = concentration(pair, y[few])
    return found


def _r_epsilon(layers: dict[str, Tensor], *, seed: int) -> dict[str, Any]:
    grid = torch.linspace(0, 2, 41, dtype=torch.float64)
    found: dict[str, Any] = {}
    for name, rows in layers.items():
        curve = r_epsilon_curve(unit_views(rows), grid, draws=1)
        found[name] = {
            key: [round(v, 5) for v in getattr(curve, key).tolist()] for key in ("share", "low", "high")
        }
    return {"epsilons": [round(eps, 4) for eps in grid.tolist()], "layers": found}


def concentration(
    layers: dict[str, Tensor], y: Int[Tensor, " n"], *, per_class: int = PER_CLASS
) -> dict[str, Any]:
    """sigma(delta) of each layer [views n dim], mean and smallest over classes: greedy cliques of closest views.

    Huang et al. 2023 (arXiv:2111.00743), definition 1, with the augmented distance taken between the rows of the
    encoder instead of pixels; greedy cliques make sigma a bound from below.

    >>> rows = torch.eye(2).repeat(2, 3, 1)
    >>> concentration({"h": rows}, torch.tensor([0, 1] * 3))["layers"]["h"]["smallest"][0]
    1.0
    """
    deltas = torch.linspace(0, 2, 21, dtype=torch.float64).tolist()
    found: dict[str, Any] = {}
    for name, rows in layers.items():
        shares = []
        for code in y.unique().tolist()[:MOST_CLASSES]:
            mine = (y == code).nonzero().flatten()[:per_class]
            unit = torch.stack([unit_rows(view[mine].double()) for view in rows], dim=1)
            distance = closest_view_distances(unit)
            shares.append([len(greedy_clique(distance, delta)) / len(mine) for delta in deltas])
        table = torch.tensor(shares, dtype=torch.float64)
        found[name] = {
            "mean": [round(v, 5) for v in table.mean(dim=0).tolist()],
            "smallest": [round(v, 5) for v in table.amin(dim=0).tolist()],
        }
    grid = [round(delta, 4) for delta in deltas]
    return {"deltas": grid, "images_per_class": per_class, "layers": found}
