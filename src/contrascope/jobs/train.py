"""One training run in one folder: open, build, train, assess, record."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate import Accelerator

from contrascope import records
from contrascope.data.imageset import ImageSet
from contrascope.data.open import open_images
from contrascope.distributed import broadcast_value
from contrascope.jobs.assess import Rows, assess_run, foreseen
from contrascope.jobs.probes import probes_of
from contrascope.machine.arithmetic import multiplies_bf16
from contrascope.methods.base import Method
from contrascope.precision import single_precision
from contrascope.progress import Progress, silent, to_stderr, unheard
from contrascope.records.kinds import EvaluationRecord
from contrascope.records.typed import as_record
from contrascope.runs.bad_images import told_of
from contrascope.runs.claim import check_count, claimed
from contrascope.runs.folder import (
    begin_run,
    check_request,
    finished,
    recorded_threads,
    segments_of,
)
from contrascope.runs.load import load_run, policies_for, views_for
from contrascope.runs.settings import RunSettings
from contrascope.runs.start import method_for
from contrascope.settings import to_json
from contrascope.training.arithmetic import check_accumulation
from contrascope.training.course import Segment
from contrascope.training.device import accelerator_on
from contrascope.training.loop import fit
from contrascope.training.order import steps_per_epoch
from contrascope.training.settings import TrainingSettings
from contrascope.training.step import check_parts
from contrascope.training.threads import threads, threads_for
from contrascope.training.together import lost_is_said, together
from contrascope.training.track import check_trackers
from contrascope.training.views import ImageViews


@single_precision()
def train(
    settings: RunSettings,
    out: Path,
    *,
    resume: bool = False,
    images: ImageSet | None = None,
    device: torch.device | str | None = None,
    progress: Progress = silent,
    until: int | None = None,
) -> Rows:
    """Train in folder `out` and assess; returns the table of scores (empty for unlabelled images).

    `images`: a set in memory, in place of what the settings of the data name. `device` unset: the one that accelerate
    finds; `progress` counts the images of the assessment.
    `until`: pause, saved and not assessed, at the end of that many epochs; `resume` goes on with the same bits.
    A run that is finished is handed back as it is. With more epochs in `settings` a run is continued, and
    `schedule.continuation` says how its schedule goes on. Raises `InputError` if the folder already holds a run and
    `resume` is not set, if another process holds it, or if it was started with other settings or images; a start
    that fails so leaves nothing behind.
    """
    check_trackers(settings.training.trackers)
    settings.method.check()
    accelerator = accelerator_on(device)
    main, done = accelerator.is_main_process, None
    with lost_is_said(), contextlib.ExitStack() as held:
        with together():
            if main:
                check_request(settings, out, resume=resume, more_epochs=True)
                # images in memory have to be looked at before a finished run may be handed back
                done = finished(settings, out) if resume and images is None else None
        if broadcast_value(done is not None):
            return done or []
        trained = _train(settings, out, images, accelerator, resume=resume, held=held, until=until)
        paused = until is not None and until < settings.training.epochs
        if not main or not trained or paused:
            return []
        return _assessed(settings, out, images, accelerator.device, progress)


def _train(
    settings: RunSettings,
    out: Path,
    given: ImageSet | None,
    accelerator: Accelerator,
    *,
    resume: bool,
    held: contextlib.ExitStack,
    until: int | None,
) -> bool:
    """Everything is built before the folder is begun and `held`; returns whether the images have labels."""
    main, processes = accelerator.is_main_process, accelerator.num_processes
    with together():
        images = open_images(settings.data) if given is None else given
        check_count(images)
        method = method_for(settings, out, images.shape, say=_say if main else unheard)
        policies = policies_for(settings.policy, images)
        probes = probes_of(settings, images, policies, accelerator.device)
        views = views_for(settings, method, images)
        per_epoch = _steps_of_an_epoch(settings.training, method, images, processes)
        _settle_threads(settings.training, method, views, images, out, accelerator, held=held)
        if main:
            held.enter_context(claimed(out))
            begin_run(
                settings,
                out,
                images,
                resume=resume,
                device=accelerator.device,
                processes=processes,
                per_epoch=per_epoch,
            )
            for line in told_of(images, listed=out / records.BAD_IMAGES):
                to_stderr(f"contrascope: {line}")
            for said in foreseen(settings.data if given is None else given, settings.protocol, images=images):
                to_stderr(f"contrascope: {said}")
    segments = segments_of(out)
    if main:
        _say_how(segments)
        _say_slow(settings.training, accelerator.device)
    fit(
        method,
        images.to(accelerator.device),
        views,
        run=out,
        training=settings.training,
        optim=settings.optim,
        schedule=settings.schedule,
        accelerator=accelerator,
        probes=probes,
        config=to_json(settings),
        segments=segments,
        until=until,
    )
    return images.y is not None


def _settle_threads(
    training: TrainingSettings,
    method: Method,
    views: ImageViews,
    images: ImageSet,
    out: Path,
    accelerator: Accelerator,
    *,
    held: contextlib.ExitStack,
) -> None:
    """Takes the threads of the run until everything that is `held` is let go."""

    def some(count: int) -> torch.Tensor:
        ids = torch.arange(min(count, len(images)))
        layout = torch.channels_last if training.channels_last else torch.contiguous_format
        return views(images.gather(ids), ids=ids, epoch=0).groups[0][0].contiguous(memory_format=layout)

    found = threads_for(
        training, method.encoder, some, device=accelerator.device, recorded=recorded_threads(out)
    )
    held.enter_context(threads(found.count))
    if found.why and accelerator.is_main_process:
        to_stderr(f"contrascope: {found.why}.")


def _steps_of_an_epoch(training: TrainingSettings, method: Method, images: ImageSet, processes: int) -> int:
    """Steps, before anything is claimed; refuses methods, batches and parts of batches that cannot be trained."""
    method.check_before_training()
    check_parts(method, training, world_size=processes)
    check_accumulation(method, training, world_size=processes)
    return steps_per_epoch(len(images), batch_size=training.batch_size, world_size=processes)


def _say(text: str) -> None:
    to_stderr(f"contrascope: {text}.")


def _say_how(segments: Sequence[Segment]) -> None:
    if len(segments) > 1:
        now = segments[-1]
        to_stderr(f"contrascope: from step {now.start} to {now.stop} the schedule goes on by {now.how}.")


def _say_slow(training: TrainingSettings, device: torch.device) -> None:
    if training.precision == "bf16" and not multiplies_bf16(device.type):
        to_stderr(
            f"contrascope: this {device.type} has no hardware for matrices of bf16, the precision that is set, so "
            "a step may take several times as long as it need. A new run with --training.precision float32 is faster."
        )


def _assessed(
    settings: RunSettings, out: Path, given: ImageSet | None, device: torch.device, progress: Progress
) -> Rows:
    run = load_run(out)
    data = settings.data if given is None else given
    rows = assess_run(run, data, settings.protocol, device=device, progress=progress)
    told = {"rows": rows, "protocol": to_json(settings.protocol), "step": run.step}
    records.write_record(out / records.EVALUATION, as_record(EvaluationRecord, told))
    return rows
