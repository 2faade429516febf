"""From a run's folder to a table of its images, or to its encoder for another library."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from contrascope import records
from contrascope.data.open import open_images
from contrascope.draws import PROBE_EPOCH
from contrascope.encoders.encoder import Encoder
from contrascope.errors import InputError, did_you_mean
from contrascope.exports.blueprint import Blueprint, blueprint
from contrascope.exports.csv_table import write_csv
from contrascope.exports.measure import image_table, measure_images
from contrascope.exports.onnx_model import FILE, write_onnx
from contrascope.exports.parquet import write_parquet
from contrascope.exports.standalone import CODE
from contrascope.exports.weights import Written, write_weights
from contrascope.intervals import generator
from contrascope.jobs.export_text import TO, export_text
from contrascope.jobs.exported import FOLDER, Exported
from contrascope.linalg import principal, unit_rows
from contrascope.precision import single_precision
from contrascope.progress import Progress
from contrascope.records.inside import whole_folder
from contrascope.reports.card import ExportedEncoder, model_card
from contrascope.reports.load import load
from contrascope.runs.bad_images import told_of
from contrascope.runs.load import Run, policies_for
from contrascope.subjects.open import open_subject
from contrascope.subjects.sentences import is_text
from contrascope.subjects.subject import Subject
from contrascope.types import FloatImages

Format = Literal["parquet", "csv", "safetensors", "timm", "hf", "onnx", "sentence-transformers"]
"""What can be exported."""
TABLES = ("parquet", "csv")
CHECKED = 64
"""Images on which an exported encoder is compared."""
ONNX_CODE = """\
import onnxruntime

session = onnxruntime.InferenceSession("model.onnx")
h = session.run(["h"], {"images": images})[0]  # images: a NumPy array"""


@dataclass(frozen=True, kw_only=True)
class ExportSettings:
    """What to export."""

    to: Format
    """A table of the images, or the encoder."""
    step: int | None = None
    """Checkpoint by its step; None: the newest."""
    split: str | None = None
    """Split of the images of a table; None: the one that the run was trained on."""
    neighbours: int = 15
    """Nearest neighbours of every image in a table."""
    views: int = 4
    """Views by which the alignment of an image is measured, at least 2."""
    seed: int = 0
    """Of these views."""

    def __post_init__(self) -> None:
        if self.to not in get_args(Format):
            raise InputError(f"cannot export to {self.to!r}. {did_you_mean(self.to, get_args(Format))}")
        if self.views < 2:
            raise InputError(f"views is {self.views}; alignment needs at least 2.")


@single_precision()
def export_run(
    run: Path | Run,
    settings: ExportSettings,
    *,
    out: Path | None = None,
    device: torch.device | str | None = None,
) -> Exported:
    """Exports a run; without `out` into its folder, under exports; `device` unset: the first GPU, or the CPU.

    Raises `InputError` where there is no checkpoint, where a table's images are not at hand, where a library has
    no such network, or where what was written does not give the encoder's outputs.
    """
    if isinstance(run, Path) and is_text(str(run)):
        return _of_sentences(run, settings, out)
    if settings.to == TO:
        raise InputError(
            f"--to {TO} is for runs on sentences, and this is none. Use timm, hf, onnx or safetensors."
        )
    subject = open_subject(run, step=settings.step)
    if subject.run is None:
        raise InputError(f"{subject.name} is no run; runs are exported. Name a run's folder.")
    if settings.to in TABLES:
        return _table(subject, subject.run, settings, out, device)
    if settings.split is not None:
        raise InputError(
            f"--split is for parquet and csv; --to {settings.to} exports the encoder. Leave it out."
        )
    return _encoder(subject.run, settings, out)


def _of_sentences(run: Path, settings: ExportSettings, out: Path | None) -> Exported:
    if settings.to != TO:
        raise InputError(
            f"{run} is a run on sentences, and --to {settings.to} is for images. Use --to {TO}, whose folder "
            "transformers opens too."
        )
    if settings.split is not None:
        raise InputError(f"--split is for parquet and csv; --to {TO} exports the encoder. Leave it out.")
    return export_text(run, step=settings.step, out=out)


def _table(
    subject: Subject,
    run: Run,
    settings: ExportSettings,
    out: Path | None,
    device: torch.device | str | None,
) -> Exported:
    split = settings.split or run.settings.data.split
    step = "" if settings.step is None else f"-step-{run.step:08d}"
    file = out or records.inside(run.path, FOLDER, f"{split.replace('/', '-')}{step}.{settings.to}")
    if file.suffix != f".{settings.to}" or file.is_dir():
        raise InputError(f"{file} is no name of a .{settings.to} file. Give --out a name that ends so.")
    images = open_images(replace(run.settings.data, split=split))
    with _bar("embedding") as progress:
        measured = measure_images(
            subject.trained.encoder,
            images,
            policies_for(subject.policy, images),
            epoch=PROBE_EPOCH,
            num_views=settings.views,
            seed=settings.seed,
            device=subject.device(device),
            progress=progress,
        )
    place, explained = principal(unit_rows(measured.h))
    table = image_table(images, split, measured, place, neighbours=settings.neighbours)
    with _bar("writing") as progress:
        (write_parquet if settings.to == "parquet" else write_csv)(table, file, progress=progress)
    shares = " and ".join(f"{100 * share:.0f} %" for share in explained)
    notes = [
        *told_of(images),
        f"{len(images):,} images; x and y are PCA of unit rows ({shares} of the variance)",
    ]
    if settings.to == "parquet":
        notes.append(f"open: embedding-atlas {file} --image image --x x --y y --neighbors neighbours")
    return Exported(path=file, notes=tuple(notes))


def _encoder(run: Run, settings: ExportSettings, out: Path | None) -> Exported:
    folder = out or records.inside(run.path, FOLDER, f"{settings.to}-step-{run.step:08d}")
    encoder = run.encoder
    assert isinstance(encoder, Encoder)
    made = blueprint(encoder, run.settings.encoder)
    images, what = _check_images(run)
    notes: tuple[str, ...] = ()
    with whole_folder(folder) as partial:
        if settings.to == "onnx":
            difference = write_onnx(encoder, images, partial / FILE)
            told = _told("onnxruntime", difference, what)
            card = _card(run, encoder, made, library="onnx", code=ONNX_CODE, remark="", told=told)
        else:
            assert settings.to in ("safetensors", "timm", "hf")
            written = write_weights(encoder, made, settings.to, partial, images)
            told = _compared(written, what)
            layout = written.layout
            notes = (layout.remark,) if layout.code == CODE else ()
            card = _card(
                run, encoder, made, library=layout.library, code=layout.code, remark=layout.remark, told=told
            )
        text = model_card(load(run.path), replace(card, normalises=_normalises(settings.to, card)))
        records.write_atomic(partial / "README.md", text.encode("utf-8", "replace"))
    return Exported(path=folder, notes=(told, *notes))


def _normalises(to: str, card: ExportedEncoder) -> bool:
    return to == "onnx" or card.library == "contrascope" or card.code == CODE


def _compared(written: Written, what: str) -> str:
    if written.difference is None:
        return f"Names and shapes are {written.layout.library}'s, but outputs were not compared: {written.unchecked}"
    loaded = "contrascope" if written.layout.code == CODE else written.layout.library
    return _told(loaded, written.difference, what)


def _told(library: str, difference: float, what: str) -> str:
    how = (
        f"differ from the encoder's by at most {difference:.1e}"
        if difference
        else "equal the encoder's bit for bit"
    )
    return f"Checked with {library} on {what}: outputs {how}."


def _card(
    run: Run, encoder: Encoder, made: Blueprint, *, library: str, code: str, remark: str, told: str
) -> ExportedEncoder:
    newest = max(step for step, _ in records.checkpoint_folders(run.path))
    return ExportedEncoder(
        library=library,
        code=code,
        remark=remark,
        checked=told,
        step=run.step,
        newest=run.step == newest,
        encoder=made.settings.name,
        channels=made.channels,
        size=made.size,
        resize=made.settings.resize,
        mean=made.settings.mean or (),
        std=made.settings.std or (),
        dim=encoder.dim,
        normalises=False,
        gray=made.settings.gray,
    )


def _check_images(run: Run) -> tuple[FloatImages, str]:
    """Images on which outputs are compared, and what they are: the run's own, or noise where they are gone."""
    try:
        images = open_images(run.settings.data)
    except InputError:
        noise = torch.rand((CHECKED, *run.image_shape), generator=generator(0, "export"), dtype=torch.float32)
        return noise, f"{CHECKED} images of noise (the run's own are not at hand)"
    count = min(CHECKED, len(images))
    return images.gather(torch.arange(count)).cpu().float() / 255, f"{count} of the run's images"


@contextmanager
def _bar(words: str) -> Iterator[Progress]:
    """A bar on a terminal; nothing elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn(words), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(words, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
