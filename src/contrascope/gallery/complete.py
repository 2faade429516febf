"""What a page lacks is measured before it is written, where the run's images are at hand."""

from collections.abc import Iterator
from pathlib import Path

import torch

from contrascope import records
from contrascope.diagnosis.settings import DiagnosisSettings
from contrascope.errors import InputError
from contrascope.gallery.gallery import write_gallery
from contrascope.gallery.part import GallerySettings
from contrascope.imports import NotAllowedError
from contrascope.precision import single_precision
from contrascope.reports.load import is_advice
from contrascope.subjects.diagnose import diagnose_anything, write_diagnosis


@single_precision()
def complete(
    run: Path,
    *,
    gallery: bool,
    diagnosis: bool,
    points: int,
    device: torch.device | str | None = None,
) -> Iterator[str]:
    """Writes the records that are missing; yields a sentence for each, also for one that could not be made.

    Where networks are code that nobody allowed, there is one sentence for all that needs them.
    """
    if not run.is_dir() or is_advice(run):
        return
    needs_diagnosis = diagnosis and not (run / records.DIAGNOSIS).exists()
    needs_gallery = gallery and not (run / records.GALLERY).exists()
    try:
        if needs_diagnosis:
            yield _diagnosed(run, device)
        if needs_gallery:
            yield _pictured(run, points, device)
    except NotAllowedError as error:
        lacking = ["no diagnosis"] * needs_diagnosis + ["no pictures and no map"] * needs_gallery
        yield f"{', '.join(lacking)}: {error}"


def _diagnosed(run: Path, device: torch.device | str | None) -> str:
    settings = DiagnosisSettings()
    try:
        found = diagnose_anything(str(run), settings=settings, device=device)
        return f"diagnosed: {write_diagnosis(found, settings, run)}"
    except NotAllowedError:
        raise
    except InputError as error:
        return f"no diagnosis: {error}"


def _pictured(run: Path, points: int, device: torch.device | str | None) -> str:
    settings = GallerySettings(points=points)
    try:
        return f"pictures and map: {write_gallery(run, settings, device=device)}"
    except NotAllowedError:
        raise
    except InputError as error:
        return f"no pictures and no map: {error}"
