"""Diagnose anything that opens as a subject: a run, an encoder, a file or arrays, a model in memory."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from contrascope import records
from contrascope.augment.settings import PolicySettings
from contrascope.data.imageset import ImageSet
from contrascope.data.memory import Labels
from contrascope.data.sampling import some_images
from contrascope.diagnosis.diagnosis import Diagnosis, array_signals, diagnosis
from contrascope.diagnosis.networks import (
    FixedViews,
    embed_views,
    encoder_lipschitz,
    fixed_views,
    measure_layers,
    signals_on,
)
from contrascope.diagnosis.settings import DiagnosisSettings
from contrascope.precision import single_precision
from contrascope.progress import Passes, Progress, Say, silent, unheard
from contrascope.records.diagnosis import DiagnosisRecord
from contrascope.records.typed import as_record
from contrascope.runs.bad_images import tell_images
from contrascope.settings import to_json
from contrascope.subjects.open import open_subject
from contrascope.subjects.subject import Subject


@dataclass(frozen=True, kw_only=True)
class Diagnosed:
    """A diagnosis and what it is of."""

    thing: str
    """The run, encoder or file."""
    data: str
    """The images and the policy, or the shape of the arrays."""
    diagnosis: Diagnosis
    """What was found."""


def diagnose_anything(
    thing: Any,
    data: Any = None,
    *,
    policy: PolicySettings | None = None,
    labels: Labels = None,
    step: int | None = None,
    settings: DiagnosisSettings,
    device: torch.device | str | None = None,
    progress: Progress = silent,
    say: Say = unheard,
    beside: Path | None = None,
) -> Diagnosed:
    """A run is diagnosed on its own images under its own policy, unless others are named.

    `device` unset: the first GPU, or the CPU; `progress` counts embedded views. `say` is told how images were read, and
    those that were skipped are listed `beside` a file where one is named.

    Raises `InputError` for an encoder without images, and for a file with images or a policy.
    """
    subject = open_subject(thing, data=data, policy=policy, labels=labels, step=step)
    if subject.networks is not None:
        tell_images(subject.images, say, beside=beside)
    return diagnose_subject(subject, settings=settings, device=device, progress=progress)


@single_precision()
def diagnose_subject(
    subject: Subject,
    *,
    settings: DiagnosisSettings,
    device: torch.device | str | None = None,
    progress: Progress = silent,
) -> Diagnosed:
    """The verdict of a subject; of networks without a random twin it is at best undecided."""
    draws, seed = settings.draws, settings.seed
    if subject.h is not None:
        signals = array_signals(subject.h, subject.z, draws=draws, seed=seed)
        found = diagnosis(signals, subject.h, subject.z, subject.labels, draws=draws, seed=seed)
        return Diagnosed(thing=subject.name, data=subject.what, diagnosis=found)
    networks, where = subject.trained, subject.device(device)
    some = some_images(subject.images, settings.images, seed=seed)
    views = fixed_views(some, subject.policies, num_views=settings.views, seed=seed, device=where)
    size, twin, reference = len(some) * settings.views, subject.twin, None
    passes = Passes(progress, total=size if twin is None else 2 * size)
    if twin is not None:
        reference = measure_layers(
            twin, views, draws=draws, seed=seed, device=where, progress=passes.next(size)
        )
    h, z = embed_views(networks, views, device=where, progress=passes.next(size))
    signals = signals_on(networks, (h, z), reference, views, draws=draws, seed=seed, device=where)
    slope = None if signals.h is None else encoder_lipschitz(networks.encoder, views, device=where)
    found = diagnosis(
        signals, h, z, some.labels, method=subject.method, lipschitz=slope, draws=draws, seed=seed
    )
    return Diagnosed(thing=subject.name, data=_what(subject, some, views), diagnosis=found)


def write_diagnosis(found: Diagnosed, settings: DiagnosisSettings, out: Path) -> Path:
    """The full numbers as JSON; returns the file."""
    file = out / records.DIAGNOSIS if out.is_dir() else out
    file.parent.mkdir(parents=True, exist_ok=True)
    records.write_record(file, diagnosis_record(found, settings))
    return file


def diagnosis_record(found: Diagnosed, settings: DiagnosisSettings | None = None) -> DiagnosisRecord:
    """What diagnosis.json holds."""
    value = {"thing": found.thing, "data": found.data, "settings": to_json(settings) if settings else {}}
    return as_record(DiagnosisRecord, value | to_json(found.diagnosis))


def _what(subject: Subject, some: ImageSet, views: FixedViews) -> str:
    return f"{subject.what}; {len(some)} of {len(subject.images)} images, {len(views.images)} views each"
