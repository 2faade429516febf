"""Estimates and bounds on shapes where all is known: the part `truth` of `concentration.py`."""

import argparse
import math
import sys
from typing import Any

import numpy as np
import torch

from contrascope.data.drawn.shapes import draw_shapes, shape_factors
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.theory.concentration.augmented_distance import augmented_distance
from contrascope.theory.concentration.concentration import concentration, delta_grid
from contrascope.theory.worlds.shift_truth import ShiftTruth, shift_bound, shift_estimate, shift_truth
from contrascope.theory.worlds.shift_world import ShiftEncoder, shift_distance, shift_views

VIEWS = (1, 2, 4, 8, 16, 32, 64, 128)
SPREADS = (0.0, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.2, 1.0)
"""Shares of the built-in range of place, size, tilt and contrast."""
MIDDLE = {"x": 0.5, "y": 0.5, "size": 0.6, "tilt": 180.0}
REACH, LEAK, SIDE, CONTRAST = 0.2, 0.02, 16, 0.6
KINDS, FITTED, JUDGED, RIDGE = 8, 1600, 120, 0.01
ESTIMATED_SPREAD = 0.005


def truth(args: argparse.Namespace) -> dict[str, Any]:
    """Distance and sigma of drawn views against the known ones; then the main theorem with the known numbers."""
    return distances(args) | bounds(args) | estimates(args)


def distances(args: argparse.Namespace) -> dict[str, Any]:
    images = open_images(DataSettings(source="shapes", split="train"))
    ids = (images.labels["shape"] == 0).nonzero().flatten()[:60]
    pixels = images.select(ids).gather(torch.arange(len(ids))).double().flatten(2) / 255
    y = torch.zeros(len(pixels), dtype=torch.int64)
    known = shift_distance(pixels, reach=REACH)
    grid = delta_grid(known, y, size=args.grid)
    target = concentration(known, y, grid, seconds=args.seconds)
    found = []
    for num_views in VIEWS:
        distance = augmented_distance(shift_views(pixels, reach=REACH, num_views=num_views))
        curve = concentration(distance, y, grid, seconds=args.seconds)
        row = {
            "views": num_views,
            "mean_distance_error": ((distance - known).sum() / known.sum()).item(),
            "mean_sigma_error": (target.lower - curve.lower).mean().item(),
            "largest_sigma_error": (target.lower - curve.lower).max().item(),
            "exact": bool(curve.exact.all() and target.exact.all()),
        }
        print(row, file=sys.stderr, flush=True)
        found.append(row)
    x, y_log = ([math.log(row[name]) for row in found[3:]] for name in ("views", "mean_distance_error"))
    return {"truth": found, "slope_of_distance_error": float(np.polyfit(x, y_log, 1)[0])}


def shapes(spread: float, count: int, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Shapes of any colour, lighter than their flat backdrop by about the contrast, poses within the share."""
    drawn = shape_factors(split, count=count, seed=0, background=0.0)
    factors = drawn | {name: value + spread * (drawn[name] - value) for name, value in MIDDLE.items()}
    dark = 0.4 * drawn["background"]
    own = (drawn["foreground"] - drawn["background"]).abs().clamp_max(CONTRAST)
    factors |= {
        "background": dark,
        "background_second": dark,
        "foreground": dark + CONTRAST + spread * (own - CONTRAST),
    }
    return draw_shapes(factors, SIDE).double().flatten(2) / 255, drawn["shape"]


def fisher(images: torch.Tensor, y: torch.Tensor, leak: float) -> ShiftEncoder:
    """Fisher's discriminant of other images, scaled so that class means become the corners of a simplex."""
    rows = ShiftEncoder().parts(images)[1]
    means = torch.stack([rows[y == label].mean(dim=0) for label in y.unique()])
    middle = means.mean(dim=0)
    within = (rows - means[y]).T @ (rows - means[y]) / len(rows)
    between = (means - middle).square().sum() / means.numel()
    within.diagonal().add_(RIDGE * between)
    plain = torch.linalg.solve(within, (means - middle).T).T
    weight = torch.linalg.pinv(plain @ (means - middle).T, hermitian=True, rtol=1e-10) @ plain
    return ShiftEncoder(weight=weight, bias=-weight @ middle, leak=leak)


def bounds(args: argparse.Namespace) -> dict[str, Any]:
    """Theorem 1 with all numbers exact, for more and more different poses; with a leak; with images mislabelled."""
    found = []
    for spread in SPREADS:
        images, shown = shapes(spread, JUDGED, "test")
        for leak, strays in ((0.0, 0), (LEAK, 0), (0.0, 1)):
            encoder = fisher(*shapes(spread, FITTED, "train"), leak)
            y = torch.where(torch.arange(JUDGED) < strays * KINDS, (shown + 1) % KINDS, shown)
            known = shift_truth(images, y, encoder, reach=REACH)
            row = {"spread": spread, "leak": leak, "strays": strays} | told(known, y, args)
            print(row, file=sys.stderr, flush=True)
            found.append(row)
    return {"bounds": found}


def estimates(args: argparse.Namespace) -> dict[str, Any]:
    """The same with numbers estimated from drawn views; the last row of each leak is the truth."""
    found = []
    images, y = shapes(ESTIMATED_SPREAD, JUDGED, "test")
    for leak in (0.0, LEAK):
        encoder = fisher(*shapes(ESTIMATED_SPREAD, FITTED, "train"), leak)
        for num_views in (*VIEWS, None):
            if num_views is None:
                known = shift_truth(images, y, encoder, reach=REACH)
            else:
                known = shift_estimate(images, y, encoder, reach=REACH, num_views=num_views)
            row = {"views": num_views, "leak": leak} | told(known, y, args)
            print(row, file=sys.stderr, flush=True)
            found.append(row)
    return {"estimates": found, "spread": ESTIMATED_SPREAD}


def told(known: ShiftTruth, y: torch.Tensor, args: argparse.Namespace) -> dict[str, Any]:
    row: dict[str, Any] = {"error": known.error}
    for name, within in (("all", False), ("within", True)):
        best = shift_bound(known, y, within=within, seconds=args.seconds)
        terms = best.bound.terms
        row[name] = {
            "sigma": best.sigma,
            "delta": best.delta,
            "lipschitz": terms["lipschitz"],
            "epsilon": terms["epsilon"],
            "r_epsilon": terms["r_epsilon"],
            "bound": best.bound.value,
            "slack": terms["smallest_slack"],
            "word": best.bound.word,
        }
    return row
