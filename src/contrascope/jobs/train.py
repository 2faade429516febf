"""One training run in one folder: open, build, train, assess, record."""

from pathlib import Path

import torch
from accelerate import Accelerator

from contrascope import records
from contrascope.augment.policy import Policy
from contrascope.data.imageset import ImageSet
from contrascope.data.open import open_images
from contrascope.jobs.assess import Rows, assess_run, knn_probe
from contrascope.jobs.geometry_probe import GeometryProbe
from contrascope.jobs.monitor_probe import Monitor
from contrascope.progress import Progress, silent
from contrascope.records.kinds import EvaluationRecord
from contrascope.records.typed import as_record
from contrascope.runs.build import RANDOM_SEED_OFFSET, build
from contrascope.runs.folder import claim, record_start
from contrascope.runs.load import load_run, policies_for
from contrascope.runs.settings import RunSettings
from contrascope.settings import to_json
from contrascope.training.device import accelerator_on
from contrascope.training.loop import fit
from contrascope.training.probe import Probe
from contrascope.training.track import check_trackers
from contrascope.training.views import image_views


def train(
    settings: RunSettings,
    out: Path,
    *,
    resume: bool = False,
    images: ImageSet | None = None,
    device: torch.device | str | None = None,
    progress: Progress = silent,
) -> Rows:
    """Train in folder `out` and assess; returns the table of scores (empty for unlabelled images).

    `images`: a set in memory, in place of what the settings of the data name. `device` unset: the one that accelerate
    finds; `progress` counts the images of the assessment.
    Raises `InputError` if the folder already holds a run and `resume` is not set, if another process holds it,
    or if it was started with other settings.
    """
    check_trackers(settings.training.trackers)
    settings.method.check()
    accelerator = accelerator_on(device)
    if not accelerator.is_main_process:
        return _train(settings, out, accelerator, images, progress)
    with records.hold(out):
        claim(settings, out, resume=resume)
        return _train(settings, out, accelerator, images, progress)


def _train(
    settings: RunSettings, out: Path, accelerator: Accelerator, given: ImageSet | None, progress: Progress
) -> Rows:
    images = open_images(settings.data) if given is None else given
    method = build(settings, images.shape)
    if accelerator.is_main_process:
        record_start(out, images, device=accelerator.device, processes=accelerator.num_processes)
    accelerator.wait_for_everyone()
    policies = policies_for(settings.policy, images)
    fit(
        method,
        images.to(accelerator.device),
        image_views(method, policies, images, settings.training),
        run=out,
        training=settings.training,
        optim=settings.optim,
        schedule=settings.schedule,
        accelerator=accelerator,
        probes=_probes(settings, images, policies, accelerator.device),
        config=to_json(settings),
    )
    if not accelerator.is_main_process or images.y is None:
        return []
    rows = assess_run(
        load_run(out),
        settings.data if given is None else given,
        settings.protocol,
        device=accelerator.device,
        progress=progress,
    )
    found = as_record(EvaluationRecord, {"rows": rows, "protocol": to_json(settings.protocol)})
    records.write_record(out / records.EVALUATION, found)
    return rows


def _probes(
    settings: RunSettings, images: ImageSet, policies: tuple[Policy, ...], device: torch.device
) -> tuple[Probe, ...]:
    training, seed = settings.training, settings.training.seed
    knn = knn_probe(images, settings.protocol, every=training.probe_every, device=device)
    found: list[Probe] = [] if knn is None else [knn]
    if settings.monitor.times:
        found.append(
            Monitor(
                images,
                policies,
                build(settings, images.shape, seed=seed + RANDOM_SEED_OFFSET),
                method=settings.method,
                settings=settings.monitor,
                epochs=training.epochs,
                seed=seed,
                device=device,
            )
        )
    if settings.geometry.times:
        found.append(
            GeometryProbe(
                images, policies, settings=settings.geometry, epochs=training.epochs, seed=seed, device=device
            )
        )
    return tuple(found)
