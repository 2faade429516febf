"""Tables of Zhao et al. 2023 (arXiv:2303.01092, ArCL): six copies of the data, and transfer to other sets.

Published values: the slides "Performance on Augmented Datasets" and "Performance on OOD Datasets" of the talk of
December 2023 ("Theoretical Insights into Self-Supervised Contrastive Learning"); `evaluation/published.py` has them.
"""

from dataclasses import dataclass, replace

from contrascope.evaluation.published import AUGMENTED_COPIES, PUBLISHED_AUGMENTED, PUBLISHED_TRANSFER_SETS
from contrascope.methods.settings import PositivesName
from contrascope.papers.claims import Claim
from contrascope.papers.huang2023 import SCORES
from contrascope.papers.scales import MOCO, SIMCLR, TITLES, ImagesName, finished, run_settings, with_preset
from contrascope.papers.table import Cell, PanelNumber, PaperTable, Scale, Sources, TablePanel, number
from contrascope.papers.values import SeedValues
from contrascope.runs.settings import RunSettings

PAPER = "Zhao et al. 2023, arXiv:2303.01092"
EPOCHS: dict[Scale, int] = {"cpu": 4, "gpu": 20, "paper": 500}
TEMPERATURE: dict[Scale, float] = {"cpu": 0.1, "gpu": 0.5, "paper": 0.5}
"""Of the table; the slides state none, and 0.5 is what we believe. The others are arms."""
TEMPERATURES = (0.1, 0.2, 0.5)


@dataclass(frozen=True, kw_only=True)
class ArCLArm:
    """One way to train."""

    positives: PositivesName = "average"
    views: int = 2
    batch: int = 256
    epochs: int = 1
    """Times those of the table."""
    temperature: float | None = None
    """None: that of the table."""
    method: str = SIMCLR


ARMS = {
    "simclr, 256": ArCLArm(),
    "arcl 4, 256": ArCLArm(positives="worst", views=4),
    "average 4, its denominators, 256": ArCLArm(positives="average-asymmetric", views=4),
    "arcl 6, 256": ArCLArm(positives="worst", views=6),
    "simclr, 512": ArCLArm(batch=512),
    "arcl 4, 512": ArCLArm(positives="worst", views=4, batch=512),
    "arcl 6, 512": ArCLArm(positives="worst", views=6, batch=512),
    "average 4, 256": ArCLArm(views=4),
    "simclr, 256, twice the epochs": ArCLArm(epochs=2),
    "one direction, 256": ArCLArm(positives="worst"),
    "worst-symmetric 4, 256": ArCLArm(positives="worst-symmetric", views=4),
    "moco, 256": ArCLArm(method=MOCO),
    "moco, average 4, 256": ArCLArm(method=MOCO, views=4),
    "moco, arcl 4, 256": ArCLArm(method=MOCO, positives="worst", views=4),
}
"""Arms of the table at its own temperature, the most telling first."""
COMPARED = {
    "simclr": ArCLArm(),
    "average 4, its denominators": ArCLArm(positives="average-asymmetric", views=4),
    "arcl 4": ArCLArm(positives="worst", views=4),
}
"""Arms at every temperature, batch 256."""
PUBLISHED_ROWS = {"SimCLR": "simclr", "SimCLR + ArCL m=4": "arcl 4", "SimCLR + ArCL m=6": "arcl 6"}
ORIGINAL = "original"


def _arm_settings(scale: Scale, arm: ArCLArm, sources: Sources) -> RunSettings:
    base = run_settings(scale, arm.method, "cifar10", sources, epochs=EPOCHS)
    base = with_preset(base, "simclr-cifar")
    temperature = arm.temperature or (TEMPERATURE[scale] if arm.method == SIMCLR else base.method.temperature)  # pyright: ignore[reportAttributeAccessIssue]
    method = replace(base.method, positives=arm.positives, temperature=temperature)
    training = replace(
        base.training,
        num_views=arm.views,
        batch_size=arm.batch,
        epochs=arm.epochs * base.training.epochs,
    )
    return finished(replace(base, method=method, training=training), sources)


def _at_temperature(name: str, temperature: float, scale: Scale) -> str:
    """The cell of an arm at a temperature: that of the table where it is the table's own."""
    return (
        f"{name}, 256" if temperature == TEMPERATURE[scale] else f"{name}, 256, temperature {temperature:g}"
    )


def _copies_cells(scale: Scale, sources: Sources) -> tuple[Cell, ...]:
    measures = (SCORES, "copies_whole" if scale == "paper" else "copies")
    arms = dict(ARMS)
    for temperature in TEMPERATURES:
        for name, arm in COMPARED.items():
            arms.setdefault(_at_temperature(name, temperature, scale), replace(arm, temperature=temperature))
    return tuple(
        Cell(name=name, settings=_arm_settings(scale, arm, sources), measures=measures)
        for name, arm in arms.items()
    )


def _published(name: str, images: ImagesName, copy: str) -> float | None:
    for data, of, batch, values in PUBLISHED_AUGMENTED:
        if data == TITLES[images] and f"{PUBLISHED_ROWS[of]}, {batch}" == name:
            return values[AUGMENTED_COPIES.index(copy)]
    return None


def _copies_panel(images: ImagesName) -> TablePanel:
    return TablePanel(
        title=f"{TITLES[images]}: accuracy of a linear probe on each copy, %; the encoder saw CIFAR-10 alone",
        rows=tuple(ARMS),
        columns=AUGMENTED_COPIES,
        at=lambda row, column: number(row, f"{images} {column}", _published(row, images, column)),
    )


def _temperature_panel() -> TablePanel:
    """Linear accuracy on the original, by temperature; the table's own temperature has no name of its own."""

    def at(row: str, column: str) -> PanelNumber:
        temperature = float(column.removeprefix("temperature "))

        def value(seed: SeedValues) -> float:
            special = f"{row}, 256, temperature {temperature:g}"
            return seed(special if special in seed.cells else f"{row}, 256", f"cifar10 {ORIGINAL}")

        return PanelNumber(value=value)

    columns = tuple(f"temperature {one:g}" for one in TEMPERATURES)
    return TablePanel(
        title="CIFAR-10, original: accuracy of a linear probe, %, by temperature, batch 256",
        rows=tuple(COMPARED),
        columns=columns,
        at=at,
    )


def _lead(seed: SeedValues, one: str, other: str, copy: str = ORIGINAL) -> float:
    return seed(one, f"cifar10 {copy}") - seed(other, f"cifar10 {copy}")


_COPIES_CLAIMS = (
    Claim(
        key="A1",
        says="the worst of four views beats SimCLR on the original, equal epochs",
        rule="linear accuracy of ArCL 4 less SimCLR, batch 256, points",
        decide=lambda seed: _lead(seed, "arcl 4, 256", "simclr, 256"),
    ),
    Claim(
        key="A2",
        says="and on every one of the five transformed copies",
        rule="the same, smallest of the five copies, points",
        decide=lambda seed: min(
            _lead(seed, "arcl 4, 256", "simclr, 256", copy) for copy in AUGMENTED_COPIES if copy != ORIGINAL
        ),
    ),
    Claim(
        key="A3",
        says="six views beat four",
        rule="ArCL 6 less ArCL 4, original, batch 256, points",
        decide=lambda seed: _lead(seed, "arcl 6, 256", "arcl 4, 256"),
    ),
    Claim(
        key="A4",
        says="a larger batch is better for both",
        rule="batch 512 less 256, smaller of SimCLR and ArCL 4, original, points",
        decide=lambda seed: min(_lead(seed, f"{arm}, 512", f"{arm}, 256") for arm in ("simclr", "arcl 4")),
    ),
    Claim(
        key="A5",
        says="the gain is that of the worst pair and not of more views",
        rule="ArCL 4 less the average of four views with its denominators, original, points",
        decide=lambda seed: _lead(seed, "arcl 4, 256", "average 4, its denominators, 256"),
    ),
    Claim(
        key="A6",
        says="at equal compute it still gains",
        rule="ArCL 4 less SimCLR in twice the epochs, original, points",
        decide=lambda seed: _lead(seed, "arcl 4, 256", "simclr, 256, twice the epochs"),
    ),
)
COPIES_TABLE = PaperTable(
    name="arcl-augmented",
    title="SimCLR, averages over views and the worst pair on six copies of the data",
    source=f"{PAPER}; slide 'Performance on Augmented Datasets' of December 2023",
    cells=_copies_cells,
    panels=(_copies_panel("cifar10"), _copies_panel("cifar100"), _temperature_panel()),
    claims=_COPIES_CLAIMS,
    notes=(
        "The slides state neither encoder, optimiser, temperature nor probe; the CIFAR-100 rows are read as probes of "
        "an encoder that saw CIFAR-10.",
        f"Temperature of the table: {', '.join(f'{scale} {value:g}' for scale, value in TEMPERATURE.items())}.",
        "`average 4` has a denominator for each pair; `its denominators` are those of ArCL's Algorithm 1, so that only "
        "the numerator differs from ArCL (docs/arcl.md).",
        "At the scales of CPU and GPU a probe has 10,000 training images of a copy and five penalties.",
    ),
)

TRANSFER_ARMS = {
    "MoCo": ArCLArm(method=MOCO, positives="first"),
    "ArCL m=2": ArCLArm(method=MOCO, positives="worst"),
    "AAL m=2": ArCLArm(method=MOCO, positives="average"),
    "ArCL m=3": ArCLArm(method=MOCO, positives="worst", views=3),
    "AAL m=3": ArCLArm(method=MOCO, positives="average", views=3),
}
"""Named as `PUBLISHED_TRANSFER_SETS` has them; MoCo takes one direction."""
TRANSFER_SETS = (
    *("aircraft", "caltech101", "cars", "cifar10", "cifar100", "dtd", "flowers", "food", "pets"),
    *("mnist", "tiny-imagenet"),
)
MODES = ("linear", "finetune")


def _transfer_cells(scale: Scale, sources: Sources) -> tuple[Cell, ...]:
    measures = (SCORES, "transfer_whole" if scale == "paper" else "transfer")
    return tuple(
        Cell(name=name, settings=_arm_settings(scale, arm, sources), measures=measures)
        for name, arm in TRANSFER_ARMS.items()
    )


def _transfer_panel(mode: str) -> TablePanel:
    published = PUBLISHED_TRANSFER_SETS[mode]
    return TablePanel(
        title=f"{mode}: score of each set in its own measure, %; published: ResNet-50 on ImageNet, whole sets",
        rows=tuple(TRANSFER_ARMS),
        columns=(*TRANSFER_SETS, "mean"),
        at=lambda row, column: number(row, f"{mode} {column}", published[row].get(column)),
    )


def _mean_lead(seed: SeedValues, one: str, other: str) -> float:
    return seed(one, "linear mean") - seed(other, "linear mean")


TRANSFER_TABLE = PaperTable(
    name="arcl-transfer",
    title="MoCo, averages over views and the worst pair, asked on other sets",
    source=f"{PAPER}; slide 'Performance on OOD Datasets' of December 2023",
    cells=_transfer_cells,
    panels=tuple(_transfer_panel(mode) for mode in MODES),
    claims=(
        Claim(
            key="A7",
            says="the gain carries over to other sets, linear",
            rule="smaller of ArCL 2 less MoCo and ArCL 3 less ArCL 2, mean over the sets at hand, points",
            decide=lambda seed: min(
                _mean_lead(seed, "ArCL m=2", "MoCo"), _mean_lead(seed, "ArCL m=3", "ArCL m=2")
            ),
        ),
        Claim(
            key="A8",
            says="the average over views alone hardly helps there",
            rule="half of ArCL 2 less MoCo, less AAL 2 less MoCo, mean over the sets at hand, points",
            decide=lambda seed: (
                _mean_lead(seed, "ArCL m=2", "MoCo") / 2 - _mean_lead(seed, "AAL m=2", "MoCo")
            ),
        ),
    ),
    notes=(
        "Encoders saw CIFAR-10 at 32 px here, ImageNet at 224 px there: published numbers stand beside for their order "
        "alone. The mean is over the sets that have both modes; local sets may be parts of the official ones.",
        "At the scales of CPU and GPU: 4,000 images of a set at most, fine-tuning in 300 steps with one rate.",
    ),
)
TABLES = (COPIES_TABLE, TRANSFER_TABLE)
