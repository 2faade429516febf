"""Experiment trackers: every row of metrics.jsonl also in TensorBoard, W&B, MLflow, Trackio or one of your own.

The trackers are accelerate's. What they keep on disk, and the `state.json` that a resumed run goes on from, lies in
the run's folder under `trackers/`. A resumed run starts at its newest checkpoint, before the last rows of the
killed one: TensorBoard hides those rows and gets the new ones, the others keep theirs and get only later steps.
"""

import contextlib
import json
import math
import os
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from accelerate.tracking import LOGGER_TYPE_TO_CLASS, GeneralTracker, get_available_trackers

from contrascope import records
from contrascope.errors import InputError, MissingExtraError
from contrascope.extras import install_line
from contrascope.imports import import_typed, is_path
from contrascope.records.inside import inside
from contrascope.settings import from_json

FOLDER, STATE, PROJECT = "trackers", "state.json", "contrascope"
"""Folder inside the run's, file in it, and the name under which services group the runs."""
MLFLOW_URI = "MLFLOW_TRACKING_URI"


def check_trackers(names: Sequence[str]) -> None:
    """Refuse a tracker whose package is not installed, or whose class is not found; writes nothing."""
    for name in names:
        tracker_class(name)


def tracker_class(name: str) -> type[GeneralTracker]:
    """Accelerate's class for a tracker's name, or the class at `package.module:Class`."""
    if is_path(name):
        return _imported(name)
    if name not in map(str, get_available_trackers()):
        raise MissingExtraError(
            f"training.trackers has {name!r}, whose package is not installed. Run: {install_line('track')}"
        )
    return LOGGER_TYPE_TO_CLASS[name]


class Trackers:
    """The trackers of one session of a run; one that fails is reported once and left alone, the run goes on."""

    def __init__(
        self, names: Sequence[str], run: Path, *, config: Mapping[str, Any], after_step: int
    ) -> None:
        self._run = run
        self._sessions: list[_Session] = []
        self._failed: set[str] = set()
        self._closing = contextlib.ExitStack()
        if not names:
            return
        for name in ("", *names):
            inside(run, FOLDER, name)
        state = _state(run)
        for name in dict.fromkeys(names):
            self._attempt(name, self._start, name, state, dict(config), after_step)
        records.write_json(run / FOLDER / STATE, state)

    def log(self, row: Mapping[str, Any]) -> None:
        """Hand on a row of metrics.jsonl: its numbers and words as `kind/name`, at its step."""
        kind, step = row["kind"], row["step"]
        values = {
            f"{kind}/{key}": value
            for key, value in row.items()
            if key not in ("kind", "step") and _presentable(value)
        }
        for session in self._sessions:
            if session.name not in self._failed and step > session.logged.get(kind, 0):
                self._attempt(session.name, session.tracker.log, dict(values), step=step)

    def close(self) -> None:
        """Let every tracker write what it still holds."""
        self._sessions.clear()
        self._closing.close()

    def _start(self, name: str, state: dict[str, Any], config: dict[str, Any], after_step: int) -> None:
        kind: Any = tracker_class(name)  # accelerate's base class declares neither attributes nor arguments
        local = name == "mlflow" and not _mlflow_has_a_home()
        if local:
            os.environ[MLFLOW_URI] = f"sqlite:///{(self._run / FOLDER).resolve()}/mlflow.db"
            self._closing.callback(os.environ.pop, MLFLOW_URI, None)
        place = [str(self._run / FOLDER)] if kind.requires_logging_directory else []
        options = _options(name, self._run, state, after_step)
        if local:
            options["logging_dir"] = str((self._run / FOLDER).resolve() / "mlflow")
        tracker = kind(_project(name), *place, **options)
        tracker.start()
        self._closing.callback(self._attempt, name, tracker.finish)
        known = name in state["started"]
        logged = state["logged"] if known and name != "tensorboard" else {}
        self._sessions.append(_Session(name=name, tracker=tracker, logged=logged))
        if not known:
            state["started"][name] = tracker.tracker.info.run_id if name == "mlflow" else ""
            tracker.store_init_configuration(flat(config))

    def _attempt(self, name: str, act: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        try:
            with contextlib.redirect_stdout(sys.stderr):
                act(*args, **kwargs)
        except Exception as error:
            if name in self._failed:
                return
            self._failed.add(name)
            sys.stderr.write(
                f"contrascope: the tracker {name} failed ({type(error).__name__}: {error}) and gets no more "
                f"rows; training goes on, and {self._run / records.METRICS} has every row.\n"
            )


@dataclass(frozen=True, kw_only=True)
class TrackerState:
    """What a tracker's `state.json` holds."""

    key: str
    """Stands in the names that services know the run by."""
    started: dict[str, str | None]
    """Every tracker that was started, with the service's own name of the run."""
    logged: dict[str, int]
    """By kind of row, the last step that was handed on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Session:
    name: str
    tracker: GeneralTracker
    logged: Mapping[str, int]
    """By kind of row, the last step that an earlier session of this run has handed on."""


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """Nested settings as one level of names; lists become text.

    >>> flat({"optim": {"lr": 0.1}, "trackers": ["wandb"]})
    {'optim.lr': 0.1, 'trackers': '["wandb"]'}
    """
    if isinstance(value, Mapping):
        inner = [flat(item, f"{name}.{key}" if name else str(key)) for key, item in value.items()]
        return {key: item for part in inner for key, item in part.items()}
    return {name: json.dumps(value) if isinstance(value, (list, tuple)) else value}


def _state(run: Path) -> dict[str, Any]:
    """What earlier sessions started and logged: to be asked before metrics.jsonl forgets its last rows."""
    path, metrics = inside(run, FOLDER, STATE), run / records.METRICS
    state: dict[str, Any] = {"key": uuid.uuid4().hex[:8], "started": {}, "logged": {}}
    if path.exists():
        state = asdict(from_json(TrackerState, records.read_json(path), path=str(path)))
    for row in records.read_metrics(metrics) if metrics.exists() else []:
        state["logged"][row["kind"]] = max(row["step"], state["logged"].get(row["kind"], 0))
    path.parent.mkdir(parents=True, exist_ok=True)
    records.write_json(path, state)
    return state


def _options(name: str, run: Path, state: dict[str, Any], after_step: int) -> dict[str, Any]:
    """How each tracker is told to go on with the run that it knows, under a name that is the run's alone."""
    title, key, started = run.resolve().name, state["key"], state["started"]
    if name == "tensorboard":
        return {"purge_step": after_step + 1}
    if name == "wandb":
        return {"name": title, "id": key, "resume": "allow", "dir": str(run / FOLDER)}
    if name == "trackio":
        return {"name": f"{title}-{key}", "resume": "allow"}
    if name == "mlflow":
        return {"run_name": title, "run_id": started.get(name)}
    return {}


def _project(name: str) -> str:
    if name == "wandb":
        return os.environ.get("WANDB_PROJECT", PROJECT)
    return name if name == "tensorboard" else PROJECT


def _mlflow_has_a_home() -> bool:
    import mlflow  # pyright: ignore[reportMissingImports]

    return mlflow.is_tracking_uri_set()


def _presentable(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, (int, float)) and math.isfinite(value))


def _imported(name: str) -> type[GeneralTracker]:
    found = import_typed(name, what="tracker")
    if not (isinstance(found, type) and issubclass(found, GeneralTracker)):
        raise InputError(
            f"tracker {name!r} is {found!r}; expected a class derived from accelerate.tracking.GeneralTracker."
        )
    return found
