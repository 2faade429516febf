"""The geometry of encoder and projector from before the first step to the end, as Cosentino et al. 2022 show it."""

from typing import Any

import torch

from contrascope import records
from contrascope.diagnosis.geometry import FeatureGeometry
from contrascope.geometry.toys import rotation_rank
from contrascope.jobs.geometry_probe import GeometryProbe, geometry_row
from contrascope.papers.measures.measured_run import AloneMeasure, MeasuredRun, MeasureFound, RunMeasure
from contrascope.papers.table import Sources
from contrascope.runs.load import policies_for

PREFIX = "geometry_"
ANGLES = (1.0, 5.0, 10.0, 20.0, 45.0, 90.0, 180.0, 360.0)
"""Ranges of figure 10, in degrees."""
SEEDS = 5
"""Of figure 10."""
THRESHOLDS = {"relative 1e-2": (1e-2, True), "absolute 1e-2": (1e-2, False), "absolute 1e-3": (1e-3, False)}
"""Name to threshold, and whether it is relative to the largest singular value."""


def geometry(one: MeasuredRun) -> MeasureFound:
    """Curves over epochs of what the run's probe followed, epoch 0 first; spectra at start, middle and end."""
    settings, images = one.run.settings, one.sets[0]
    probe = GeometryProbe(
        images,
        policies_for(settings.policy, images),
        settings=settings.geometry,
        epochs=settings.training.epochs,
        seed=settings.training.seed,
        device=one.device,
    )
    along = one.kept()
    middle = along[(len(along) - 1) // 2][1]() if len(along) > 1 else one.run.method
    start, half, end = (probe.measure(method) for method in (one.start(), middle, one.run.method))
    rows = [{"epoch": 0.0, **geometry_row(start)}, *followed(one)]
    shared = set.intersection(*(set(row) for row in rows))
    found = {
        name.removeprefix(PREFIX): tuple(float(row[name]) for row in rows)
        for name in rows[0]
        if name in shared and (name.startswith(PREFIX) or name == "epoch")
    }
    curves = {f"geometry {name}": curve for name, curve in found.items()}
    moments = {"start": start.features, "half": half.features, "end": end.features}
    for name, features in moments.items():
        curves |= _pictures(name, features)
    return MeasureFound(values={"h_width": float(end.features.dim), **_clean_ranks(moments)}, curves=curves)


def followed(one: MeasuredRun) -> list[dict[str, Any]]:
    """The rows of the geometry in the run's metrics, by epoch."""
    rows = records.read_metrics(one.folder / records.METRICS)
    return [row for row in rows if row.get("kind") == "probe" and f"{PREFIX}loss" in row]


def _clean_ranks(moments: dict[str, FeatureGeometry]) -> dict[str, float]:
    return {
        f"clean_rank_{name}": float(features.clean.relative)
        for name, features in moments.items()
        if features.clean is not None
    }


def _pictures(name: str, features: FeatureGeometry) -> dict[str, tuple[float, ...]]:
    """What figures 4, 5 and 9 draw."""
    found = {
        f"augmented_spectrum_{name}": features.augmented.singular_values,
        f"negatives_histogram_{name}": tuple(map(float, features.negatives.histogram_spread)),
    }
    if features.clean is not None:
        found[f"clean_spectrum_{name}"] = features.clean.singular_values
    return found


def rotations(sources: Sources) -> MeasureFound:
    """Figure 10: rank of the covariance of rotated copies of one pixel, mean over five seeds."""
    images = 40 if sources.dry else 500
    found = {
        name: tuple(
            sum(
                rotation_rank(angle, threshold=threshold, relative=relative, images=images, seed=seed)
                for seed in range(SEEDS)
            )
            / SEEDS
            for angle in ANGLES
        )
        for name, (threshold, relative) in THRESHOLDS.items()
    }
    return MeasureFound(values={}, curves={"degrees": ANGLES, **found})


GEOMETRY = RunMeasure(
    settings={"moments": ["start", "half", "end"]}, make=torch.no_grad()(geometry), minutes=0.6
)
ROTATIONS = AloneMeasure(
    settings={
        "angles": list(ANGLES),
        "seeds": SEEDS,
        "thresholds": {k: list(v) for k, v in THRESHOLDS.items()},
    },
    make=rotations,
    minutes=1.0,
)
