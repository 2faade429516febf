"""The last experiment of Huang et al. 2023 (arXiv:2111.00743): alignment without a temperature, beside SimCLR.

Published values: the last slide of experiments of "The Generalization of Contrastive Self-Supervised Learning" (ICLR
2023), which names neither data, encoder nor lambda.
"""

from dataclasses import replace

from contrascope.evaluation.published import PUBLISHED_EPOCHS, PUBLISHED_MODIFIED
from contrascope.methods.joint.plain_settings import PlainSettings
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.papers.claims import Claim
from contrascope.papers.huang2023 import PAPER, SCORES
from contrascope.papers.scales import SIMCLR, finished, run_settings
from contrascope.papers.table import Cell, PanelNumber, PaperTable, Scale, Sources, TablePanel, number
from contrascope.papers.values import SeedValues

LENGTHS: dict[Scale, tuple[int, ...]] = {
    "cpu": (4, 6, 8, 10),
    "gpu": (10, 20, 30, 40),
    "paper": PUBLISHED_EPOCHS,
}
"""Epochs of the four columns, each a run of its own."""
LAMBDAS = (0.2, 0.4, 0.8)
"""2 x temperature, at which the loss is NT-Xent's decoupled form, and half and twice of it."""
COLUMN_NAMES = ("first", "second", "third", "fourth")
"""Of the four lengths, whatever the scale."""
_ARMS = tuple(PUBLISHED_MODIFIED)


def _modified(repulsion: float) -> str:
    return f"modified, lambda {repulsion:g}"


def _losses() -> dict[str, SimCLRSettings | PlainSettings]:
    """Row to method: SimCLR at two temperatures, and the other loss at each lambda."""
    modified = {
        _modified(one): PlainSettings(
            loss="modified_info_nce", loss_settings=("temperature=0.2", f"repulsion={one:g}")
        )
        for one in LAMBDAS
    }
    rows = dict(zip(_ARMS, (SimCLRSettings(temperature=1.0), SimCLRSettings(temperature=0.5)), strict=False))
    return {**rows, **modified}


def _modified_cells(scale: Scale, sources: Sources) -> tuple[Cell, ...]:
    """The longest runs last: a stop leaves whole columns."""
    base = run_settings(scale, SIMCLR, "cifar10", sources)
    made = []
    for column, epochs in zip(COLUMN_NAMES, LENGTHS[scale], strict=True):
        for row, method in _losses().items():
            settings = replace(base, method=method, training=replace(base.training, epochs=epochs))
            name = f"{row}/{column}"
            made.append(Cell(name=name, settings=finished(settings, sources), measures=(SCORES,)))
    return tuple(made)


def chosen_lambda(seed: SeedValues, column: str) -> float:
    """The lambda whose kNN on held-out training images is best; test images choose nothing."""
    return max(LAMBDAS, key=lambda one: seed(f"{_modified(one)}/{column}", "held_out"))


def _of_chosen(seed: SeedValues, column: str) -> float:
    return seed(f"{_modified(chosen_lambda(seed, column))}/{column}", "knn")


def _modified_at(row: str, column: str) -> PanelNumber:
    place = COLUMN_NAMES.index(column)
    if row in _ARMS:
        published = PUBLISHED_MODIFIED[row][place]
        if row == _ARMS[-1]:
            return PanelNumber(value=lambda seed: _of_chosen(seed, column), published=published)
        return number(f"{row}/{column}", "knn", published)
    return number(f"{row}/{column}", "knn")


def _modified_is_best(seed: SeedValues) -> float:
    last = COLUMN_NAMES[-1]
    low, high = (seed(f"{row}/{last}", "knn") for row in _ARMS[:2])
    return min(_of_chosen(seed, last) - high, high - low)


MODIFIED_TABLE = PaperTable(
    name="huang-modified",
    title="SimCLR at two temperatures and alignment without a temperature, four lengths",
    source=f"{PAPER}; slides of ICLR 2023, last slide of experiments",
    cells=_modified_cells,
    panels=(
        TablePanel(
            title="CIFAR-10: kNN accuracy on test images, %, after four lengths of training; the last of the first "
            "three rows has the lambda that is best on held-out training images",
            rows=(*_ARMS, *map(_modified, LAMBDAS)),
            columns=COLUMN_NAMES,
            at=_modified_at,
        ),
    ),
    claims=(
        Claim(
            key="H16",
            says="alignment without a temperature beats SimCLR at 0.5, and that beats 1",
            rule="smaller of modified less SimCLR 0.5 and that less SimCLR 1, longest training, points",
            decide=_modified_is_best,
        ),
    ),
    notes=(
        "The slide names neither the images nor lambda, nor whether its columns are runs of their own; here they are.",
        f"Lengths in epochs: {', '.join(f'{scale} {found}' for scale, found in LENGTHS.items())}.",
    ),
)
TABLES = (MODIFIED_TABLE,)
