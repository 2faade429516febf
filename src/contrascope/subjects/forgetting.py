"""A run beside the encoder that it started from."""

import torch

from contrascope import records
from contrascope.data.sampling import some_images
from contrascope.diagnosis.checks.forgetting import forgetting, told
from contrascope.diagnosis.exhibits import (
    Exhibits,
    FixedViews,
    Networks,
    ShownRows,
    embed_views,
    exhibits,
    show,
)
from contrascope.precision import single_precision
from contrascope.records.forgetting import ForgettingEntry, ForgettingRecord
from contrascope.records.typed import as_part, write_record
from contrascope.runs.load import policies_for
from contrascope.settings import to_json
from contrascope.subjects.measured import measured_images
from contrascope.subjects.subject import Subject

IMAGES, DRAWS = 1000, 200
"""Images that are compared when training ends, and draws of an interval."""


def forgetting_of(
    subject: Subject,
    exhibited: Exhibits,
    shown: ShownRows,
    *,
    draws: int,
    seed: int,
    device: torch.device,
) -> ForgettingEntry | None:
    """What is left of a subject's start on the exhibits; None where it started from random weights."""
    if subject.start is None:
        return None
    start = show(subject.start, exhibited, device=device)
    random = None
    if subject.twin is not None:
        first = FixedViews(images=exhibited.own.images[:1])
        random = embed_views(Networks(encoder=subject.twin.encoder), first, device=device)[0][0]
    found = forgetting(shown, start, random, exhibited, draws=draws, seed=seed)
    evidence, after = told(found)
    return as_part(ForgettingEntry, to_json(found) | {"evidence": evidence, "next": after})


@single_precision()
def write_forgetting(subject: Subject, *, device: torch.device) -> ForgettingRecord | None:
    """Compares a run with its start and keeps the answer in its folder; None where there is no such start.

    On at most 1,000 images that it was not trained on, where there are any, two views each.
    """
    if subject.run is None or subject.start is None:
        return None
    measured = measured_images(subject)
    seed = subject.run.settings.training.seed
    some = some_images(measured.images, IMAGES, seed=seed)
    exhibited = exhibits(some, policies_for(subject.policy, some), num_views=2, seed=seed, device=device)
    shown = show(Networks(encoder=subject.trained.encoder), exhibited, device=device)
    found = forgetting_of(subject, exhibited, shown, draws=DRAWS, seed=seed, device=device)
    record = ForgettingRecord(step=subject.run.step, data=measured.what, start=found)
    write_record(records.inside(subject.run.path, ForgettingRecord.FILE), record)
    return record
