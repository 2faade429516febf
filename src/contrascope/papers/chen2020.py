"""Figure 5 of Chen et al. 2020 (arXiv:2002.05709, SimCLR): one operation alone, and compositions of two.

The figure is on ImageNet with other operations and prints linear accuracies there; the order is what is compared.
"""

from contrascope.papers.claims import Claim
from contrascope.papers.huang2023_figures import PAIR_EPOCHS, PAIRS, letters_cell
from contrascope.papers.table import Cell, PanelNumber, PaperTable, Scale, Sources, TablePanel, number
from contrascope.papers.values import SeedValues

OPERATIONS = {"a": "crop", "b": "blur", "c": "colour dropping", "d": "colour distortion", "e": "flip"}


def _cells(scale: Scale, sources: Sources) -> tuple[Cell, ...]:
    """The pairs are those of `huang-pairs`, in its order."""
    made = [letters_cell(scale, one, sources, epochs=PAIR_EPOCHS) for one in (*PAIRS, *OPERATIONS)]
    return tuple(made)


def _name(one: str, other: str) -> str:
    return "cifar10/simclr/" + "".join(sorted({one, other}))


def _at(row: str, column: str) -> PanelNumber:
    letters = {title: letter for letter, title in OPERATIONS.items()}
    return number(_name(letters[row], letters[column]), "knn")


def crop_and_colour_lead(seed: SeedValues) -> float:
    """The lead of crop with colour distortion over every other pair and every operation alone, in points."""
    best = seed(_name("a", "d"), "knn")
    others = [seed(f"cifar10/simclr/{one}", "knn") for one in (*PAIRS, *OPERATIONS) if one != "ad"]
    return best - max(others)


MATRIX_TABLE = PaperTable(
    name="simclr-matrix",
    title="compositions of two of five operations, and each alone",
    source="Chen et al. 2020, arXiv:2002.05709, figure 5 (ImageNet; other operations)",
    cells=_cells,
    panels=(
        TablePanel(
            title="CIFAR-10: kNN accuracy on test images, %; the diagonal is one operation alone",
            rows=tuple(OPERATIONS.values()),
            columns=tuple(OPERATIONS.values()),
            at=_at,
        ),
    ),
    claims=(
        Claim(
            key="S1",
            says="crop with colour is the best of the pairs of operations, and no operation alone suffices",
            rule="accuracy of (crop, colour distortion) less the largest other cell, points",
            decide=crop_and_colour_lead,
        ),
    ),
    notes=(
        "Two operations are applied in one order, that of the code of Huang et al. 2023, so that the matrix is "
        "symmetric: 15 runs. SimCLR's figure changes one of the two views only, on ImageNet with crops "
        "beside every operation.",
        "Without a crop the views have the images' own side.",
    ),
)
TABLES = (MATRIX_TABLE,)
