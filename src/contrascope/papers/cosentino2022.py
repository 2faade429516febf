"""Figures of Cosentino et al. 2022 (arXiv:2205.06926): a linear projector under three strengths of augmentation.

The figures print no numbers; what is published of them is the course that claims state.
"""

from dataclasses import replace

from contrascope.augment.settings import PolicySettings
from contrascope.diagnosis.settings import GeometryProbeSettings
from contrascope.encoders.settings import ProjectorSettings
from contrascope.methods.joint.plain_settings import PlainSettings
from contrascope.papers.claims import Claim
from contrascope.papers.huang2023 import SCORES
from contrascope.papers.scales import SIMCLR, finished, in_order, run_settings
from contrascope.papers.table import Cell, PanelNumber, PaperTable, Scale, Sources, TablePanel, number
from contrascope.papers.values import SeedValues, correlation, falls_by
from contrascope.training.settings import OptimSettings

POLICIES = ("large", "moderate", "small")
COUNTS = ("a", "ad", "acd", "acde")
"""One to four operations at the strengths of `large`."""
GEOMETRY, ROTATIONS = "geometry", "rotations"
EPOCHS: dict[Scale, int] = {"cpu": 6, "gpu": 30, "paper": 500}
IMAGES: dict[Scale, int] = {"cpu": 1000, "gpu": 2000, "paper": 2000}
"""Training images on which the geometry is followed."""
METHOD = PlainSettings(
    loss="decoupled",
    loss_settings=("temperature=0.5",),
    projector=ProjectorSettings(hidden=(), out=128, bias=False),
)
"""The paper's InfoNCE has no positive in its denominator; beta 2."""
LARS = OptimSettings(name="lars", lr=4.0, momentum=0.9, weight_decay=1e-6, exclude_norm_and_bias=True)
"""Rate, momentum and weight decay as stated; trust and what is left out are not."""
SIDE = 32


def _cells(scale: Scale, sources: Sources) -> tuple[Cell, ...]:
    runs = [_cell(scale, sources, name, f"cosentino-{name}") for name in POLICIES]
    runs += [_cell(scale, sources, f"operations {letters}", in_order(letters)) for letters in COUNTS]
    return (*runs, Cell(name=ROTATIONS, settings=None, measures=(ROTATIONS,)))


def _cell(scale: Scale, sources: Sources, name: str, policy: str) -> Cell:
    base = run_settings(scale, SIMCLR, "cifar100", sources, epochs=EPOCHS)
    schedule = replace(base.schedule, warmup_epochs=0.0 if scale == "paper" else 1.0)
    made = replace(
        base,
        policy=PolicySettings(name=policy, size=SIDE if scale == "cpu" else None),
        method=METHOD,
        optim=LARS,
        schedule=schedule,
    )
    settings = finished(made, sources, labelled=True)
    images = 32 if sources.dry else IMAGES[scale]
    times = min(settings.training.epochs, 50)
    followed = GeometryProbeSettings(times=times, images=images, operations=())
    return Cell(name=name, settings=replace(settings, geometry=followed), measures=(GEOMETRY, SCORES))


_SHARING = ("sharing_fine_label", "sharing_coarse_label")
_FOLLOWED = {
    "rank": "Figure 1: rank of the projector, threshold 1/100 of the largest singular value",
    "effective_rank": "Figure 1: effective rank of the projector",
    "loss": "Figure 3: InfoNCE",
    "bound": "Figure 3: its upper bound by the nearest negative",
    "h_rank": "Figure 9: rank of h, augmented images",
    "distance_spread": "Figure 5: median distance to the nearest negative, in units of that of two images",
    _SHARING[0]: "Figure 6: share of nearest negatives of the same class, 100 classes",
    _SHARING[1]: "Figure 6: the same, 20 groups of classes",
    "unexplained": "Figure 7: share of the displacements outside the projector's column space",
}
_MOMENTS = {"before training": "@0", "first measured": "@1", "end": "@-1"}
_ROWS = (*POLICIES, *(f"operations {letters}" for letters in COUNTS))


def _panel(name: str, title: str) -> TablePanel:
    return TablePanel(
        title=title,
        rows=_ROWS,
        columns=tuple(_MOMENTS),
        at=lambda row, column: number(row, f"geometry {name}{_MOMENTS[column]}"),
        digits=1 if "rank" in name else 3,
    )


_ACCURACY = TablePanel(
    title="Figures 1 and 4: kNN accuracy of h on test images, 100 classes, %, and rank of h, clean training images",
    rows=_ROWS,
    columns=("kNN", "rank at the start", "half-way", "at the end", "of"),
    at=lambda row, column: number(
        row,
        {
            "kNN": "knn",
            "rank at the start": "clean_rank_start",
            "half-way": "clean_rank_half",
            "at the end": "clean_rank_end",
            "of": "h_width",
        }[column],
    ),
)
_DEGREES = ("1", "5", "10", "20", "45", "90", "180", "360")
_ROTATED = ("relative 1e-2", "absolute 1e-2", "absolute 1e-3")


def _rotation_at(row: str, column: str) -> PanelNumber:
    return number(ROTATIONS, f"{row}@{_DEGREES.index(column)}")


_ROTATION_PANEL = TablePanel(
    title="Figure 10: rank of 500 rotated copies of one pixel by the range of angles, by threshold, mean of five seeds",
    rows=_ROTATED,
    columns=_DEGREES,
    at=_rotation_at,
)


def _end(seed: SeedValues, policy: str, name: str) -> float:
    return seed(policy, f"geometry {name}@-1")


def _start(seed: SeedValues, policy: str, name: str) -> float:
    return seed(policy, f"geometry {name}@0")


def _bound_follows_the_loss(seed: SeedValues) -> float:
    found = [
        correlation(seed.curve(one, "geometry loss"), seed.curve(one, "geometry bound")) for one in POLICIES
    ]
    return min(found) - 0.9


def _labels_are_shared(seed: SeedValues) -> float:
    name = _SHARING[0]
    return min(
        *(_end(seed, one, name) - _start(seed, one, name) for one in POLICIES),
        _end(seed, "large", name) - _end(seed, "small", name),
    )


_CLAIMS = (
    Claim(
        key="C1",
        says="stronger augmentation lowers the rank of a linear projector",
        rule="smallest step of large < moderate < small in rank at the end",
        decide=lambda seed: falls_by([_end(seed, one, "rank") for one in reversed(POLICIES)]),
    ),
    Claim(
        key="C2",
        says="and the encoder's accuracy rises with it",
        rule="smallest step of large > moderate > small in kNN accuracy, points",
        decide=lambda seed: falls_by([seed(one, "knn") for one in POLICIES]),
    ),
    Claim(
        key="C3",
        says="the loss and its bound by the nearest negative move together",
        rule="smallest correlation over epochs of the three policies, less 0.9",
        decide=_bound_follows_the_loss,
    ),
    Claim(
        key="C4",
        says="the encoder's features keep full rank",
        rule="smallest rank of h over its width, any epoch and policy, less 0.9",
        decide=lambda seed: (
            min(min(seed.curve(one, "geometry h_rank")) / seed(one, "h_width") for one in POLICIES) - 0.9
        ),
        equal=True,
    ),
    Claim(
        key="C5",
        says="a small policy leaves nearest negatives farther than a large one",
        rule="distance under small less that under large at the end",
        decide=lambda seed: _end(seed, "small", "distance_spread") - _end(seed, "large", "distance_spread"),
    ),
    Claim(
        key="C6",
        says="nearest negatives come to share the label, more so under strong augmentation",
        rule="smallest of: share at the end less that before training, and large less small at the end",
        decide=_labels_are_shared,
    ),
    Claim(
        key="C7",
        says="the projector holds the displacements to nearest negatives",
        rule="half the unexplained share before training less that at the end, smallest of the three policies",
        decide=lambda seed: min(
            _start(seed, one, "unexplained") / 2 - _end(seed, one, "unexplained") for one in POLICIES
        ),
    ),
    Claim(
        key="C8",
        says="the rank of rotated copies of one image grows with the range of angles",
        rule="smallest step over the eight ranges, relative threshold 1/100",
        decide=lambda seed: falls_by(list(reversed(seed.curve(ROTATIONS, "relative 1e-2")))),
    ),
)
TABLE = PaperTable(
    name="cosentino-geometry",
    title="a linear projector under three policies: rank, bound, negatives, displacements",
    source="Cosentino et al. 2022, arXiv:2205.06926, figures 1, 3 to 7, 9 and 10, which print no numbers",
    cells=_cells,
    panels=(_ACCURACY, *(_panel(name, title) for name, title in _FOLLOWED.items()), _ROTATION_PANEL),
    claims=_CLAIMS,
    notes=(
        "The paper states neither batch (but 128 in figure 3), epochs (at least 500), the threshold of a rank nor how "
        "accuracy was measured; the loss here is taken in both directions.",
        "`operations a` to `acde` are one to four operations at the strengths of `large`: rank against their number.",
    ),
)
TABLES = (TABLE,)
