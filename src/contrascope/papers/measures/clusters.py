"""Whether an encoder's classes are clusters: the silhouette by class and a picture, before training and at its end."""

from typing import Any, cast

import torch
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score
from torch import Tensor

from contrascope.features.embed import embed
from contrascope.linalg import unit_rows
from contrascope.papers.measures.measured_run import MeasuredRun, MeasureFound, RunMeasure, some_of

IMAGES, SHOWN = 2_000, 500
"""Test images, the same for every run; of them those in the picture."""


def clusters(one: MeasuredRun) -> MeasureFound:
    """Silhouette by class of unit h of clean test images, from -1 to 1: at the start and at the end.

    The curves `x`, `y` and `class` are places of some of the images in the plane by t-SNE, for pictures alone.
    """
    test = one.sets[1].select(some_of(len(one.sets[1]), IMAGES))
    y = next(iter(test.labels.values()))
    values: dict[str, float] = {}
    curves: dict[str, tuple[float, ...]] = {"class": tuple(map(float, y[:SHOWN].tolist()))}
    for name, method in (("start", one.start()), ("end", one.run.method)):
        rows = unit_rows(embed(method.encoder, None, test, device=one.device).h[0])
        values[f"silhouette_{name}"] = silhouette(rows, y)
        curves |= {f"{axis}_{name}": found for axis, found in zip("xy", places(rows[:SHOWN]), strict=True)}
    return MeasureFound(values=values, curves=curves)


def places(rows: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Both coordinates of rows [n dim] in the plane, from 0 to 1: t-SNE from two principal components, seed 0."""
    near = min(30.0, (len(rows) - 1) / 3)
    found = TSNE(init="pca", perplexity=near, random_state=0, metric="cosine").fit_transform(
        rows.cpu().numpy()
    )
    found = found - found.min(0)
    scaled = found / found.max().clip(1e-9)
    x, y = (tuple(round(float(value), 3) for value in column) for column in scaled.T)
    return x, y


def silhouette(rows: Tensor, y: Tensor) -> float:
    """Mean over images of (b - a) / max(a, b): a is the mean distance to its own class, b to the nearest other one.

    >>> silhouette(torch.tensor([[0.0], [0.0], [1.0], [1.0]]), torch.tensor([0, 0, 1, 1]))
    1.0
    """
    return float(cast(Any, silhouette_score(rows.cpu().numpy(), y.cpu().numpy())))


CLUSTERS = RunMeasure(
    settings={"images": IMAGES, "shown": SHOWN}, make=torch.no_grad()(clusters), minutes=0.4
)
