"""Tables 1 and 2 of Huang et al. 2023 (arXiv:2111.00743): compositions of operations, and strength of colours.

Published values: kNN accuracy on test images, mean of three runs, best epoch; the slides "The Generalization of
Contrastive Self-Supervised Learning" (ICLR 2023) repeat both tables.
"""

from collections.abc import Callable

from contrascope.papers.claims import Claim
from contrascope.papers.scales import (
    METHODS,
    SIMCLR,
    TITLES,
    ImagesName,
    finished,
    run_settings,
    with_letters,
    with_preset,
)
from contrascope.papers.table import Cell, PanelNumber, PaperTable, Scale, Sources, TablePanel, number
from contrascope.papers.values import SeedValues, UndecidedError, enough, falls_by, mean_of
from contrascope.runs.settings import RunSettings

PAPER = "Huang et al. 2023, arXiv:2111.00743"
SETS = ("abcde", "abcd", "abc", "ab", "a")
"""Rows of table 1."""
STRENGTHS = {"1": 1.0, "1/2": 0.5, "1/4": 0.25, "1/8": 0.125}
"""Rows of table 2."""
SCORES, THEOREM, TWIN = "scores", "theorem", "twin"
_COLUMNS = tuple(METHODS)
Published = dict[ImagesName, dict[str, tuple[float, ...]]]

COMPOSITIONS: Published = {
    "cifar10": {
        "abcde": (89.76, 86.91, 90.12, 90.59),
        "abcd": (88.48, 85.38, 89.69, 89.34),
        "abc": (83.50, 82.00, 86.78, 85.38),
        "ab": (63.23, 67.83, 75.12, 63.27),
        "a": (62.74, 67.77, 74.94, 61.47),
    },
    "cifar100": {
        "abcde": (57.74, 57.99, 64.19, 63.48),
        "abcd": (55.43, 55.22, 62.50, 60.31),
        "abc": (45.10, 50.40, 57.04, 51.42),
        "ab": (28.01, 34.11, 40.18, 26.26),
        "a": (27.95, 34.05, 39.63, 25.90),
    },
}
"""Table 1; columns in the order of `METHODS`."""
STRENGTH_ROWS: Published = {
    "cifar10": {
        "1": (82.75, 82.58, 86.68, 82.50),
        "1/2": (78.76, 81.88, 84.30, 81.80),
        "1/4": (76.37, 79.64, 82.76, 78.80),
        "1/8": (74.23, 77.96, 81.20, 76.09),
    },
    "cifar100": {
        "1": (46.67, 50.39, 58.50, 49.94),
        "1/2": (40.21, 48.76, 55.08, 46.27),
        "1/4": (36.67, 46.22, 52.09, 42.02),
        "1/8": (34.75, 44.72, 49.43, 36.26),
    },
}
"""Table 2; columns in the order of `METHODS`."""


def _name(images: str, method: str, row: str) -> str:
    return f"{images}/{method}/{row}"


def _grid(
    rows: tuple[str, ...], change: Callable[[RunSettings, str], RunSettings]
) -> Callable[[Scale, Sources], tuple[Cell, ...]]:
    """Cells of every set of images, method and row; a method's rows together, so that a stop leaves whole orders."""

    def cells(scale: Scale, sources: Sources) -> tuple[Cell, ...]:
        made = []
        for images in TITLES:
            for method in METHODS:
                for row in rows:
                    base = run_settings(scale, method, images, sources)
                    settings = finished(change(base, row), sources)
                    first = (method, row) == (SIMCLR, rows[0])
                    measures = (SCORES, THEOREM, TWIN) if first else (SCORES, THEOREM)
                    made.append(Cell(name=_name(images, method, row), settings=settings, measures=measures))
        return tuple(made)

    return cells


def _panels(published: Published) -> tuple[TablePanel, ...]:
    def panel(images: ImagesName) -> TablePanel:
        rows = published[images]

        def at(row: str, column: str) -> PanelNumber:
            method = next(name for name, title in METHODS.items() if title == column)
            value = rows[row][_COLUMNS.index(method)]
            return number(_name(images, method, row), "knn", value, best=True)

        title = f"{TITLES[images]}: kNN accuracy on test images, %"
        return TablePanel(title=title, rows=tuple(rows), columns=tuple(METHODS.values()), at=at)

    return tuple(panel(images) for images in published)


def sets_of(seed: SeedValues, images: str, method: str) -> list[float]:
    """Accuracies of the five sets of operations, the richest first."""
    return [seed(_name(images, method, row), "knn") for row in SETS]


def richer_is_better(seed: SeedValues, images: str, method: str) -> float:
    """The smallest step of a, ab <= abc < abcd < abcde, in points."""
    *chain, ab, a = sets_of(seed, images, method)
    return falls_by([*chain, max(ab, a)])


def _richer(images: str, method: str) -> Callable[[SeedValues], float]:
    return lambda seed: richer_is_better(seed, images, method)


def _blur_adds_little(seed: SeedValues) -> float:
    rows = [sets_of(seed, "cifar10", method) for method in METHODS]
    return mean_of([abc - ab for _, _, abc, ab, _ in rows]) / 5 - mean_of([ab - a for *_, ab, a in rows])


def _colour_dropping_is_the_largest_step(seed: SeedValues, method: str) -> float:
    all5, abcd, abc, ab, a = sets_of(seed, "cifar10", method)
    return (abc - ab) - max(all5 - abcd, abcd - abc, ab - a)


def linear_beats_centres(seed: SeedValues) -> float:
    """The smallest lead of a linear classifier over G_f among the runs, in points; both from the same images."""
    return min(
        seed(cell, "centre_error_some") - seed(cell, "linear_error")
        for cell in seed.cells
        if "linear_error" in seed.names(cell)
    )


def bound_is_kept(seed: SeedValues) -> float:
    """1 - sigma + R_eps less the error, the smallest among the runs in which the condition holds, in points."""
    held = [
        cell for cell in seed.cells if "theorem_holds" in seed.names(cell) and seed(cell, "theorem_holds")
    ]
    if not held:
        raise UndecidedError("in no run does the condition of theorem 1 hold")
    return min(seed(cell, "theorem_value") - seed(cell, "theorem_error") for cell in held)


def _measured(rule: Callable[[SeedValues], float]) -> Callable[[SeedValues], float]:
    """The rule, where a seed has any run at all."""

    def decide(seed: SeedValues) -> float:
        if not any("linear_error" in seed.names(cell) for cell in seed.cells):
            return seed("any run", "linear_error")  # says that it is missing
        return rule(seed)

    return decide


def _order(key: str, images: ImagesName, method: str) -> Claim:
    return Claim(
        key=key,
        says=f"a richer set of operations is better, {METHODS[method]}, {TITLES[images]}",
        rule="smallest step of a, ab <= abc < abcd < abcde, points",
        decide=_richer(images, method),
    )


_CLAIMS = (
    _order("H1", "cifar10", "simclr"),
    _order("H2", "cifar10", "barlow-twins"),
    _order("H3", "cifar10", "moco"),
    _order("H4", "cifar10", "simsiam"),
    Claim(
        key="H5",
        says="the same orders on CIFAR-100, all four methods",
        rule="smallest step, third best of four methods, points",
        decide=lambda seed: enough([richer_is_better(seed, "cifar100", one) for one in METHODS], 3),
    ),
    Claim(
        key="H6",
        says="blur (b) adds next to nothing to crop (a)",
        rule="a fifth of abc less ab, less (ab less a), means over methods, points",
        decide=_blur_adds_little,
    ),
    Claim(
        key="H7",
        says="colour dropping (c) is the largest single step",
        rule="abc less ab, less the largest other step, third best of four methods, points",
        decide=lambda seed: enough([_colour_dropping_is_the_largest_step(seed, one) for one in METHODS], 3),
    ),
    Claim(
        key="H17",
        says="a linear classifier is at least as good as G_f",
        rule="error of G_f less that of a linear classifier, smallest over the runs, points",
        decide=_measured(linear_beats_centres),
        equal=True,
    ),
    Claim(
        key="H18",
        says="the error is at most 1 - sigma + R_eps wherever the condition of theorem 1 holds",
        rule="bound less error, smallest over the runs in which the condition holds, points",
        decide=_measured(bound_is_kept),
        equal=True,
    ),
)

_METHODS_APART = (
    "Methods are not compared with each other here: no learning rate was swept for each of them. What a column says is "
    "the order of its rows."
)
_CPU_RECIPES = (
    "At the scale of a CPU each method has optimiser, rate and batch of its own recipe `cifar10-METHOD-cpu`."
)

COMPOSITIONS_TABLE = PaperTable(
    name="huang-compositions",
    title="five sets of operations, four methods, two sets of images",
    source=f"{PAPER}, table 1",
    cells=_grid(SETS, with_letters),
    panels=_panels(COMPOSITIONS),
    claims=_CLAIMS,
    notes=(_METHODS_APART, _CPU_RECIPES),
)


def _strength(seed: SeedValues, images: str, method: str) -> float:
    return falls_by([seed(_name(images, method, row), "knn") for row in STRENGTHS])


def _stronger_is_better(key: str, images: ImagesName) -> Claim:
    return Claim(
        key=key,
        says=f"a stronger colour distortion is better, at every method, {TITLES[images]}",
        rule="smallest step of 1 > 1/2 > 1/4 > 1/8, third best of four methods, points",
        decide=lambda seed: enough([_strength(seed, images, one) for one in METHODS], 3),
    )


STRENGTHS_TABLE = PaperTable(
    name="huang-strengths",
    title="four strengths of colour distortion beside a crop, four methods, two sets of images",
    source=f"{PAPER}, table 2",
    cells=_grid(
        tuple(STRENGTHS),
        lambda base, row: with_preset(base, "huang-2023-strength", strength=STRENGTHS[row]),
    ),
    panels=_panels(STRENGTH_ROWS),
    claims=(_stronger_is_better("H8", "cifar10"), _stronger_is_better("H9", "cifar100")),
    notes=(_METHODS_APART, _CPU_RECIPES),
)
TABLES = (COMPOSITIONS_TABLE, STRENGTHS_TABLE)
