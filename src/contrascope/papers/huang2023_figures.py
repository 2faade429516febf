"""Figures of Huang et al. 2023 (arXiv:2111.00743): pairs of operations, curves while training, panels of embeddings.

The figures print no numbers; what is published of them is the order that claims state.
"""

from collections.abc import Callable, Sequence

from contrascope.papers.claims import Claim
from contrascope.papers.huang2023 import PAPER, SCORES
from contrascope.papers.picture import Cloud
from contrascope.papers.scales import EPOCHS, METHODS, SIMCLR, finished, run_settings, with_letters
from contrascope.papers.table import Cell, PanelNumber, PaperTable, Scale, Sources, TablePanel, number
from contrascope.papers.values import SeedValues, falls_by, spearman

PAIRS = ("ad", "ac", "ab", "ae", "bc", "bd", "be", "cd", "ce", "de")
"""Those with the crop first, in the paper's order of error."""
CONCENTRATION, CURVES, CLUSTERS = "concentration", "curves", "clusters"
DELTAS = (0, 1)
"""Places of the two deltas."""
PAIR_EPOCHS: dict[Scale, int] = {"cpu": 4, "gpu": 30, "paper": 200}
CURVE_EPOCHS: dict[Scale, int] = {"cpu": 8, "gpu": 30, "paper": 800}


def letters_cell(
    scale: Scale,
    letters: str,
    sources: Sources,
    *,
    epochs: dict[Scale, int],
    measures: Sequence[str] = (SCORES,),
) -> Cell:
    """SimCLR on CIFAR-10 with these operations; a table beside this one that has the same run is copied from."""
    base = run_settings(scale, SIMCLR, "cifar10", sources, epochs=epochs)
    settings = finished(with_letters(base, letters), sources)
    return Cell(name=f"cifar10/simclr/{letters}", settings=settings, measures=tuple(measures))


def _of_letters(letters: str) -> str:
    return f"cifar10/simclr/{letters}"


def _pair_cells(scale: Scale, sources: Sources) -> tuple[Cell, ...]:
    runs = [letters_cell(scale, pair, sources, epochs=PAIR_EPOCHS) for pair in PAIRS]
    return (*runs, Cell(name=CONCENTRATION, settings=None, measures=(CONCENTRATION,)))


_PAIR_COLUMNS: dict[str, tuple[str, str]] = {
    "1 - sigma, raw, small delta, %": ("alone", "raw {}@0"),
    "raw, large delta, %": ("alone", "raw {}@1"),
    "normalised, small delta, %": ("alone", "normalised {}@0"),
    "normalised, large delta, %": ("alone", "normalised {}@1"),
    "error of G_f, %": ("run", "centre_error"),
    "error of kNN, %": ("run", "knn"),
}


def _pair_at(row: str, column: str) -> PanelNumber:
    kind, name = _PAIR_COLUMNS[column]
    if kind == "alone":
        return PanelNumber(value=lambda seed: 100 * seed(CONCENTRATION, name.format(row)))
    if name == "knn":
        return PanelNumber(value=lambda seed: 100 - seed(_of_letters(row), name))
    return number(_of_letters(row), name)


def _one_minus_sigma(seed: SeedValues, pair: str, delta: int) -> float:
    return 100 * seed(CONCENTRATION, f"raw {pair}@{delta}")


def _crop_and_colour_err_least(seed: SeedValues) -> float:
    error = {pair: seed(_of_letters(pair), "centre_error") for pair in PAIRS}
    return min(value for pair, value in error.items() if pair != "ad") - error["ad"]


def _falls(of: Callable[[str], float]) -> float:
    """The smallest step of (a, d) < (a, c) < (a, e), (a, b)."""
    return falls_by([min(of("ae"), of("ab")), of("ac"), of("ad")])


def _concentration_orders_the_pairs(seed: SeedValues) -> float:
    sigma = min(_falls(lambda pair, at=at: _one_minus_sigma(seed, pair, at)) for at in DELTAS)
    return min(sigma, _falls(lambda pair: seed(_of_letters(pair), "centre_error")))


def _delta_matters_little(seed: SeedValues) -> float:
    small, large = ([_one_minus_sigma(seed, pair, at) for pair in PAIRS] for at in DELTAS)
    return spearman(small, large) - 0.9


PAIRS_TABLE = PaperTable(
    name="huang-pairs",
    title="ten pairs of operations: concentration, and the error of SimCLR trained with them",
    source=f"{PAPER}, figure 3, which prints no numbers",
    cells=_pair_cells,
    panels=(
        TablePanel(
            title="Pairs of operations, CIFAR-10",
            rows=PAIRS,
            columns=tuple(_PAIR_COLUMNS),
            at=_pair_at,
        ),
    ),
    claims=(
        Claim(
            key="H10",
            says="of the ten pairs crop and colour distortion (a, d) has the least error",
            rule="least error of G_f of the others less that of (a, d), points",
            decide=_crop_and_colour_err_least,
        ),
        Claim(
            key="H11",
            says="1 - sigma orders the pairs with a crop as their errors do: (a, d) < (a, c) < (a, e), (a, b)",
            rule="smallest step of that order, in 1 - sigma (raw pixels, both deltas) and in the error of G_f, points",
            decide=_concentration_orders_the_pairs,
        ),
        Claim(
            key="H12",
            says="the form of 1 - sigma over pairs does not depend on delta",
            rule="rank correlation of the ten pairs at both deltas, less 0.9",
            decide=_delta_matters_little,
            equal=True,
        ),
    ),
    notes=(
        "1 - sigma is a mean over classes, from the largest cliques found among 150 test images a class with "
        "32 views each; the paper says neither how many images and views nor which deltas. Ours are the 5 % and "
        "20 % quantiles of the distances within classes under the crop.",
        "Pairs without a crop make views of the images' own side, and so see 32 px where the others see 24 at the "
        "scale of a CPU.",
    ),
)


def _curve_cells(scale: Scale, sources: Sources) -> tuple[Cell, ...]:
    made = []
    for method in METHODS:
        base = run_settings(scale, method, "cifar10", sources, epochs=CURVE_EPOCHS)
        settings = finished(with_letters(base, "abcde"), sources)
        made.append(Cell(name=f"cifar10/{method}", settings=settings, measures=(CURVES, SCORES)))
    return tuple(made)


_MOMENTS = {"before training": "@0", "first measured": "@1", "end": "@-1"}


def _curve_panel(layer: str, name: str, title: str) -> TablePanel:
    def at(row: str, column: str) -> PanelNumber:
        method = next(one for one, found in METHODS.items() if found == row)
        return number(f"cifar10/{method}", f"{layer}_{name}{_MOMENTS[column]}")

    return TablePanel(
        title=f"{title}, {layer}", rows=tuple(METHODS.values()), columns=tuple(_MOMENTS), at=at, digits=3
    )


_FACTORS = {
    "alignment": "L_align (0 to 4)",
    "alignment_relative": "L_align over the mean squared distance of views of different images",
    "max_inner": "largest product of two class centres",
    "mean_inner": "mean product of two class centres",
    "delta_mu": "Delta_mu",
    "threshold": "threshold of theorem 1 for the largest product",
}


def _falls_while_training(seed: SeedValues, name: str) -> float:
    return min(
        seed(f"cifar10/{method}", f"z_{name}@0") - seed(f"cifar10/{method}", f"z_{name}@-1")
        for method in METHODS
    )


CURVES_TABLE = PaperTable(
    name="huang-curves",
    title="alignment and divergence while training, four methods, encoder and projector",
    source=f"{PAPER}; slides of December 2023, two panels without numbers",
    cells=_curve_cells,
    panels=tuple(_curve_panel(layer, name, title) for layer in "zh" for name, title in _FACTORS.items()),
    claims=(
        Claim(
            key="H13",
            says="alignment improves while training, four methods",
            rule="relative L_align of z before training less that at the end, smallest of four methods",
            decide=lambda seed: _falls_while_training(seed, "alignment_relative"),
        ),
        Claim(
            key="H14",
            says="class centres turn apart while training, four methods",
            rule="largest product of two centres of z before training less that at the end, smallest of four methods",
            decide=lambda seed: _falls_while_training(seed, "max_inner"),
        ),
    ),
    notes=(
        "Unit features of two fixed views of 2,000 test images under `simclr-cifar`, the same for all methods.",
    ),
)
PANEL_CELLS = ("d", "abcde")
"""One operation, and all."""


def _panel_cells(scale: Scale, sources: Sources) -> tuple[Cell, ...]:
    measures = (CLUSTERS, SCORES)
    return tuple(letters_cell(scale, one, sources, epochs=EPOCHS, measures=measures) for one in PANEL_CELLS)


_PANELS = {
    "before training": ("abcde", "silhouette_start"),
    "one operation (d)": ("d", "silhouette_end"),
    "all operations": ("abcde", "silhouette_end"),
}


def _clusters_come_with_all(seed: SeedValues) -> float:
    start, one, several = (seed(_of_letters(cell), name) for cell, name in _PANELS.values())
    return several - max(start, one)


PANELS_TABLE = PaperTable(
    name="huang-panels",
    title="do classes form clusters: before training, with one operation, with all",
    source=f"{PAPER}, figure 1, pictures without numbers",
    cells=_panel_cells,
    panels=(
        TablePanel(
            title="Silhouette by class of unit h, the same 2,000 test images (-1 to 1)",
            rows=tuple(_PANELS),
            columns=("silhouette",),
            at=lambda row, _: number(_of_letters(_PANELS[row][0]), _PANELS[row][1]),
            digits=3,
        ),
    ),
    claims=(
        Claim(
            key="H15",
            says="aligned views of one operation do not make clusters, several do",
            rule="silhouette with all operations less the larger of the other two",
            decide=_clusters_come_with_all,
        ),
    ),
    clouds=tuple(
        Cloud(
            title=title,
            cell=_of_letters(cell),
            at=name.removeprefix("silhouette_"),
            number=name,
            number_is="silhouette by class",
        )
        for title, (cell, name) in _PANELS.items()
    ),
)
TABLES = (PAIRS_TABLE, CURVES_TABLE, PANELS_TABLE)
