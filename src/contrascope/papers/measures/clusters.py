"""Whether an encoder's classes are clusters: the silhouette by class, before training and at its end."""

from typing import Any, cast

import torch
from sklearn.metrics import silhouette_score
from torch import Tensor

from contrascope.features.embed import embed
from contrascope.linalg import unit_rows
from contrascope.papers.measures.measured_run import MeasuredRun, MeasureFound, RunMeasure, some_of

IMAGES = 2_000
"""Test images, the same for every run."""


def clusters(one: MeasuredRun) -> MeasureFound:
    """Silhouette by class of unit h of clean test images, from -1 to 1: at the start and at the end."""
    test = one.sets[1].select(some_of(len(one.sets[1]), IMAGES))
    y = next(iter(test.labels.values()))
    found = {
        name: silhouette(unit_rows(embed(method.encoder, None, test, device=one.device).h[0]), y)
        for name, method in (("start", one.start()), ("end", one.run.method))
    }
    return MeasureFound(values={f"silhouette_{name}": value for name, value in found.items()})


def silhouette(rows: Tensor, y: Tensor) -> float:
    """Mean over images of (b - a) / max(a, b): a is the mean distance to its own class, b to the nearest other one.

    >>> silhouette(torch.tensor([[0.0], [0.0], [1.0], [1.0]]), torch.tensor([0, 0, 1, 1]))
    1.0
    """
    return float(cast(Any, silhouette_score(rows.cpu().numpy(), y.cpu().numpy())))


CLUSTERS = RunMeasure(settings={"images": IMAGES}, make=torch.no_grad()(clusters), minutes=0.4)
