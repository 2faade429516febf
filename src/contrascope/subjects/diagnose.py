"""Diagnose anything that opens as a subject: a run, an encoder, a file or arrays, a model in memory."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from contrascope import records
from contrascope.augment.settings import PolicySettings
from contrascope.data.memory import Labels
from contrascope.data.sampling import some_images
from contrascope.diagnosis.answers import WITHOUT_LABELS
from contrascope.diagnosis.causes import Known
from contrascope.diagnosis.diagnosis import Diagnosis, array_signals, diagnosis
from contrascope.diagnosis.networks import encoder_lipschitz, measure_networks
from contrascope.diagnosis.settings import DiagnosisSettings
from contrascope.diagnosis.verdict import Answer
from contrascope.evaluation.few.compare import LEAST, FewLabels
from contrascope.features.labelled import read_labelled
from contrascope.precision import single_precision
from contrascope.progress import Progress, Say, silent, unheard
from contrascope.records.diagnosis import DiagnosisRecord
from contrascope.records.forgetting import ForgettingEntry
from contrascope.records.shortcut import ShortcutEntry
from contrascope.records.typed import as_record
from contrascope.records.vocabulary import UsefulWord
from contrascope.runs.bad_images import tell_images
from contrascope.runs.load import policies_for
from contrascope.settings import to_json
from contrascope.subjects.forgetting import forgetting_of
from contrascope.subjects.measured import MeasuredImages, measured_images
from contrascope.subjects.open import open_subject
from contrascope.subjects.shortcut_pictures import shortcut_pictures
from contrascope.subjects.subject import Subject
from contrascope.subjects.useful import useful_subject

USEFUL: dict[str, UsefulWord] = {"yes": "useful", "no": "not useful", "label more": "label more"}
"""What a comparison on a few labels is called."""
MOST_LABELS = 2000
"""Labels of a column that are looked at."""


@dataclass(frozen=True, kw_only=True)
class Diagnosed:
    """A diagnosis and what it is of."""

    thing: str
    """The run, encoder or file."""
    data: str
    """The images and the policy, or the shape of the arrays."""
    diagnosis: Diagnosis
    """What was found."""
    few: FewLabels | None = None
    """What labels said, where some were given for that."""
    shortcut: ShortcutEntry | None = None
    """What the encoder confuses, in pictures, where it may rest on a shortcut."""
    start: ForgettingEntry | None = None
    """Beside the encoder that a run started from."""
    item: str = "image"
    """What it was shown many of."""


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
    labelled: Path | None = None,
) -> Diagnosed:
    """A run is diagnosed on its own images under its own policy, unless others are named.

    Whether it is useful is answered from the label column that `labels` names, or from the table `labelled` (file,
    class) of some of the subject's images. `device` unset: the first GPU, or the CPU; `progress` counts embedded views.
    `say` is told how images were read, and those that were skipped are listed `beside` a file where one is named.

    Raises `InputError` for an encoder without images, and for a file with images or a policy.
    """
    subject = open_subject(thing, data=data, policy=policy, labels=labels, step=step)
    shown = None if subject.networks is None else measured_images(subject)
    if shown is not None:
        tell_images(shown.images, say, beside=beside)
    return diagnose_subject(
        subject,
        settings=settings,
        shown=shown,
        device=device,
        progress=progress,
        labelled=labelled,
        column=labels,
    )


@single_precision()
def diagnose_subject(
    subject: Subject,
    *,
    settings: DiagnosisSettings,
    shown: MeasuredImages | None = None,
    device: torch.device | str | None = None,
    progress: Progress = silent,
    labelled: Path | None = None,
    column: Labels = None,
) -> Diagnosed:
    """The verdict of a subject; without a random twin nobody can tell whether it learnt.

    A run is measured on images that it was not trained on where there are any (`measured_images`).
    """
    draws, seed = settings.draws, settings.seed
    if subject.h is not None:
        beside = subject.reference
        signals = array_signals(subject.h, subject.z, reference=beside, draws=draws, seed=seed)
        found = diagnosis(signals, subject.h, subject.z, subject.labels, draws=draws, seed=seed)
        return Diagnosed(thing=subject.name, data=subject.what, diagnosis=found)
    networks, where = subject.trained, subject.device(device)
    shown = shown or measured_images(subject)
    some = some_images(shown.images, settings.images, seed=seed)
    signals, exhibited, rows = measure_networks(
        networks,
        subject.twin,
        some,
        policies_for(subject.policy, some),
        num_views=settings.views,
        seed=seed,
        draws=draws,
        device=where,
        progress=progress,
    )
    slope = None if signals.h is None else encoder_lipschitz(networks.encoder, exhibited.own, device=where)
    useful, few = _useful(subject, labelled, column, signals_ok=not signals.faults.non_finite, device=where)
    found = diagnosis(
        signals,
        rows.h,
        rows.z,
        some.labels,
        known=known_of(subject),
        useful=useful,
        lipschitz=slope,
        draws=draws,
        seed=seed,
    )
    about = f"{shown.what}; {len(some)} of {len(shown.images)} images, {settings.views} views each"
    seen = shortcut_pictures(found.verdict.learning, some.names(), exhibited, rows)
    start = forgetting_of(subject, exhibited, rows, draws=draws, seed=seed, device=where)
    return Diagnosed(thing=subject.name, data=about, diagnosis=found, few=few, shortcut=seen, start=start)


def _useful(
    subject: Subject, labelled: Path | None, column: Labels, *, signals_ok: bool, device: torch.device
) -> tuple[Answer[UsefulWord], FewLabels | None]:
    """The third answer, from a table of labels or from a column that was named."""
    if not signals_ok or (labelled is None and (not isinstance(column, str) or column == "none")):
        return WITHOUT_LABELS, None
    if labelled is not None:
        told = read_labelled(labelled, subject.names)
        ids, y = told.ids, told.labels
    else:
        chosen = some_images_of(subject)
        ids, y = chosen, next(iter(subject.images.labels.values()))[chosen]
    if len(ids) < LEAST:
        return Answer(
            word="label more",
            evidence=(f"{len(ids)} images have a class; fewer than {LEAST} decide nothing.",),
            next=f"Label {LEAST - len(ids)} more; contrascope label keeps the classes that are there.",
        ), None
    found = useful_subject(subject, ids, y, device=device)
    answer: Answer[UsefulWord] = Answer(word=USEFUL[found.answer], evidence=found.evidence, next=found.next)
    return answer, found.found


def some_images_of(subject: Subject) -> Int[Tensor, " n"]:
    """At most 2,000 of a subject's images, drawn at random: as many labels decide whatever can be decided."""
    order = torch.randperm(len(subject.images), generator=torch.Generator().manual_seed(0))
    return order[:MOST_LABELS].sort().values


def known_of(subject: Subject) -> Known:
    """What is known of a subject's training."""
    if subject.run is None:
        return Known(method=subject.method)
    optim = subject.run.settings.optim
    return Known(method=subject.method, optimiser=optim.name, rate=optim.lr, decay=optim.weight_decay)


def write_diagnosis(found: Diagnosed, settings: DiagnosisSettings, out: Path) -> Path:
    """The full numbers as JSON; returns the file."""
    file = out / records.DIAGNOSIS if out.is_dir() else out
    file.parent.mkdir(parents=True, exist_ok=True)
    records.write_record(file, diagnosis_record(found, settings))
    return file


def diagnosis_record(found: Diagnosed, settings: DiagnosisSettings | None = None) -> DiagnosisRecord:
    """What diagnosis.json holds."""
    value = {"thing": found.thing, "data": found.data, "settings": to_json(settings) if settings else {}}
    few = None if found.few is None else to_json(found.few)
    beside = {"few_labels": few, "shortcut": found.shortcut, "start": found.start}
    return as_record(DiagnosisRecord, value | to_json(found.diagnosis) | beside)
