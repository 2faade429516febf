import math
import os
import sys
from dataclasses import replace
from typing import ClassVar

import pytest
from accelerate import tracking
from accelerate.tracking import GeneralTracker

from contrascope import records
from contrascope.data.settings import DataSettings
from contrascope.diagnosis.settings import MonitorSettings
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.errors import InputError, MissingExtraError
from contrascope.jobs.train import train
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.runs.recipes import digits_simclr
from contrascope.settings import to_json
from contrascope.training import track
from contrascope.training.interrupt import Interrupted
from contrascope.training.probe import Finding
from contrascope.training.settings import TrainingSettings
from contrascope.training.track import Trackers
from contrascope.training.watch import NonFiniteLossError

FAKE, OTHER = "its_trackers:Fake", "its_trackers:Other"


class Fake(GeneralTracker):
    """Writes down what it is told; `broken` names the calls that raise."""

    name = "fake"
    requires_logging_directory = False
    told: ClassVar[list] = []
    broken: ClassVar[frozenset] = frozenset()

    def __init__(self, project):
        super().__init__()
        self.project = project

    @property
    def tracker(self):
        return self.told

    def note(self, call, *what):
        self.told.append((call, *what))
        print("a tracker talks")
        if call in self.broken:
            raise ConnectionError("no network")

    def start(self):
        self.note("start", self.project)

    def store_init_configuration(self, values):
        self.note("config", values)

    def log(self, values, step=None, **kwargs):
        self.note("log", step, values)

    def finish(self):
        self.note("finish")


@pytest.fixture
def fake(monkeypatch):
    """A module its_trackers with two tracker classes, as a user would have on the path."""
    module = type(sys)("its_trackers")
    module.Fake = type("Fake", (Fake,), {"told": []})
    module.Other = type("Other", (Fake,), {"told": []})
    module.Nothing = dict
    monkeypatch.setitem(sys.modules, "its_trackers", module)
    return module.Fake


@pytest.fixture
def events():
    """The scalars of a run's event files, as TensorBoard itself shows them: tag to [(step, value)]."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def read(run):
        shown = EventAccumulator(str(run / track.FOLDER / "tensorboard"), size_guidance={"scalars": 0})
        shown.Reload()
        return {tag: [(e.step, e.value) for e in shown.Scalars(tag)] for tag in shown.Tags()["scalars"]}

    return read


def told(tracker, call):
    return [entry[1:] for entry in tracker.told if entry[0] == call]


def rows(run, kind="step"):
    return [row for row in records.read_metrics(run / records.METRICS) if row["kind"] == kind]


def tiny(**training):
    return replace(
        digits_simclr(),
        data=DataSettings(source="digits", labels="none"),
        encoder=EncoderSettings(name="convnet", width=4),
        method=SimCLRSettings(projector=ProjectorSettings(hidden=(8,), out=8)),
        training=TrainingSettings(epochs=1, batch_size=256, **training),
    )


def probe(method, finished):
    return Finding(row={"knn": 0.5 * finished})


def second(method, finished):
    return probe(method, finished) if finished % 2 == 0 else None


def drop_checkpoints_after(run, step):
    for found, folder in records.checkpoint_folders(run):
        if found > step:
            records.remove_checkpoint(folder)


def test_tensorboard_shows_every_row_of_metrics_at_its_step(tmp_path, start_fit, events):
    start_fit(tmp_path, trackers=("tensorboard",), probes=(second,))
    shown = events(tmp_path)
    steps = rows(tmp_path)
    assert [row["step"] for row in steps] == list(range(1, 13))
    for key in ("loss", "align", "spread", "lr", "epoch", "images_per_second"):
        assert shown[f"step/{key}"] == [(row["step"], pytest.approx(row[key])) for row in steps]
    assert shown["probe/knn"] == [(8, 1.0)]
    assert shown["probe/epoch"] == [(8, 2.0)]
    assert set(shown) == {
        *(f"step/{k}" for k in ("loss", "align", "spread", "lr", "epoch", "images_per_second")),
        *("probe/knn", "probe/epoch"),
    }


def test_tensorboard_hides_the_killed_rows_and_shows_the_new_ones_once(tmp_path, start_fit, events):
    start_fit(tmp_path, trackers=("tensorboard",), keep_last=9)
    drop_checkpoints_after(tmp_path, 4)
    start_fit(tmp_path, trackers=("tensorboard",), keep_last=9)
    shown, steps = events(tmp_path), rows(tmp_path)
    for key in ("loss", "images_per_second"):
        assert shown[f"step/{key}"] == [(row["step"], pytest.approx(row[key])) for row in steps]
    assert len(list((tmp_path / track.FOLDER / "tensorboard").glob("*/hparams.yml"))) == 1


def test_a_run_killed_before_its_first_checkpoint_starts_afresh_in_tensorboard(tmp_path, start_fit, events):
    start_fit(tmp_path, trackers=("tensorboard",), epochs=1)
    drop_checkpoints_after(tmp_path, 0)
    start_fit(tmp_path, trackers=("tensorboard",), epochs=1)
    assert [step for step, _ in events(tmp_path)["step/loss"]] == [1, 2, 3, 4]


def test_a_run_from_a_recipe_hands_over_every_resolved_setting(tmp_path, fake):
    settings = replace(tiny(trackers=(FAKE,)), monitor=MonitorSettings(times=0))
    train(settings, tmp_path / "run")
    ((config,),) = told(fake, "config")
    assert config == track.flat(to_json(settings))
    assert config["optim.lr"] == settings.optim.lr
    assert config["method.projector.hidden"] == "[8]"
    assert told(fake, "start") == [("contrascope",)]
    assert [step for step, _ in told(fake, "log")] == [row["step"] for row in rows(tmp_path / "run")]


def test_the_loop_alone_hands_over_its_own_settings(tmp_path, start_fit, fake):
    start_fit(tmp_path, trackers=(FAKE, FAKE), epochs=1, lr=0.25)
    ((config,),) = told(fake, "config")
    assert (config["optim.lr"], config["training.batch_size"], config["schedule.warmup_epochs"]) == (
        0.25,
        16,
        1.0,
    )
    assert len(told(fake, "log")) == 4


@pytest.mark.parametrize("cut", [0, 4, 8])
def test_a_tracker_without_a_way_back_gets_no_step_twice(tmp_path, start_fit, fake, cut):
    start_fit(tmp_path, trackers=(FAKE,), keep_last=9, probes=(probe,))
    for _ in range(2):
        drop_checkpoints_after(tmp_path, cut)
        start_fit(tmp_path, trackers=(FAKE,), keep_last=9, probes=(probe,))
    steps = [step for step, values in told(fake, "log") if "step/loss" in values]
    probes = [step for step, values in told(fake, "log") if "probe/knn" in values]
    assert steps == list(range(1, 13))
    assert probes == [4, 8, 12]
    assert len(told(fake, "config")) == 1
    assert len(told(fake, "start")) == len(told(fake, "finish")) == 3


def test_a_run_killed_twice_remembers_the_farthest_step_that_was_logged(
    tmp_path, start_fit, fake, monkeypatch
):
    start_fit(tmp_path, trackers=(FAKE,), keep_last=9)
    drop_checkpoints_after(tmp_path, 4)

    def power_cut(loop):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("contrascope.training.loop.Loop._save", power_cut)
        with pytest.raises(KeyboardInterrupt):
            start_fit(tmp_path, trackers=(FAKE,), keep_last=9)
    assert rows(tmp_path)[-1]["step"] == 8
    start_fit(tmp_path, trackers=(FAKE,), keep_last=9)
    assert [step for step, _ in told(fake, "log")] == list(range(1, 13))


def test_a_tracker_added_later_gets_the_rows_from_there_on(tmp_path, start_fit, fake):
    start_fit(tmp_path, keep_last=9)
    drop_checkpoints_after(tmp_path, 8)
    start_fit(tmp_path, trackers=(FAKE,), keep_last=9)
    assert [step for step, _ in told(fake, "log")] == [9, 10, 11, 12]


@pytest.mark.parametrize("call", ["start", "config", "log", "finish"])
def test_a_tracker_that_fails_is_reported_once_and_the_run_goes_on(tmp_path, start_fit, fake, capsys, call):
    fake.broken = frozenset({call})
    start_fit(tmp_path, trackers=(FAKE, OTHER))
    said = capsys.readouterr()
    assert said.err.count(f"the tracker {FAKE} failed (ConnectionError: no network)") == 1
    assert "training goes on" in said.err
    assert len(rows(tmp_path)) == 12
    assert len(told(sys.modules["its_trackers"].Other, "log")) == 12
    assert len(told(fake, "log")) == {"start": 0, "config": 0, "log": 1, "finish": 12}[call]
    assert len(told(fake, "finish")) == (call != "start")


def test_what_a_tracker_prints_does_not_mix_with_the_results(tmp_path, start_fit, fake, capsys):
    start_fit(tmp_path, trackers=(FAKE,), epochs=1)
    said = capsys.readouterr()
    assert "a tracker talks" in said.err
    assert said.out == ""


def test_trackers_are_closed_when_the_run_is_stopped(tmp_path, start_fit, fake, monkeypatch):
    monkeypatch.setattr("contrascope.training.loop.Loop._anyone", lambda loop, requested: loop.step == 2)
    with pytest.raises(Interrupted):
        start_fit(tmp_path, trackers=(FAKE,))
    assert [step for step, _ in told(fake, "log")] == [1, 2]
    assert fake.told[-1] == ("finish",)


def test_every_tracker_is_closed_though_the_last_is_interrupted_meanwhile(tmp_path, fake):
    def impatient(tracker):
        raise KeyboardInterrupt

    sys.modules["its_trackers"].Other.finish = impatient
    trackers = Trackers((FAKE, OTHER), tmp_path, config={}, after_step=0)
    with pytest.raises(KeyboardInterrupt):
        trackers.close()
    assert fake.told[-1] == ("finish",)


def test_trackers_are_closed_when_the_loss_is_no_number(tmp_path, start_fit, fake):
    with pytest.raises(NonFiniteLossError):
        start_fit(tmp_path, trackers=(FAKE,), lr=1e30)
    assert fake.told[-1] == ("finish",)


def test_other_processes_than_the_main_one_log_nothing(tmp_path, start_fit, fake, monkeypatch):
    monkeypatch.setattr("accelerate.Accelerator.is_main_process", False)
    start_fit(tmp_path, trackers=(FAKE,), epochs=1)
    assert fake.told == []
    assert not (tmp_path / track.FOLDER).exists()


def test_numbers_and_words_are_handed_on_and_what_metrics_stores_as_null_is_not(tmp_path, fake):
    trackers = Trackers((FAKE,), tmp_path, config={}, after_step=0)
    row = {"kind": "probe", "step": 3, "knn": 0.5, "sound": "sound", "gone": math.nan, "none": None}
    trackers.log({**row, "far": math.inf, "list": [1], "epoch": 2})
    trackers.close()
    assert told(fake, "log") == [(3, {"probe/knn": 0.5, "probe/sound": "sound", "probe/epoch": 2})]


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow", "trackio"])
def test_a_missing_package_is_named_before_anything_is_written(tmp_path, monkeypatch, name):
    monkeypatch.setattr(tracking, "_available_trackers", [])
    with pytest.raises(MissingExtraError, match=rf"'{name}'.* Run: pip install 'contrascope\[track\]'"):
        train(tiny(trackers=(name,)), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_the_loop_alone_names_a_missing_package_too(tmp_path, start_fit, monkeypatch):
    monkeypatch.setattr(tracking, "_available_trackers", [])
    with pytest.raises(MissingExtraError, match="pip install"):
        start_fit(tmp_path, trackers=("tensorboard",))
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_name_is_refused_with_the_nearest_one():
    with pytest.raises(
        InputError, match=r"training\.trackers has 'tensorbord'\. Did you mean 'tensorboard'\?"
    ):
        TrainingSettings(trackers=("tensorbord",))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no_such_module:Fake", "tracker 'no_such_module:Fake': no module 'no_such_module'"),
        ("its_trackers:Fack", "its_trackers has no 'Fack'. Did you mean 'Fake'"),
        ("its_trackers:Nothing", "expected a class derived from accelerate.tracking.GeneralTracker"),
    ],
)
def test_a_class_that_is_none_is_refused_before_anything_is_written(tmp_path, fake, name, why):
    with pytest.raises(InputError, match=why):
        train(tiny(trackers=(name,)), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_run_from_before_there_were_trackers_is_resumed(tmp_path):
    run = tmp_path / "run"
    train(tiny(), run)
    recorded = records.read_json(run / records.SETTINGS)
    del recorded["training"]["trackers"]
    records.write_json(run / records.SETTINGS, recorded)
    assert train(tiny(), run, resume=True) == []
    with pytest.raises(InputError, match=r"training\.trackers: \[\] -> \['tensorboard'\]"):
        train(tiny(trackers=("tensorboard",)), run, resume=True)


def test_a_run_without_trackers_has_no_folder_of_theirs(tmp_path, start_fit):
    start_fit(tmp_path, epochs=1)
    assert not (tmp_path / track.FOLDER).exists()


def stand_in(monkeypatch, name, *, directory=False):
    """Accelerate's class for a service, replaced by one that notes its arguments; with the service's package."""
    made = []

    class Service(Fake):
        told: ClassVar[list] = []
        requires_logging_directory = directory
        run_id = "m1"
        info = property(lambda self: self)
        tracker = property(lambda self: self)

        def __init__(self, *args, **kwargs):
            made.append((args, kwargs, os.environ.get("MLFLOW_TRACKING_URI")))

        def start(self):
            pass

    package = type(sys)(name)
    package.is_tracking_uri_set = lambda: "MLFLOW_TRACKING_URI" in os.environ
    monkeypatch.setitem(sys.modules, name, package)
    monkeypatch.setattr(tracking, "_available_trackers", [name])
    monkeypatch.setitem(tracking.LOGGER_TYPE_TO_CLASS, name, Service)
    return made


def two_sessions(run, name):
    for _ in range(2):
        Trackers((name,), run, config={}, after_step=0).close()


def test_wandb_goes_on_with_the_run_of_this_folder_and_of_no_other(tmp_path, monkeypatch):
    made = stand_in(monkeypatch, "wandb")
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    two_sessions(tmp_path / "one", "wandb")
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    two_sessions(tmp_path / "two", "wandb")
    first, again, other, _ = made
    assert first == again
    args, options, _ = first
    assert args == ("contrascope",)
    assert options == {
        "name": "one",
        "id": records.read_json(tmp_path / "one" / "trackers" / "state.json")["key"],
        "resume": "allow",
        "dir": str(tmp_path / "one" / "trackers"),
    }
    assert other[0] == ("mine",)
    assert other[1]["id"] != options["id"]


def test_trackio_goes_on_with_the_run_of_this_folder_and_of_no_other(tmp_path, monkeypatch):
    made = stand_in(monkeypatch, "trackio")
    two_sessions(tmp_path / "a" / "run", "trackio")
    two_sessions(tmp_path / "b" / "run", "trackio")
    assert made[0] == made[1]
    assert made[0][1]["resume"] == "allow"
    assert made[0][1]["name"].startswith("run-")
    assert made[0][1]["name"] != made[2][1]["name"]


def test_mlflow_keeps_its_run_in_the_folder_unless_it_has_a_server(tmp_path, monkeypatch):
    made = stand_in(monkeypatch, "mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    two_sessions(tmp_path / "one", "mlflow")
    home = tmp_path / "one" / "trackers"
    options = {"run_name": "one", "run_id": None, "logging_dir": str(home / "mlflow")}
    assert made == [
        (("contrascope",), options, f"sqlite:///{home}/mlflow.db"),
        (("contrascope",), {**options, "run_id": "m1"}, f"sqlite:///{home}/mlflow.db"),
    ]
    assert "MLFLOW_TRACKING_URI" not in os.environ
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server")
    two_sessions(tmp_path / "two", "mlflow")
    assert made[2] == (("contrascope",), {"run_name": "two", "run_id": None}, "http://server")
    assert os.environ["MLFLOW_TRACKING_URI"] == "http://server"
