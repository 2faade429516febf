"""The geometry of a run, or of any encoder on any images, and the record of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from contrascope import records
from contrascope.augment.settings import PolicySettings
from contrascope.data.imageset import ImageSet
from contrascope.data.memory import Labels
from contrascope.data.sampling import some_images
from contrascope.diagnosis.exhibits import fixed_views
from contrascope.diagnosis.settings import GeometrySettings
from contrascope.diagnosis.subject_geometry import SubjectGeometry, measure_subject
from contrascope.errors import InputError
from contrascope.progress import Say, to_stderr
from contrascope.records.geometry import GeometryRecord
from contrascope.records.typed import as_record
from contrascope.runs.bad_images import tell_images
from contrascope.settings import to_json
from contrascope.subjects.open import is_file, open_subject
from contrascope.subjects.subject import Subject


@dataclass(frozen=True, kw_only=True)
class MeasuredGeometry:
    """The geometry of trained networks beside that of random ones on the same images and views."""

    thing: str
    """The run or encoder."""
    data: str
    """Images and policy."""
    trained: SubjectGeometry
    reference: SubjectGeometry | None
    """Random weights of the same shape; None where there are no weights to draw."""


def measure_anything(
    thing: Any,
    data: Any = None,
    *,
    policy: PolicySettings | None = None,
    labels: Labels = None,
    step: int | None = None,
    settings: GeometrySettings,
    device: torch.device | str | None = None,
    say: Say = to_stderr,
) -> MeasuredGeometry:
    """The geometry of a run on its own images under its own policy, unless others are named, or of an encoder.

    Raises `InputError` for a file of arrays, which has no networks.
    """
    if is_file(thing):
        raise InputError(
            f"{thing} is a file: the geometry needs the networks. Name a run's folder, or an encoder with images."
        )
    subject = open_subject(thing, data=data, policy=policy, labels=labels, step=step)
    networks, where = subject.trained, subject.device(device)
    tell_images(subject.images, say)
    some = some_images(subject.images, settings.images, seed=settings.seed)
    views = fixed_views(some, subject.policies, num_views=2, seed=settings.seed, device=where)
    say("geometry of the trained networks")
    trained = measure_subject(networks, some, views, settings=settings, device=where, tell=say)
    reference = None
    if subject.twin is not None:
        say("geometry of the random networks")
        reference = measure_subject(subject.twin, some, views, settings=settings, device=where, tell=say)
    return MeasuredGeometry(
        thing=subject.name, data=_what(subject, some), trained=trained, reference=reference
    )


def write_geometry(found: MeasuredGeometry, settings: GeometrySettings, out: Path) -> Path:
    """The full numbers as JSON; returns the file."""
    file = out / records.GEOMETRY if out.is_dir() else out
    file.parent.mkdir(parents=True, exist_ok=True)
    records.write_record(file, geometry_record(found, settings))
    return file


def geometry_record(found: MeasuredGeometry, settings: GeometrySettings | None = None) -> GeometryRecord:
    """What geometry.json holds."""
    return as_record(GeometryRecord, {"settings": to_json(settings) if settings else {}, **to_json(found)})


def _what(subject: Subject, some: ImageSet) -> str:
    return f"{subject.what}; {len(some)} of {len(subject.images)} images"
