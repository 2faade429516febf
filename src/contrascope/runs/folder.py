"""How a run begins, goes on and is continued for more epochs: what its folder holds before the first step."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from contrascope import records
from contrascope.errors import InputError
from contrascope.progress import Say, to_stderr, unheard
from contrascope.records.entry import as_tree
from contrascope.records.kinds import EnvironmentRecord, EvaluationRecord, ResumedEntry
from contrascope.records.requests import SegmentsRecord
from contrascope.records.typed import Read, as_record, read_record, write_record
from contrascope.runs.bad_images import write_bad_images
from contrascope.runs.claim import WRITTEN
from contrascope.runs.environment import environment
from contrascope.runs.load import any_settings_of
from contrascope.runs.store import refuse
from contrascope.runs.text_settings import AnyRunSettings
from contrascope.settings import differences, from_json, to_json
from contrascope.training.checksums import STATE, newest_whole, set_aside_damaged
from contrascope.training.course import Segment, continued, in_order, whole
from contrascope.training.optim import learning_rate
from contrascope.training.views import RunItems

SEGMENTS = SegmentsRecord.FILE
"""How the steps of a continued run walk through its schedule; a run in one piece has none."""
MOVED = (
    *("data.source", "encoder.vocabulary", "encoder.start"),
    *("schedule.continuation", "training.threads"),
)
"""Settings in which a request may differ: where things lie, how a continued schedule goes on, threads."""
SAME = ("data_fingerprint", "images", "image_shape", "steps_per_epoch")
"""What must be as it was when a run goes on."""
CLOCK = ("time", "command")
"""What every start has of its own."""


def check_request(
    settings: AnyRunSettings, out: Path, *, resume: bool, more_epochs: bool = False
) -> AnyRunSettings | None:
    """The settings that the folder holds, None where it holds no run; reads only.

    Raises `InputError` where it holds a run and `resume` is not set, or one with other settings. `more_epochs`: the
    run may be continued for more.
    """
    for name in WRITTEN:
        records.inside(out, name)
    path = out / records.SETTINGS
    if not path.exists():
        return None
    if not resume:
        raise InputError(f"{out} already holds a run. Go on with --resume, or choose another --out.")
    recorded = any_settings_of(out)  # a setting that came later has its default
    changed = differences(to_json(recorded), to_json(settings))
    free = (*MOVED, "training.epochs") if more_epochs and _epochs(settings) > _epochs(recorded) else MOVED
    if all(line.split(":")[0] in free for line in changed):
        return recorded
    refuse(
        changed,
        f"{out} was started with other settings",
        f"Resume with the same ones (contrascope train {out} --resume), or start in another --out.",
    )
    return recorded


def _epochs(settings: AnyRunSettings) -> int:
    return settings.training.epochs


def finished(settings: AnyRunSettings, out: Path) -> list[dict[str, Any]] | None:
    """The scores of a run of these settings that is trained to its end and assessed; None where something is left."""
    try:
        recorded = any_settings_of(out)
        scores = read_record(EvaluationRecord, out / records.EVALUATION)
    except InputError:
        return None
    state, step = newest(out), scores.record.step
    if state is None or scores.missing or scores.wrong or _epochs(recorded) != _epochs(settings):
        return None
    done = state["step"] == state["steps"] == (state["step"] if step is None else step)
    return [as_tree(row) for row in scores.record.rows] if done else None


def newest(out: Path, *, say: Say = unheard) -> dict[str, Any] | None:
    """The state of the newest checkpoint that is whole, None where there is none."""
    found = newest_whole(out, say=say)
    if found is None:
        return None
    lost = [name for name in ("steps", "steps_per_epoch") if name not in found[1]]
    if lost:
        raise InputError(f"{found[0] / STATE} lacks {', '.join(lost)}. Restore it, or start the run anew.")
    return found[1]


def begin_run(
    settings: AnyRunSettings,
    out: Path,
    images: RunItems,
    *,
    resume: bool,
    device: torch.device,
    processes: int,
    per_epoch: int,
    more_epochs: bool = True,
) -> None:
    """Writes settings and environment of a new run, or compares them with those of the run that goes on.

    `per_epoch` are its steps. Nothing is written before everything is compared. Raises `InputError` where settings or
    images are others, or where more epochs need a word.
    """
    recorded = check_request(settings, out, resume=resume, more_epochs=more_epochs)
    facts = _facts(images, device=device, processes=processes, per_epoch=per_epoch)
    known, state = _known(out), newest(out, say=to_stderr)
    _check_images(out, _said(known), state, facts)
    _say_numbers(_said(known), facts)
    segments = planned(settings, out, state, steps=per_epoch * _epochs(settings), per_epoch=per_epoch)
    out.mkdir(parents=True, exist_ok=True)
    if state is not None:
        set_aside_damaged(out, state["step"])
    _write_segments(out, segments, settings, per_epoch)
    if recorded is None:
        records.write_settings(out, to_json(settings))
    else:
        _write_continued(settings, recorded, out, said=len(segments) > 1)
    _write_environment(out, known, facts, state)
    if images.bad_images and not (out / records.BAD_IMAGES).exists():
        write_bad_images(images, out / records.BAD_IMAGES)
    if state is not None and state["step"] < segments[-1].stop:
        _set_aside_scores(out, state["step"])


def planned(
    settings: AnyRunSettings, out: Path, state: dict[str, Any] | None, *, steps: int, per_epoch: int
) -> tuple[Segment, ...]:
    """The segments of a run that is at `state` and is to end at `steps`."""
    before = segments_of(out, state)

    def rate(position: float, length: int) -> float:
        return learning_rate(
            position,
            steps=length,
            steps_per_epoch=per_epoch,
            peak=settings.optim.lr,
            schedule=settings.schedule,
        )

    step = 0 if state is None else state["step"]
    return continued(before, step=step, steps=steps, how=settings.schedule.continuation, rate=rate)


def segments_of(out: Path, state: dict[str, Any] | None = None) -> tuple[Segment, ...]:
    """The recorded segments of a run; of a run in one piece that one; none before the first checkpoint.

    `state` is where it stands; unset: at its newest checkpoint.
    """
    path = out / SEGMENTS
    if path.exists():
        found = read_record(SegmentsRecord, path)
        found.require("segments")
        if found.wrong:  # left out, it would change the training
            raise InputError(f"{' '.join(found.notices)} Restore it, or start the run anew.")
        segments = tuple(
            from_json(Segment, as_tree(one), path=str(path)) for one in found.writable().segments
        )
        if not in_order(segments):
            raise InputError(f"{path} is damaged (its segments do not follow one another). Restore the file.")
        return segments
    state = newest(out) if state is None else state
    return () if state is None else whole(state["steps"])


def _facts(images: RunItems, *, device: torch.device, processes: int, per_epoch: int) -> dict[str, Any]:
    return {
        **environment(device),
        "processes": processes,
        "images": len(images),
        "image_shape": list(images.shape),
        "steps_per_epoch": per_epoch,
        "data_fingerprint": images.fingerprint,
        "classes": {column: list(names) for column, names in images.class_names.items()},
    }


def _known(out: Path) -> Read[EnvironmentRecord] | None:
    path = out / records.ENVIRONMENT
    if not path.exists():
        return None
    found = read_record(EnvironmentRecord, path)
    found.writable()
    unsaid = {*found.wrong, *(found.missing if found.format else ())} & set(SAME)
    if unsaid:  # what is not known cannot be compared
        raise InputError(f"{' '.join(found.notices)} Restore {path}, or start the run anew in another --out.")
    return found


def _said(known: Read[EnvironmentRecord] | None) -> dict[str, Any]:
    """What the environment of a run says; an older one does not say everything."""
    if known is None:
        return {}
    tree = as_tree(known.record)
    unsaid = {*known.missing, *known.wrong}
    return {
        key: value
        for key, value in tree.items()
        if key not in unsaid and (key != "steps_per_epoch" or value is not None)
    }


def _check_images(
    out: Path, known: dict[str, Any], state: dict[str, Any] | None, facts: dict[str, Any]
) -> None:
    """Refuses to go on with other images, or with other batches of them."""
    before = {key: known[key] for key in SAME if key in known}
    if state is not None:
        before["steps_per_epoch"] = state["steps_per_epoch"]
    refuse(
        differences(before, {key: facts[key] for key in before}),
        f"{out} was trained on other images",
        "Give those images, or start in another --out.",
    )


def recorded_threads(out: Path) -> int | None:
    """Threads with which the run in this folder began; None where there is none, or it does not say so."""
    return _said(_known(out)).get("threads")


def _say_numbers(known: dict[str, Any], facts: dict[str, Any]) -> None:
    """Other processes or threads go on with gradients that are equal on average, not with the same bits."""
    for name in ("processes", "threads"):
        before = known.get(name, facts[name])
        if before != facts[name]:
            to_stderr(f"contrascope: {name}: {before} -> {facts[name]}; the last bits of numbers may differ.")


def _write_segments(
    out: Path, segments: tuple[Segment, ...], settings: AnyRunSettings, per_epoch: int
) -> None:
    """Before the settings: a crash between the two leaves a segment that has not begun, and is planned anew."""
    path = out / SEGMENTS
    if len(segments) == 1 and not path.exists():
        return
    told = {
        "steps_per_epoch": per_epoch,
        "peak": settings.optim.lr,
        "settings": to_json(replace(settings.schedule, continuation=None)),
        "segments": [asdict(one) for one in segments],
    }
    record = as_record(SegmentsRecord, told)
    if not path.exists() or read_record(SegmentsRecord, path).writable() != record:
        write_record(path, record)


def _write_continued(settings: AnyRunSettings, recorded: AnyRunSettings, out: Path, *, said: bool) -> None:
    """The recorded settings with the epochs that are asked for, and the place where the images lie now.

    A word on the schedule that was said is in the segments from then on.
    """
    now = replace(
        recorded,
        schedule=replace(recorded.schedule, continuation=None) if said else recorded.schedule,
        training=replace(recorded.training, epochs=_epochs(settings)),
        data=replace(recorded.data, source=settings.data.source),
    )
    if now != recorded:
        records.write_settings(out, to_json(now))


def _write_environment(
    out: Path,
    known: Read[EnvironmentRecord] | None,
    facts: dict[str, Any],
    state: dict[str, Any] | None,
) -> None:
    """The facts of the first start stay; each later one adds a line on what is different."""
    path = out / records.ENVIRONMENT
    if known is None:
        write_record(path, as_record(EnvironmentRecord, facts))
        return
    before = {key: value for key, value in _said(known).items() if key in facts and key not in CLOCK}
    resumed = ResumedEntry(
        time=facts["time"],
        command=tuple(facts["command"]),
        step=0 if state is None else state["step"],
        changed=tuple(differences(before, {key: facts[key] for key in before})),
    )
    write_record(path, replace(known.record, resumed=(*known.record.resumed, resumed)))


def _set_aside_scores(out: Path, step: int) -> None:
    """The scores of a run that had ended keep a name of their own when it is continued."""
    path = out / records.EVALUATION
    if path.exists():
        of = read_record(EvaluationRecord, path).record.step
        path.rename(path.with_stem(f"{path.stem}-step-{step if of is None else of:08d}"))
