"""What a page lacks is measured before it is written, where the run's images are at hand."""

from collections.abc import Iterator
from pathlib import Path

import torch

from contrascope import records
from contrascope.diagnosis.settings import DiagnosisSettings
from contrascope.errors import InputError
from contrascope.gallery.gallery import write_gallery
from contrascope.gallery.part import GallerySettings
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
    """Writes the records that are missing; yields a sentence for each, also for one that could not be made."""
    if run.is_dir() and is_advice(run):
        return
    if diagnosis and run.is_dir() and not (run / records.DIAGNOSIS).exists():
        try:
            settings = DiagnosisSettings()
            found = diagnose_anything(str(run), settings=settings, device=device)
            yield f"diagnosed: {write_diagnosis(found, settings, run)}"
        except InputError as error:
            yield f"no diagnosis: {error}"
    if gallery and run.is_dir() and not (run / records.GALLERY).exists():
        settings_of_gallery = GallerySettings(points=points)
        try:
            yield f"pictures and map: {write_gallery(run, settings_of_gallery, device=device)}"
        except InputError as error:
            yield f"no pictures and no map: {error}"
