"""1 - sigma of ten pairs of operations on test images, raw and normalised pixels, at two deltas."""

import itertools

import torch
from torch import Tensor

from contrascope.augment.settings import PolicySettings
from contrascope.data.imageset import ImageSet
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.features.nested_views import nested_views, policy_name
from contrascope.papers.measures.measured_run import AloneMeasure, MeasureFound
from contrascope.papers.table import Sources
from contrascope.progress import Say, to_stderr
from contrascope.theory.concentration.augmented_distance import augmented_distance, normalised_pixels
from contrascope.theory.concentration.concentration import concentration, delta_grid

PAIRS = tuple("".join(pair) for pair in itertools.combinations("abcde", 2))
"""Of crop, blur, colour dropping, colour distortion and flip."""
SPACES = ("raw", "normalised")
PER_CLASS, VIEWS, STRENGTH, SECONDS = 150, 32, 0.5, 2.0
"""Test images of a class; views of each, itself among them; of colour distortion; for the cliques of a class."""
QUANTILES = (0.05, 0.2)
"""Of the distances within classes under the crop: the two deltas."""


def policies(strength: float) -> list[PolicySettings]:
    """The five operations and their ten pairs."""
    return [
        PolicySettings(name=name, strength=strength if "d" in name else None) for name in [*"abcde", *PAIRS]
    ]


def some_of_each_class(images: ImageSet, per_class: int) -> tuple[ImageSet, Tensor]:
    """The first images of every class, and their labels."""
    y = next(iter(images.labels.values()))
    ids = torch.cat([(y == label).nonzero().flatten()[:per_class] for label in y.unique()])
    return images.select(ids), y[ids]


def distances(
    images: ImageSet,
    y: Tensor,
    settings: list[PolicySettings],
    space: str,
    views: int,
    *,
    say: Say = to_stderr,
) -> tuple[dict[str, Tensor], dict[str, int]]:
    """d_A within each class, policy by policy (0 between classes, where nothing is looked at), and distinct views."""
    found = {policy_name(one): torch.zeros(len(y), len(y), dtype=torch.float32) for one in settings}
    distinct: dict[str, int] = {}
    for label in y.unique():
        ids = (y == label).nonzero().flatten()
        made = nested_views(images.gather(ids), settings, ids=ids, num_views=views)
        for name, each in made.views.items():
            rows = each.flatten(2)
            rows = rows if space == "raw" else normalised_pixels(rows)
            found[name][ids[:, None], ids] = augmented_distance(rows)
            distinct[name] = made.distinct[name]
        say(f"{space}: distances of class {int(label)}")
    return found, distinct


def pairs(sources: Sources) -> MeasureFound:
    """1 - sigma (mean over classes, from the larger cliques found) of each pair, a curve over the deltas, by space."""
    data = DataSettings(source=sources.cifar10, split="test", labels="label")
    per_class, views = PER_CLASS, VIEWS
    if sources.dry:
        data = DataSettings(source="shapes", split="test", count=24)
        per_class, views = 4, 4
    images, y = some_of_each_class(open_images(data), per_class)
    curves: dict[str, tuple[float, ...]] = {}
    for space in SPACES:
        between, _ = distances(images, y, policies(STRENGTH), space, views)
        grids = [delta_grid(between["a"], y, size=1, low=q, high=q) for q in QUANTILES]
        deltas = torch.cat(grids)
        curves[f"{space} delta"] = tuple(deltas.tolist())
        for name, distance in between.items():
            letters = name.partition("@")[0]
            if letters in PAIRS:
                found = concentration(distance, y, deltas, seconds=SECONDS)
                curves[f"{space} {letters}"] = tuple((1 - found.mean_low).tolist())
                curves[f"{space} {letters} low"] = tuple((1 - found.mean_high).tolist())
    return MeasureFound(values={}, curves=curves)


CONCENTRATION = AloneMeasure(
    settings={"per_class": PER_CLASS, "views": VIEWS, "strength": STRENGTH, "quantiles": list(QUANTILES)},
    make=torch.no_grad()(pairs),
    minutes=15.0,
)
