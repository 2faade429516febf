"""How long a table takes, before it is begun: by measured speeds, and where there are none by a guess."""

from collections.abc import Sequence

from contrascope.papers.scales import CPU_SIDE, TRAIN_IMAGES
from contrascope.papers.table import Cell, Scale
from contrascope.settings import kind_of

RATE = 600.0
"""Images a second of SimCLR at the scale of a CPU on one thread of an AMD EPYC with AVX2 alone, two views of 24 px."""
H100_EPOCH = 5.0
"""Seconds of an epoch of two views of CIFAR with a ResNet-18 in bf16 on an H100: a guess, *not measured*."""
SLOWNESS = {"MoCo": 1.3, "TMoCo": 1.3, "BarlowTwins": 1.1, "SimSiam": 1.1}
"""Of a step beside SimCLR's, by the beginning of the settings' name: from minutes in docs/results.md."""
MEASURES = {
    "scores": 1.5,
    "twin": 0.5,
    "theorem": 0.3,
    "curves": 1.5,
    "clusters": 0.4,
    "copies": 6.0,
    "geometry": 0.6,
    "transfer": 12.0,
    "concentration": 12.0,
    "rotations": 1.0,
}
"""Minutes of a measurement on one thread, by name."""
START = 0.4
"""Minutes of a run beside its steps: imports, and opening the images twice."""


def minutes_of(cells: Sequence[Cell], scale: Scale) -> float:
    """Minutes of all cells with one seed: on one thread of a CPU alone, or on an H100.

    >>> minutes_of([Cell(name="x", settings=None, measures=("twin",))], "cpu")
    0.5
    """
    return sum(_training(one, scale) + sum(MEASURES.get(name, 1.0) for name in one.measures) for one in cells)


def _training(cell: Cell, scale: Scale) -> float:
    if cell.settings is None:
        return 0.0
    training = cell.settings.training
    kind = kind_of(type(cell.settings.method)).removesuffix("Settings")
    passes = training.epochs * training.num_views / 2 * SLOWNESS.get(kind, 1.0)
    if scale != "cpu":
        return START + passes * H100_EPOCH / 60
    side = cell.settings.policy.size or 32
    return START + passes * TRAIN_IMAGES * (side / CPU_SIDE) ** 2 / RATE / 60
