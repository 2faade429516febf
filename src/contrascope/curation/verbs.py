"""The commands on a folder as functions: each takes a run, an encoder's name, a model, or rows embedded already."""

from pathlib import Path
from typing import Any

import torch

from contrascope.curation.clusters import Clusters, find_clusters
from contrascope.curation.duplicates import Duplicates, find_duplicates
from contrascope.curation.neighbours import NearImages, find_neighbours
from contrascope.curation.outliers import K, Outliers, find_outliers
from contrascope.curation.predict import DECLINE, Predictions, predict_anything
from contrascope.progress import Progress, silent
from contrascope.subjects.open import open_subject

Device = torch.device | str | None
"""Where networks run; None: the first GPU or the CPU, for a model in memory where it lies."""


def neighbours(
    thing: Any,
    query: Any,
    images: Any = None,
    *,
    k: int = 10,
    step: int | None = None,
    device: Device = None,
    progress: Progress = silent,
) -> NearImages:
    """The k images nearest to a picture file, an image in memory, or one of the images by its name.

    `thing`: a run (with its own images unless others are given), an encoder's name or a model with images, or rows.

    >>> import contrascope
    >>> contrascope.neighbours([[1.0, 0.0], [0.0, 1.0], [1.0, 0.1]], "0", k=1).index.tolist()
    [2]
    """
    return find_neighbours(
        open_subject(thing, data=images, step=step), query, k=k, device=device, progress=progress
    )


def duplicates(
    thing: Any,
    images: Any = None,
    *,
    against: Any = None,
    against_split: str | None = None,
    similarity: float | None = None,
    step: int | None = None,
    device: Device = None,
    progress: Progress = silent,
) -> Duplicates:
    """Pictures that stand twice among the images, or in them and in a second set.

    >>> import contrascope
    >>> contrascope.duplicates([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]).groups
    ((0, 2),)
    """
    return find_duplicates(
        open_subject(thing, data=images, step=step),
        against=against,
        against_split=against_split,
        similarity=similarity,
        device=device,
        progress=progress,
    )


def outliers(
    thing: Any,
    images: Any = None,
    *,
    k: int = K,
    step: int | None = None,
    device: Device = None,
    progress: Progress = silent,
) -> Outliers:
    """All images by how far they are from their k nearest.

    >>> import contrascope
    >>> contrascope.outliers([[1.0, 0.0], [0.0, 1.0], [1.0, 0.1]], k=1).order[0].item()
    1
    """
    return find_outliers(open_subject(thing, data=images, step=step), k=k, device=device, progress=progress)


def clusters(
    thing: Any,
    images: Any = None,
    *,
    k: int | None = None,
    seed: int = 0,
    step: int | None = None,
    device: Device = None,
    progress: Progress = silent,
) -> Clusters:
    """Groups of images by k-means; without k as many as its rule finds.

    >>> import contrascope
    >>> contrascope.clusters([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0], [1.0, 0.2]], k=2).sizes
    (3, 2)
    """
    subject = open_subject(thing, data=images, step=step)
    return find_clusters(subject, k=k, seed=seed, device=device, progress=progress)


def predict(
    thing: Any,
    labelled: Path | str,
    images: Any = None,
    *,
    labelled_images: Any = None,
    decline: float = DECLINE,
    seed: int = 0,
    step: int | None = None,
    device: Device = None,
    progress: Progress = silent,
) -> Predictions:
    """A class with a confidence, or "do not know", for every image, from a table (file, class) of labelled ones.

    `images`: those to answer for, a run's own if unset; `labelled_images`: where the table's files lie, if they are
    neither of these nor of the run's own.
    """
    return predict_anything(
        thing,
        Path(labelled),
        images,
        step=step,
        labelled_data=labelled_images,
        decline=decline,
        seed=seed,
        device=device,
        progress=progress,
    )
