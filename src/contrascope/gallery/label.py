"""Images whose labels decide: chosen over the embedding, with a page and a table to fill in."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from contrascope.augment.settings import PolicySettings
from contrascope.data.pictures.thumbnails import picture_address
from contrascope.data.sampling import some_images
from contrascope.errors import InputError
from contrascope.evaluation.few.choose import spread_images
from contrascope.features.embed import embed
from contrascope.features.labelled import filled_classes, write_labelled
from contrascope.features.table import cell
from contrascope.precision import single_precision
from contrascope.progress import Progress, Say, silent, unheard
from contrascope.records.inside import inside
from contrascope.reports.label import ToLabel, write_label_page
from contrascope.runs.bad_images import tell_images
from contrascope.subjects.open import open_subject
from contrascope.subjects.subject import Subject

PAGE, TABLE = "label.html", "label.csv"
MOST_EMBEDDED = 10_000
"""Images that are chosen from, drawn at random of more."""
SIDE = 128
"""Of a thumbnail in px."""


@dataclass(frozen=True, kw_only=True)
class LabelSheet:
    """What was written."""

    page: Path
    """The page with the thumbnails."""
    table: Path
    """The table with the columns file and class."""
    images: int
    """Its rows."""
    kept: int
    """Classes that the table had already."""


@single_precision()
def label_images(
    thing: Any,
    data: Any = None,
    *,
    out: Path,
    count: int = 20,
    spread: bool = True,
    seed: int = 0,
    step: int | None = None,
    device: torch.device | str | None = None,
    progress: Progress = silent,
    say: Say = unheard,
) -> LabelSheet:
    """Writes `label.html` and `label.csv` into `out`, for `count` images of a run or an encoder with images.

    `spread` over the embedding, or drawn at random. More of the same seed begin with the fewer ones. Classes that the
    table has already are kept, and so are rows of other images that have one.
    """
    subject = open_subject(thing, data=data, policy=PolicySettings() if data is not None else None, step=step)
    tell_images(subject.images, say)
    ids = _chosen(subject, count, spread=spread, seed=seed, device=device, progress=progress)
    table = inside(out, TABLE)
    before = dict(filled_classes(table)) if table.is_file() else {}
    names = list(subject.images.names(ids))
    mine = {cell(name) for name in names}
    known = {cell(name): at for at, name in enumerate(subject.names)}
    labelled = [known[name] for name in before if name in known and name not in mine]
    ids = torch.cat([torch.tensor(labelled, dtype=torch.int64), ids])
    names = list(subject.images.names(ids))
    out.mkdir(parents=True, exist_ok=True)
    write_labelled(table, names, before)
    command = f"contrascope diagnose {shlex.quote(subject.name)} --labelled {shlex.quote(str(table))}"
    write_label_page(
        [
            ToLabel(name=name, cell=cell(name), word=before.get(cell(name), ""), picture=picture)
            for name, picture in zip(names, _pictures(subject, ids), strict=True)
        ],
        inside(out, PAGE),
        about=f"{subject.name}: {subject.images.name}",
        file=TABLE,
        command=command,
    )
    return LabelSheet(page=out / PAGE, table=table, images=len(ids), kept=len(before))


def _chosen(
    subject: Subject,
    count: int,
    *,
    spread: bool,
    seed: int,
    device: torch.device | str | None,
    progress: Progress,
) -> Int[Tensor, " count"]:
    n = len(subject.images)
    if not 1 <= count <= n:
        raise InputError(f"{count} images to label of {n}; expected 1 to {n}. Correct the count.")
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    if not spread:
        return order[:count]
    some = order[:MOST_EMBEDDED].sort().values
    networks = subject.trained
    found = embed(
        networks.encoder,
        None,
        some_images(subject.images, MOST_EMBEDDED, seed=seed),
        device=subject.device(device),
        progress=progress,
    )
    return some[spread_images(found.h[0], min(count, len(some)), seed=seed)]


def _pictures(subject: Subject, ids: Int[Tensor, " n"]) -> list[str]:
    return [picture_address(subject.images.gather(at)[0].float() / 255, SIDE) for at in ids.split(1)]
