"""One training run in one folder: open, build, train, assess, record."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate import Accelerator

from contrascope import records
from contrascope.data.imageset import ImageSet
from contrascope.distributed import broadcast_value
from contrascope.encoders.settings import continues
from contrascope.jobs.assess import Rows, assess_run
from contrascope.jobs.work import Work, image_work, text_work
from contrascope.machine.arithmetic import multiplies_bf16
from contrascope.precision import single_precision
from contrascope.progress import Progress, silent, to_stderr
from contrascope.records.kinds import EvaluationRecord
from contrascope.records.typed import as_record
from contrascope.runs.claim import claimed
from contrascope.runs.folder import (
    begin_run,
    check_request,
    finished,
    recorded_threads,
    segments_of,
)
from contrascope.runs.load import load_run
from contrascope.runs.settings import RunSettings
from contrascope.runs.text_settings import AnyRunSettings, TextRunSettings
from contrascope.settings import to_json
from contrascope.subjects.forgetting import write_forgetting
from contrascope.subjects.open import open_subject
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


@single_precision()
def train(
    settings: AnyRunSettings,
    out: Path,
    *,
    resume: bool = False,
    images: ImageSet | None = None,
    device: torch.device | str | None = None,
    progress: Progress = silent,
    until: int | None = None,
) -> Rows:
    """Train in folder `out` and assess; returns the table of scores (empty for unlabelled images, and for sentences).

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
        if not main or paused or isinstance(settings, TextRunSettings):
            return []  # sentences are evaluated by a suite, which asks for its data
        if continues(settings.encoder):
            data = settings.data if images is None else images
            write_forgetting(open_subject(load_run(out), data=data), device=accelerator.device)
        if not trained:
            return []
        return _assessed(settings, out, images, accelerator.device, progress)


def _train(
    settings: AnyRunSettings,
    out: Path,
    given: ImageSet | None,
    accelerator: Accelerator,
    *,
    resume: bool,
    held: contextlib.ExitStack,
    until: int | None,
) -> bool:
    """Everything is built before the folder is begun and `held`; returns whether the items have labels."""
    main, processes = accelerator.is_main_process, accelerator.num_processes
    with together():
        if isinstance(settings, TextRunSettings):
            work = text_work(settings, out)
        else:
            work = image_work(settings, given, out, accelerator.device)
        per_epoch = _steps_of_an_epoch(settings.training, work, processes)
        _settle_threads(settings.training, work, out, accelerator, held=held)
        if main:
            held.enter_context(claimed(out))
            begin_run(
                settings,
                out,
                work.items,
                resume=resume,
                device=accelerator.device,
                processes=processes,
                per_epoch=per_epoch,
            )
            work.keep()
            for line in work.told():
                to_stderr(f"contrascope: {line}")
    segments = segments_of(out)
    if main:
        _say_how(segments)
        _say_slow(settings.training, accelerator.device)
    fit(
        work.method,
        work.items.to(accelerator.device),
        work.views,
        run=out,
        training=settings.training,
        optim=settings.optim,
        schedule=settings.schedule,
        accelerator=accelerator,
        probes=work.probes,
        config=to_json(settings),
        segments=segments,
        until=until,
    )
    return work.labelled


def _settle_threads(
    training: TrainingSettings,
    work: Work,
    out: Path,
    accelerator: Accelerator,
    *,
    held: contextlib.ExitStack,
) -> None:
    """Takes the threads of the run until everything that is `held` is let go."""
    found = threads_for(
        training, work.method.encoder, work.some, device=accelerator.device, recorded=recorded_threads(out)
    )
    held.enter_context(threads(found.count))
    if found.why and accelerator.is_main_process:
        to_stderr(f"contrascope: {found.why}.")


def _steps_of_an_epoch(training: TrainingSettings, work: Work, processes: int) -> int:
    """Steps, before anything is claimed; refuses methods, batches and parts of batches that cannot be trained."""
    work.method.check_before_training()
    check_parts(work.method, training, world_size=processes)
    check_accumulation(work.method, training, world_size=processes)
    return steps_per_epoch(len(work.items), batch_size=training.batch_size, world_size=processes)


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
