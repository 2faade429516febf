"""What each command of the command line takes: one frozen dataclass a command, from which its flags are made."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from contrascope.advice.settings import AdviseSettings
from contrascope.data.settings import DataSettings
from contrascope.diagnosis.settings import DiagnosisSettings, GeometrySettings
from contrascope.evaluation.protocol import Protocol
from contrascope.evaluation.suites import AugmentedSettings, TransferProtocol
from contrascope.runs.settings import RunSettings


@dataclass(frozen=True, kw_only=True)
class TrainArguments:
    """Train a self-supervised encoder; every setting of the recipe can be changed."""

    settings: Annotated[RunSettings, tyro.conf.arg(name="")]
    out: Path | None = None
    """Folder of the run; unset: runs/RECIPE-DATE-TIME."""
    resume: bool = False
    """Go on with the run in --out from its newest checkpoint."""
    policy: Path | None = None
    """Policy file (JSON), as `contrascope advise` writes it, in place of the recipe's policy."""
    probe: Literal["geometry"] | None = None
    """Measured while training: `geometry` stands for `--geometry.times 10`, unless the times are given."""
    print_settings: bool = False
    """Print every resolved setting as JSON and stop."""


@dataclass(frozen=True, kw_only=True)
class EmbedArguments:
    """Write the features of images to a .safetensors, .npz or .npy file."""

    encoder: tyro.conf.Positional[str]
    """A run's folder, or an encoder: resnet18, timm:NAME, hf:NAME, torchvision:NAME, package.module:Object."""
    source: tyro.conf.Positional[str]
    """The images: digits, scenes, shapes, a folder, an array file, or a name on the hub."""
    out: Path
    """The file to write."""
    data: DataSettings = field(default_factory=DataSettings)


@dataclass(frozen=True, kw_only=True)
class EvaluateArguments:
    """Accuracy of simple classifiers on frozen features, beside a random encoder and raw pixels.

    A run is assessed under its own protocol unless a setting of the protocol is changed here. `--suite augmented`
    asks how robust it is, `--suite transfer` how far it carries: docs/robustness.md, docs/transfer.md.
    """

    encoder: tyro.conf.Positional[str]
    """A run's folder, an encoder's name, or a file of features."""
    source: tyro.conf.Positional[str | None] = None
    """The images: digits, scenes, shapes, a folder, an array file, or a name on the hub; for a file of features, a second one to test on. A suite on a run can do without."""  # noqa: E501
    suite: Literal["augmented", "transfer"] | None = None
    """A suite: transformed copies and corruptions of the data, or other sets."""
    sets: tuple[str, ...] = ()
    """Sets of the transfer suite: aircraft, pets, ..., or SOURCE, SOURCE@COLUMN, SOURCE@COLUMN@METRIC (top1 or mean); unset: the nine."""  # noqa: E501
    out: Path | None = None
    """Folder of a suite's record; unset: the run's."""
    data: DataSettings = field(default_factory=DataSettings)
    protocol: Protocol = field(default_factory=Protocol)
    augmented: AugmentedSettings = field(default_factory=AugmentedSettings)
    transfer: TransferProtocol = field(default_factory=TransferProtocol)
    json: bool = False
    """Print the scores as JSON instead of a table."""


@dataclass(frozen=True, kw_only=True)
class DiagnoseArguments:
    """Say without labels whether a representation works, why, and what to try next.

    The exit status is 0 for healthy or undecided, 3 for anything else, 2 for wrong input.
    """

    thing: tyro.conf.Positional[str]
    """A run's folder, an encoder's name, or a file of embeddings (.npy, .npz, .safetensors, .parquet)."""
    source: tyro.conf.Positional[str | None] = None
    """The images of an encoder; a run has its own."""
    labels: str | None = None
    """Label column to show beside the verdict, which never sees it; unset: every column; `none`: no labels."""
    policy: str | None = None
    """Policy that makes the views, a preset, letters or a policy file (.json); unset: the run's own, or simclr."""
    strength: float | None = None
    """Strength of the policy's colour distortion; unset: the policy's own."""
    step: int | None = None
    """Checkpoint of a run by its step; unset: the newest."""
    out: Path | None = None
    """File for the full numbers; unset: diagnosis.json in the run's folder, or none."""
    data: DataSettings = field(default_factory=DataSettings)
    diagnosis: DiagnosisSettings = field(default_factory=DiagnosisSettings)
    geometry: bool = False
    """Measure the geometry of encoder and projector instead, and write geometry.json; takes networks, not files."""
    of_geometry: GeometrySettings = field(default_factory=GeometrySettings)
    json: bool = False
    """Print the full numbers as JSON instead of a summary."""


@dataclass(frozen=True, kw_only=True)
class AdviseArguments:
    """Say which augmentation suits these images, and write the best policy to a file.

    Looks at the images, gives a word on every operation (no-op, destructive, saturated, useful), measures how views
    bring images together, and within the budget trains short proxies. Ask the same again to go on.
    """

    source: tyro.conf.Positional[str]
    """The images: digits, scenes, shapes, a folder, an array file, or a name on the hub."""
    labels: str | None = None
    """Label column that the advice may use; unset: none is looked at."""
    budget: str = "10m"
    """Time for short trainings, such as 90s, 10m or 1h; 0: none, the ranking is by distances of views alone."""
    base: str = "simclr"
    """Method of the short trainings: simclr, moco, barlow-twins, simsiam, byol or vicreg."""
    out: Path = Path("advised-policy.json")
    """File for the best policy; measurements are kept in a folder of the same name that ends in .advice."""
    data: DataSettings = field(default_factory=DataSettings)
    settings: AdviseSettings = field(default_factory=AdviseSettings)
    json: bool = False
    """Print every number as JSON instead of a summary."""


@dataclass(frozen=True, kw_only=True)
class ReportArguments:
    """Write one self-contained HTML page of a run, or a page that compares several runs.

    The page is made from the records in the folders alone. What a single run lacks is measured first where its
    images are at hand: the diagnosis, and the gallery with the map.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of runs."""
    out: Path | None = None
    """File to write; unset: report.html in the run's folder, or comparison.html here for several."""
    gallery: bool = True
    """Measure and write gallery.json (thumbnails, map, spectra) where it is missing."""
    points: int = 5000
    """Points of the map in a new gallery.json, at most 20,000."""
    diagnosis: bool = True
    """Measure and write diagnosis.json where it is missing."""


@dataclass(frozen=True, kw_only=True)
class ExportArguments:
    """Write a run's embeddings, or its encoder, in a form that other tools open.

    parquet, csv: one row an image with its place on the map, labels, alignment and neighbours. safetensors, timm, hf,
    onnx: a folder with the encoder's weights and a model card; what is written is loaded again and compared first.
    """

    run: tyro.conf.Positional[Path]
    """A run's folder."""
    to: Literal["parquet", "csv", "safetensors", "timm", "hf", "onnx"]
    """What to write: a table of the images, or the encoder."""
    out: Path | None = None
    """File or folder to write; unset: in the run's folder, under exports."""
    step: int | None = None
    """Checkpoint by its step; unset: the newest."""
    split: str | None = None
    """Split of the images for parquet and csv; unset: the one that the run was trained on."""
    neighbours: int = 15
    """Nearest neighbours of every image in parquet and csv."""


@dataclass(frozen=True, kw_only=True)
class FigureArguments:
    """Draw one figure of one run or several as SVG, PDF or PNG; needs matplotlib, the extra `figures`.

    Figures: alignment-divergence, loss, learning-rate, uniformity, retrieval, ranks, spectrum, r-epsilon,
    concentration-curves, bound, projector-rank, nearest-negative, map, operations. The last two draw several
    runs side by side, the others draw them in one plot.
    """

    words: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN... NAME")]
    """Folders of runs, then the name of the figure."""
    out: Path
    """File to write: .svg, .pdf or .png."""
    width: float = 7.0
    """Width in inches."""
