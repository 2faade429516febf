"""Hu et al. 2023 (arXiv:2205.14814): t-SimCLR and t-MoCo against SimCLR and MoCo at widths of the projector's output.

Section 4 of the paper, with its tables, could not be read: no published values stand here; the claims are those of the
abstract and of a public review.
"""

from dataclasses import replace

from contrascope.methods.joint.t_simclr_settings import TSimCLRSettings
from contrascope.methods.momentum.t_moco_settings import TMoCoSettings
from contrascope.papers.claims import Claim
from contrascope.papers.huang2023 import SCORES
from contrascope.papers.scales import MOCO, SIMCLR, finished, run_settings, with_preset
from contrascope.papers.table import Cell, PaperTable, Scale, Sources, TablePanel, number
from contrascope.papers.values import SeedValues
from contrascope.runs.recipes import RECIPES
from contrascope.runs.settings import RunSettings

WIDTHS = (2, 8, 32, 128)
METHODS = {"SimCLR": SIMCLR, "t-SimCLR": "t-simclr", "MoCo": MOCO, "t-MoCo": "t-moco"}
KERNELS = {"t-simclr": (SIMCLR, TSimCLRSettings()), "t-moco": (MOCO, TMoCoSettings())}
"""Method with a heavy-tailed kernel to the one that it is compared with, and its settings."""
EPOCHS: dict[Scale, int] = {"cpu": 4, "gpu": 30, "paper": 200}


def _base(scale: Scale, method: str, sources: Sources) -> RunSettings:
    """A method's recipe; the heavy-tailed ones differ from theirs in the method alone."""
    if method not in KERNELS:
        return run_settings(scale, method, "cifar10", sources, epochs=EPOCHS)
    plain, settings = KERNELS[method]
    base = run_settings(scale, plain, "cifar10", sources, epochs=EPOCHS)
    small = RECIPES[f"cifar10-{method}-cpu"].make().method
    return replace(base, method=small if scale == "cpu" else settings)


def _cells(scale: Scale, sources: Sources) -> tuple[Cell, ...]:
    """Narrow and wide outputs of a pair of methods first."""
    made = []
    for pair in (("SimCLR", "t-SimCLR"), ("MoCo", "t-MoCo")):
        for width in (2, 128, 8, 32):
            for title in pair:
                base = with_preset(_base(scale, METHODS[title], sources), "simclr-cifar")
                projector = replace(base.method.projector, out=width)  # pyright: ignore[reportAttributeAccessIssue]
                method = replace(base.method, projector=projector)
                settings = finished(replace(base, method=method), sources)
                made.append(Cell(name=f"{title}/{width}", settings=settings, measures=(SCORES,)))
    return tuple(made)


def _gain(seed: SeedValues, heavy: str, plain: str, width: int) -> float:
    return seed(f"{heavy}/{width}", "knn") - seed(f"{plain}/{width}", "knn")


def _gains_most_where_narrow(seed: SeedValues, heavy: str, plain: str) -> float:
    return min(_gain(seed, heavy, plain, width) for width in (2, 8)) - _gain(seed, heavy, plain, 128)


TABLE = PaperTable(
    name="hu-tsimclr",
    title="heavy-tailed kernels at four widths of the output",
    source="Hu et al. 2023, arXiv:2205.14814; its tables were not at hand",
    cells=_cells,
    panels=(
        TablePanel(
            title="CIFAR-10: kNN accuracy of h on test images, %, by width of z",
            rows=tuple(METHODS),
            columns=tuple(map(str, WIDTHS)),
            at=lambda row, column: number(f"{row}/{column}", "knn", best=True),
        ),
    ),
    claims=(
        Claim(
            key="T1",
            says="t-SimCLR beats SimCLR most where z is narrow",
            rule="gain at widths 2 and 8, the smaller, less the gain at 128, points",
            decide=lambda seed: _gains_most_where_narrow(seed, "t-SimCLR", "SimCLR"),
        ),
        Claim(
            key="T2",
            says="and does not lose at the usual width",
            rule="gain at 128 plus 1 point",
            decide=lambda seed: _gain(seed, "t-SimCLR", "SimCLR", 128) + 1,
            equal=True,
        ),
        Claim(
            key="T3",
            says="t-MoCo against MoCo likewise",
            rule="as for t-SimCLR: gain at widths 2 and 8, the smaller, less the gain at 128, points",
            decide=lambda seed: _gains_most_where_narrow(seed, "t-MoCo", "MoCo"),
        ),
    ),
    notes=(
        "Kernels are those of the released code at every width: T 8 and nu 5 (t-SimCLR), T 5 and nu 10 (t-MoCo). The "
        "settings of the paper on CIFAR were not at hand: those of scale `paper` are of Huang et al. 2023, 200 epochs.",
    ),
)
TABLES = (TABLE,)
