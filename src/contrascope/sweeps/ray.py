"""Trials on a Ray cluster: Ray Tune runs a driver for each, which trains by a worker of Ray Train."""

import os
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from contrascope.engines.ray import RaySettings, alone_again
from contrascope.records.inside import inside, opened, removed
from contrascope.sweeps.engine import LOG, WORK, TrialTask
from contrascope.sweeps.pool import Ended, Started, TaskEnd, lost, outcome_file, outcome_of
from contrascope.sweeps.worker import work

KILLED = -1
"""Exit code of a worker that left no outcome."""
DRIVER = 0.01
"""Logical processors of a driver, which only waits."""


def _nothing() -> None:
    """Nothing is checked."""


class RayEngine:
    """Trials by Ray Tune on a cluster that is connected: it starts them in order, and again where one is killed."""

    def __init__(
        self,
        ray: Any,
        settings: RaySettings,
        folder: Path,
        *,
        threads: int,
        check: Callable[[], None] = _nothing,
    ) -> None:
        """`ray` is the connected module; `folder` is the sweep's, on a disk that all machines share.

        `check` is called again and again while trials run; what it raises ends them, and then `run_all`.
        """
        self._ray, self._settings, self._folder = ray, settings, folder
        self.threads, self._check = threads, check

    def checked(self, check: Callable[[], None]) -> "RayEngine":
        """The same engine with another `check`."""
        return RayEngine(self._ray, self._settings, self._folder, threads=self.threads, check=check)

    def run_all(
        self, tasks: Sequence[TrialTask], *, jobs: int, restarts: int, started: Started, ended: Ended
    ) -> None:
        """Runs all tasks, `jobs` at a time; see `run_tasks`."""
        if not tasks:
            return
        from ray import tune

        # new each time: Ray unpickles what it finds there, and nobody else's may lie there
        name = f"ray-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
        place = inside(self._folder, WORK, name).resolve()
        kind: Any = type("Teller", (TrialTeller, tune.Callback, tune.Stopper), {})
        told = kind(tasks, started, ended, self._check)
        config = {
            "number": tune.grid_search(list(range(len(tasks)))),
            **{"tasks": list(tasks), "resources": self._settings.resources},
            **{"place": os.getcwd(), "storage": str(place)},
        }
        tune.Tuner(
            tune.with_resources(drive, {"cpu": DRIVER}),
            param_space=config,
            tune_config=tune.TuneConfig(max_concurrent_trials=jobs),
            run_config=tune.RunConfig(
                name="tune",
                storage_path=str(place),
                failure_config=tune.FailureConfig(max_failures=restarts),
                callbacks=[told],
                stop=told,
                verbose=0,
            ),
        ).fit()
        if told.fault is not None:
            raise told.fault


def drive(config: dict[str, Any]) -> None:
    """In a process of Ray Tune: trains one trial by a worker of Ray Train."""
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer
    from ray.tune.integration.ray_train import TuneReportCallback

    task: TrialTask = config["tasks"][config["number"]]
    removed(outcome_file(task))
    resources = config["resources"]
    TorchTrainer(
        train_trial,
        train_loop_config={"task": task, "place": config["place"]},
        scaling_config=ScalingConfig(
            num_workers=1, use_gpu="GPU" in resources, resources_per_worker=resources
        ),
        run_config=RunConfig(
            name=f"{task.name}-{time.time_ns()}",
            storage_path=str(Path(config["storage"]) / "train"),
            callbacks=[TuneReportCallback()],
        ),
    ).fit()


def train_trial(told: dict[str, Any]) -> None:
    """In a worker of Ray Train: what a worker of any engine does; what ends it otherwise stands in its log."""
    import ray.train

    task: TrialTask = told["task"]
    os.chdir(told["place"])
    alone_again()
    try:
        work(task.sweep, task.name, threads=task.threads, until=task.until, device=task.device)
    except BaseException:
        task.place.mkdir(parents=True, exist_ok=True)
        log = opened(inside(task.place, LOG), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        with os.fdopen(log, "a") as file:
            file.write(traceback.format_exc())
        raise
    outcome = outcome_of(task)
    mark = None if outcome is None else outcome.mark
    ray.train.report({"knn_held_out": None if mark is None else mark.knn_held_out})


class TrialTeller:
    """What Tune tells of its trials, told on; where that raises, all trials are stopped and it is kept as `fault`."""

    fault: BaseException | None = None

    def __init__(
        self, tasks: Sequence[TrialTask], started: Started, ended: Ended, check: Callable[[], None] = _nothing
    ) -> None:
        self._tasks, self._started, self._ended, self._check = tasks, started, ended, check
        self._starts = [0] * len(tasks)

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune keeps a copy on disk, which is never read

    def on_trial_start(self, *, trial: Any, **info: Any) -> None:
        """A trial is begun, or begun again."""
        del info
        number = trial.config["number"]
        self._starts[number] += 1
        self._tell(self._started, self._tasks[number], self._starts[number])

    def on_trial_complete(self, *, trial: Any, **info: Any) -> None:
        """A trial has ended by itself."""
        del info
        self._end(trial.config["number"])

    def on_trial_error(self, *, trial: Any, **info: Any) -> None:
        """A trial has failed as often as it may."""
        del info
        self._end(trial.config["number"])

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """No trial is stopped by a result."""
        del trial_id, result
        return False

    def stop_all(self) -> bool:
        """Whether to stop all; Tune asks at each of its steps."""
        self._tell(self._check)
        return self.fault is not None

    def _end(self, number: int) -> None:
        task = self._tasks[number]
        outcome = outcome_of(task) or lost(task, KILLED, self._starts[number])
        self._tell(self._ended, TaskEnd(task=task, outcome=outcome))

    def _tell(self, what: Callable[..., None], *words: Any) -> None:
        try:
            if self.fault is None:
                what(*words)
        except BaseException as error:
            self.fault = error
