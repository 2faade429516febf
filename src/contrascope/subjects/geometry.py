"""The geometry of a run, or of any encoder on any images, and the record of it."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from contrascope import records
from contrascope.augment.settings import PolicySettings
from contrascope.data.imageset import ImageSet
from contrascope.data.sampling import some_images
from contrascope.data.settings import DataSettings
from contrascope.diagnosis.networks import fixed_views
from contrascope.diagnosis.settings import GeometrySettings
from contrascope.diagnosis.subject_geometry import SubjectGeometry, measure_subject
from contrascope.errors import InputError
from contrascope.records.geometry import GeometryRecord
from contrascope.records.typed import as_record
from contrascope.runs.load import default_device
from contrascope.settings import to_json
from contrascope.subjects.diagnose import Case, open_case


@dataclass(frozen=True, kw_only=True)
class MeasuredGeometry:
    """The geometry of trained networks beside that of random ones on the same images and views."""

    thing: str
    """The run or encoder."""
    data: str
    """Images and policy."""
    trained: SubjectGeometry
    reference: SubjectGeometry
    """Random weights of the same shape."""


def say(text: str) -> None:
    """One line of progress to stderr."""
    sys.stderr.write(f"{text}\n")


def measure_anything(
    name: str,
    data: DataSettings | None,
    *,
    policy: PolicySettings | None = None,
    labels: str | None = None,
    step: int | None = None,
    settings: GeometrySettings,
    tell: Callable[[str], None] = say,
    device: torch.device | str | None = None,
) -> MeasuredGeometry:
    """The geometry of a run on its own images under its own policy, unless others are named, or of an encoder.

    Raises `InputError` for a file of arrays, which has no networks.
    """
    if Path(name).expanduser().is_file():
        raise InputError(
            f"{name} is a file: the geometry needs the networks. Name a run's folder, or an encoder with images."
        )
    case = open_case(name, data, policy=policy, labels=labels, step=step)
    some = some_images(case.images, settings.images, seed=settings.seed)
    device = device or default_device()
    views = fixed_views(some, case.policies, num_views=2, seed=settings.seed, device=device)
    tell("geometry of the trained networks")
    trained = measure_subject(case.subject, some, views, settings=settings, device=device, tell=tell)
    tell("geometry of the random networks")
    reference = measure_subject(case.reference, some, views, settings=settings, device=device, tell=tell)
    return MeasuredGeometry(thing=name, data=_what(case, some), trained=trained, reference=reference)


def write_geometry(found: MeasuredGeometry, settings: GeometrySettings, out: Path) -> Path:
    """The full numbers as JSON; returns the file."""
    file = out / records.GEOMETRY if out.is_dir() else out
    file.parent.mkdir(parents=True, exist_ok=True)
    records.write_record(file, geometry_record(found, settings))
    return file


def geometry_record(found: MeasuredGeometry, settings: GeometrySettings | None = None) -> GeometryRecord:
    """What geometry.json holds."""
    return as_record(GeometryRecord, {"settings": to_json(settings) if settings else {}, **to_json(found)})


def _what(case: Case, some: ImageSet) -> str:
    return f"{case.data}; {len(some)} of {len(case.images)} images"
