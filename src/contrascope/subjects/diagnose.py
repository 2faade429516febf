"""Diagnose a run, any encoder, or a file of arrays: opened by what it is."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from contrascope import records
from contrascope.augment.policy import Policy
from contrascope.augment.settings import PolicySettings
from contrascope.data.imageset import ImageSet
from contrascope.data.open import open_images
from contrascope.data.sampling import some_images
from contrascope.data.settings import DataSettings
from contrascope.diagnosis.diagnosis import Diagnosis, array_signals, diagnosis
from contrascope.diagnosis.networks import (
    FixedViews,
    Subject,
    embed_views,
    encoder_lipschitz,
    fixed_views,
    measure_layers,
    signals_on,
)
from contrascope.diagnosis.settings import DiagnosisSettings
from contrascope.encoders.build import build_encoder
from contrascope.encoders.settings import EncoderSettings, pretrained
from contrascope.errors import InputError, did_you_mean
from contrascope.features.files import load_arrays
from contrascope.methods.settings import MethodSettings
from contrascope.progress import Passes, Progress, silent
from contrascope.records.diagnosis import DiagnosisRecord
from contrascope.records.typed import as_record
from contrascope.runs.load import as_trained, default_device, load_run, policies_for, random_twin_of
from contrascope.settings import to_json


@dataclass(frozen=True, kw_only=True)
class Diagnosed:
    """A diagnosis and what it is of."""

    thing: str
    """The run, encoder or file."""
    data: str
    """The images and the policy, or the shape of the arrays."""
    diagnosis: Diagnosis
    """What was found."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """Networks, images and policy that are measured together."""

    subject: Subject
    reference: Subject
    images: ImageSet
    policies: tuple[Policy, ...]
    method: MethodSettings | None
    data: str


def diagnose_anything(
    name: str,
    data: DataSettings | None,
    *,
    policy: PolicySettings | None = None,
    labels: str | None = None,
    step: int | None = None,
    settings: DiagnosisSettings,
    device: torch.device | str | None = None,
    progress: Progress = silent,
) -> Diagnosed:
    """A run is diagnosed on its own images under its own policy, unless others are named.

    `device` unset: the first GPU, or the CPU; `progress` counts embedded views.

    Raises `InputError` for an encoder without images, and for a file with images or a policy.
    """
    path = Path(name).expanduser()
    if path.is_file():
        if data is not None or policy is not None:
            raise InputError(
                f"{path} is a file of embeddings: it takes neither images nor a policy. Leave them out."
            )
        return _diagnose_file(path, labels, settings)
    case = open_case(name, data, policy=policy, labels=labels, step=step)
    return _diagnose_case(name, case, settings, device=device or default_device(), progress=progress)


def open_case(
    name: str,
    data: DataSettings | None,
    *,
    policy: PolicySettings | None = None,
    labels: str | None = None,
    step: int | None = None,
) -> Case:
    """A run with its own images and policy unless others are named, or an encoder with the images of `data`."""
    path = Path(name).expanduser()
    return _run(path, data, policy, step, labels) if path.is_dir() else _foreign(name, data, policy, labels)


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


def _run(
    path: Path, data: DataSettings | None, policy: PolicySettings | None, step: int | None, labels: str | None
) -> Case:
    run = load_run(path, step=step)
    own = run.settings
    chosen = own.data if data is None else as_trained(str(path), data)
    images = open_images(chosen if labels is None else replace(chosen, labels=labels))
    settings = own.policy if policy is None else policy
    twin = random_twin_of(run)
    return Case(
        subject=Subject(encoder=run.method.encoder, projector=run.method.projector),
        reference=Subject(encoder=twin.encoder, projector=twin.projector),
        images=images,
        policies=policies_for(settings, images),
        method=own.method,
        data=f"{images.name}, policy {settings.name}, step {run.step}",
    )


def _foreign(name: str, data: DataSettings | None, policy: PolicySettings | None, labels: str | None) -> Case:
    if data is None:
        raise InputError(
            f"{name!r} is no run's folder and no file; an encoder needs images: contrascope diagnose {name} DATA"
        )
    images = open_images(data if labels is None else replace(data, labels=labels))
    channels, side = images.shape[0], min(images.shape[1:])
    settings = policy or PolicySettings()
    trained = EncoderSettings(name=name, pretrained=pretrained(name))
    encoder = build_encoder(trained, channels=channels, size=side).eval()
    random = build_encoder(EncoderSettings(name=name), channels=channels, size=side).eval()
    return Case(
        subject=Subject(encoder=encoder),
        reference=Subject(encoder=random),
        images=images,
        policies=policies_for(settings, images),
        method=None,
        data=f"{images.name}, policy {settings.name}",
    )


def _diagnose_case(
    name: str, case: Case, settings: DiagnosisSettings, *, device: torch.device | str, progress: Progress
) -> Diagnosed:
    some = some_images(case.images, settings.images, seed=settings.seed)
    draws, seed = settings.draws, settings.seed
    views = fixed_views(some, case.policies, num_views=settings.views, seed=seed, device=device)
    size = len(some) * settings.views
    passes = Passes(progress, total=2 * size)
    reference = measure_layers(
        case.reference, views, draws=draws, seed=seed, device=device, progress=passes.next(size)
    )
    h, z = embed_views(case.subject, views, device=device, progress=passes.next(size))
    signals = signals_on(case.subject, (h, z), reference, views, draws=draws, seed=seed, device=device)
    slope = None if signals.h is None else encoder_lipschitz(case.subject.encoder, views, device=device)
    found = diagnosis(signals, h, z, some.labels, method=case.method, lipschitz=slope, draws=draws, seed=seed)
    return Diagnosed(thing=name, data=_what(case, some, views), diagnosis=found)


def _what(case: Case, some: ImageSet, views: FixedViews) -> str:
    return f"{case.data}; {len(some)} of {len(case.images)} images, {len(views.images)} views each"


def _columns(y: dict[str, Tensor], labels: str | None, path: Path) -> dict[str, Tensor]:
    if labels is None:
        return y
    if labels == "none":
        return {}
    if labels not in y:
        raise InputError(f"{path} has no label column {labels!r}. {did_you_mean(labels, y)}")
    return {labels: y[labels]}


def _diagnose_file(path: Path, labels: str | None, settings: DiagnosisSettings) -> Diagnosed:
    arrays = load_arrays(path)
    columns = _columns(arrays.y, labels, path)
    draws, seed = settings.draws, settings.seed
    h, z = arrays.h.float(), None if arrays.z is None else arrays.z.float()
    signals = array_signals(h, z, draws=draws, seed=seed)
    found = diagnosis(signals, h, z, columns, draws=draws, seed=seed)
    shape = " x ".join(map(str, h.shape))
    return Diagnosed(thing=str(path), data=f"h {shape} (views x images x dimensions)", diagnosis=found)
