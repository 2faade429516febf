"""The record gallery.json: what a page shows of the images, so that it renders again without them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from contrascope import records
from contrascope.data.imageset import ImageSet
from contrascope.data.open import open_images
from contrascope.data.pictures.thumbnails import Thumbnails, thumbnail_side
from contrascope.errors import InputError, MissingSplitError
from contrascope.gallery.curves import factor_curves
from contrascope.gallery.map import embedding_map, map_tiles
from contrascope.gallery.part import GallerySettings, measure_part
from contrascope.gallery.rows import Rows
from contrascope.records.gallery import GalleryRecord
from contrascope.records.typed import as_record
from contrascope.runs.load import Run
from contrascope.subjects.open import open_subject
from contrascope.subjects.subject import Subject

TEST_SHARE = 0.2
"""Of the points of the map, where there is a test split."""


def write_gallery(
    path: Path, settings: GallerySettings | None = None, *, device: torch.device | str | None = None
) -> Path:
    """Measures a run on its own images and writes gallery.json in its folder; returns the file.

    Raises `InputError` where the run has no checkpoint or its images are not at hand.
    """
    file = records.inside(path, records.GALLERY)
    records.write_record(file, gallery(open_subject(path), settings or GallerySettings(), device=device))
    return file


def gallery(
    subject: Subject, settings: GallerySettings, *, device: torch.device | str | None = None
) -> GalleryRecord:
    """The record of a run: thumbnails, rows of images, the map, spectra and the R_eps curve."""
    run = subject.run
    if run is None:
        raise InputError(
            f"{subject.name} is no run; a gallery is a part of a run's page. Name a run's folder."
        )
    images, policies, where = subject.images, subject.policies, subject.device(device)
    test = _test_split(run)
    kept = 0 if test is None else min(len(test), round(TEST_SHARE * settings.points))
    whole = measure_part(subject.trained, images, policies, settings.points - kept, settings, device=where)
    parts = {run.settings.data.split or "all": whole}
    if test is not None:
        parts[run.settings.protocol.test_split] = measure_part(
            subject.trained, test, policies, kept, settings, device=where
        )
    thumbnails = Thumbnails(thumbnail_side(*images.shape[1:]))
    rows = Rows(whole, policies, thumbnails, settings)
    record: dict[str, Any] = {
        "step": run.step,
        "data": images.name,
        "policy": subject.policy.name,
        "classes": list(images.class_names.get(images.label_column or "", ())),
        "views": rows.views(),
        "worst": rows.extremes(whole.alignment.argsort(descending=True)),
        "best": rows.extremes(whole.alignment.argsort()),
        "neighbours": rows.neighbours(),
        **factor_curves(subject.twin, whole, policies, settings, device=where),
    }
    tile, small = map_tiles(list(parts.values()), len(thumbnails))
    record["map"] = {**embedding_map(parts, settings), "tile": tile}
    record["sheets"] = [*thumbnails.sheets(), *small]
    return as_record(GalleryRecord, record)


def _test_split(run: Run) -> ImageSet | None:
    split = run.settings.protocol.test_split
    if split == run.settings.data.split:
        return None
    try:
        return open_images(replace(run.settings.data, split=split))
    except MissingSplitError:
        return None
