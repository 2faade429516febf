"""What a page lacks is measured before it is written, where the run's images are at hand."""

from collections.abc import Iterator
from pathlib import Path

import torch

from contrascope import records
from contrascope.diagnosis.settings import DiagnosisSettings
from contrascope.errors import InputError
from contrascope.gallery.gallery import write_gallery
from contrascope.gallery.part import GallerySettings
from contrascope.gallery.sentences import write_sentences
from contrascope.imports import NotAllowedError
from contrascope.precision import single_precision
from contrascope.records.sentences import SentenceGalleryRecord
from contrascope.reports.load import is_advice
from contrascope.subjects.diagnose import diagnose_anything, write_diagnosis
from contrascope.subjects.diagnose_sentences import diagnose_sentences
from contrascope.subjects.sentences import is_text, open_text_subject


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
    of_text = _of_text(run)
    shown = SentenceGalleryRecord.FILE if of_text else records.GALLERY
    needs_gallery = gallery and not (run / shown).exists()
    try:
        if needs_diagnosis:
            yield _diagnosed(run, device, of_text=of_text)
        if needs_gallery:
            yield _written(run) if of_text else _pictured(run, points, device)
    except NotAllowedError as error:
        lacking = ["no diagnosis"] * needs_diagnosis + ["no pictures and no map"] * needs_gallery
        yield f"{', '.join(lacking)}: {error}"


def _of_text(run: Path) -> bool:
    try:
        return is_text(str(run))
    except InputError:  # damaged settings, which the page itself tells
        return False


def _diagnosed(run: Path, device: torch.device | str | None, *, of_text: bool) -> str:
    settings = DiagnosisSettings()
    try:
        if of_text:
            found = diagnose_sentences(open_text_subject(str(run)), settings=settings)
        else:
            found = diagnose_anything(str(run), settings=settings, device=device)
        return f"diagnosed: {write_diagnosis(found, settings, run)}"
    except NotAllowedError:
        raise
    except InputError as error:
        return f"no diagnosis: {error}"


def _written(run: Path) -> str:
    try:
        return f"sentences and their neighbours: {write_sentences(run)}"
    except NotAllowedError:
        raise
    except InputError as error:
        return f"no sentences: {error}"


def _pictured(run: Path, points: int, device: torch.device | str | None) -> str:
    settings = GallerySettings(points=points)
    try:
        return f"pictures and map: {write_gallery(run, settings, device=device)}"
    except NotAllowedError:
        raise
    except InputError as error:
        return f"no pictures and no map: {error}"
