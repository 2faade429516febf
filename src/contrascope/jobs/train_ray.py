"""Training by several workers of Ray Train: what torchrun starts on one machine, on as many as the cluster has."""

import os
import shutil
import threading
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

from contrascope import records
from contrascope.engines.ray import RaySettings, alone_again, ray_cluster
from contrascope.errors import InputError
from contrascope.jobs.train import train
from contrascope.progress import Progress, silent
from contrascope.records.kinds import EnvironmentRecord
from contrascope.records.sweeps import ALARMED, DIVERGED, FINISHED, REFUSED
from contrascope.records.typed import read_record
from contrascope.runs.folder import check_request, finished
from contrascope.runs.settings import RunSettings
from contrascope.settings import from_json, to_json
from contrascope.training.interrupt import StoppedError
from contrascope.training.watch import NonFiniteLossError

EVERY = 5.0
"""Seconds between two looks at what the workers have logged."""


def train_on_ray(
    settings: RunSettings,
    out: Path,
    ray_settings: RaySettings,
    *,
    workers: int,
    restarts: int,
    resume: bool = False,
    progress: Progress = silent,
) -> tuple[str, str]:
    """Trains in folder `out` with so many workers, one run as ever; returns its state and why it ended before its end.

    Where a worker is killed, all are started again and go on from the newest checkpoint, at most `restarts` times.
    `progress` is told the steps that are logged. Folder and images lie on a disk that all machines share. Raises
    `InputError` as `train` does, and where starts ran out.
    """
    if workers < 1 or restarts < 0:
        raise InputError(
            f"--workers is {workers} and --restarts {restarts}; expected 1 or more, and 0 or more."
        )
    check_request(settings, out, resume=resume, more_epochs=True)
    if resume and finished(settings, out) is not None:
        return FINISHED, ""
    told = {"settings": to_json(settings), "out": str(out.resolve()), "place": os.getcwd()}
    place = out.resolve().with_name(f".{out.name}.ray")  # Ray asks for a place that all machines see
    try:
        with ray_cluster(ray_settings, workers=workers) as ray:
            words: dict[str, Any] = {"workers": workers, "restarts": restarts, "place": place}
            found = _fit(ray, told, ray_settings, progress=LoggedSteps(out, settings, progress), **words)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    if found[0] == REFUSED:
        raise InputError(found[1])
    return found


def _fit(
    ray: Any,
    told: dict[str, Any],
    settings: RaySettings,
    *,
    workers: int,
    restarts: int,
    place: Path,
    progress: "LoggedSteps",
) -> tuple[str, str]:
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    trainer = TorchTrainer(
        train_here,
        train_loop_config=told,
        scaling_config=ScalingConfig(
            num_workers=workers, use_gpu=settings.gpus > 0, resources_per_worker=settings.resources
        ),
        run_config=RunConfig(
            name="training", storage_path=str(place), failure_config=FailureConfig(max_failures=restarts)
        ),
    )
    try:
        found: Any = fitted(trainer, progress).return_value
    except ray.train.TrainingFailedError as error:
        raise InputError(
            f"the workers ended {restarts + 1} times without an outcome, at last so: {_last_words(error)} What is "
            f"saved in {told['out']} stays: go on with --resume."
        ) from error
    return found


def fitted(trainer: Any, progress: "LoggedSteps") -> Any:
    """What `trainer.fit()` gives, called in a thread: in the main one Ray Train takes Ctrl-C and ends the process."""
    future: Future[Any] = Future()

    def fit() -> None:
        try:
            future.set_result(trainer.fit())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=fit, daemon=True).start()
    while not wait([future], timeout=EVERY).done:
        progress.look()
    return future.result()


class LoggedSteps:
    """Steps that the workers log, told on."""

    def __init__(self, out: Path, settings: RunSettings, progress: Progress) -> None:
        self._out, self._epochs, self._progress, self._told = out, settings.training.epochs, progress, 0

    def look(self) -> None:
        """Tells how many there are by now, of how many."""
        try:
            found = read_record(EnvironmentRecord, self._out / records.ENVIRONMENT).record
            step = max((row["step"] for row in records.read_metrics(self._out / records.METRICS)), default=0)
        except (InputError, OSError):  # not there yet
            return
        if step > self._told and found.steps_per_epoch:
            self._told = step
            self._progress(step, found.steps_per_epoch * self._epochs)


def _last_words(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:400]


def train_here(told: dict[str, Any]) -> tuple[str, str]:
    """In a worker of Ray's: trains with the other workers, and gives back what came of it."""
    os.chdir(told["place"])
    alone_again()
    try:
        train(from_json(RunSettings, told["settings"]), Path(told["out"]), resume=True)
    except NonFiniteLossError as error:
        return DIVERGED, str(error)
    except StoppedError as error:
        return ALARMED, str(error)
    except (InputError, OSError) as error:
        return REFUSED, str(error)
    return FINISHED, ""
