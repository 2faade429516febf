"""The monitor in a loop of one's own: what it says, what it leaves as it was, and what it never does."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import monitor_cases
import monitor_worker
import numpy as np
import pytest
import torch
from monitor_cases import Model, plain
from torch import nn

import contrascope
from contrascope import Monitor
from contrascope.diagnosis.monitor.rows import UNCHOSEN, numbers_of
from contrascope.diagnosis.monitor.undisturbed import undisturbed
from contrascope.diagnosis.monitor.window import Window
from contrascope.errors import InputError
from contrascope.records.row_words import row_word


@pytest.fixture
def views():
    return monitor_cases.views()


def make(views, **how):
    return Monitor(views, **{"encoder": "backbone", "on_error": "raise", **how})


def test_the_row_says_what_is_known_of_a_model_that_learns(views):
    row = make(views, projector=lambda model: model.head)(Model(skill=0.9), step=7)
    assert row["contrascope/sound"] == "sound"
    assert row["contrascope/learning"] == "learning"
    assert row["contrascope/step"] == 7
    assert row["contrascope/score"] == row["contrascope/h/gain_own"] > 1
    assert 6 < row["contrascope/h/rank"] <= 8
    assert 0 < row["contrascope/z/rank"] <= 4
    assert all(isinstance(value, str | int | float) for value in row.values())
    known = [key.removeprefix("contrascope/").replace("/", "_") for key in row]
    words = ("step", "sound", "learning", "reason", "evidence")
    assert [key for key in known if row_word(key) is None and key not in words] == []


def test_the_reference_is_drawn_from_the_architecture_and_not_from_the_weights(views):
    trained, other = (make(views)(Model(skill=0.9), step=1) for _ in range(2))
    assert plain(trained) == plain(other)
    started = make(views)
    started.begin(Model(skill=0.3))
    assert plain(started(Model(skill=0.9), step=1)) == plain(trained)


@pytest.mark.parametrize("how", ["views", "rows"])
def test_observing_gives_the_row_of_its_own_forward_on_the_same_embeddings(views, how):
    model = Model(skill=0.9)
    parts = {"projector": "head", "images": monitor_cases.IMAGES}
    own = make(views, **parts)(model, step=5)
    h = model.backbone[1](views)
    z = model.head(h)
    monitor = make(views, **parts)
    monitor.begin(model)
    found = []
    for ids in torch.arange(monitor_cases.IMAGES).split(32):
        one, other = h[:, ids], z[:, ids]
        if how == "rows":  # views of an image beside each other, as some loaders give them
            one, other = (rows.transpose(0, 1).flatten(0, 1) for rows in (one, other))
            ids = [f"image {number}" for number in ids.tolist() for _ in range(2)]
        found.append(monitor.observe(one, other, ids=ids, step=5))
    assert found[:2] == [None, None]
    assert plain(found[2]) == plain(own)
    assert h.requires_grad


def test_fewer_images_than_the_reference_has_are_compared_too(views):
    model = Model(skill=0.9)
    monitor = make(views, images=monitor_cases.IMAGES, rest=0)
    monitor.begin(model)
    monitor._window = Window(images=40)
    row = monitor.observe(model.backbone[1](monitor_cases.views(images=40, seed=5)), ids=range(40))
    assert row["contrascope/learning"] == "learning"


def test_images_that_come_again_and_odd_ones_out_are_counted_once(views):
    h = monitor_cases.views(images=40)
    whole, torn = (make(None, reference="first", images=32, rest=0) for _ in range(2))
    row = whole.observe(h[:, :32], ids=range(32))
    assert torn.observe(h[:, :20], ids=range(20)) is None
    assert torn.observe(h[:, 10:31], ids=range(10, 31)) is None
    rows = torch.cat((h[0, 31:33], h[1, 31:32]))
    assert torn.observe(torch.cat((rows, h[0, 33:34], h[1, 33:34])), ids=[31, 32, 31, 33, 33], step=1)
    assert plain(torn.history[0]) == plain(row) | {"contrascope/step": 1}


def test_random_numbers_modes_and_gradients_stay_as_they_were(views):
    class Loader:
        """Draws from every stream, as loaders and augmentations do."""

        def __iter__(self):
            while True:
                random.random()
                np.random.rand()  # noqa: NPY002
                order = torch.randperm(monitor_cases.IMAGES)
                yield [view[order] for view in views], order

    def streams():
        return float(np.random.rand()), torch.rand(3).tolist()  # noqa: NPY002

    def seed():
        np.random.seed(1)  # noqa: NPY002
        torch.manual_seed(1)

    model = Model(skill=0.9)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [(name, part.training) for name, part in model.named_modules()]
    monitor = make(Loader(), images=monitor_cases.IMAGES)
    seed()
    expected = streams()
    seed()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        row = monitor(model, step=1)
        assert torch.is_autocast_enabled("cpu")
        assert model.head(torch.ones(1, 8)).dtype == torch.bfloat16
    assert streams() == expected
    assert modes == [(name, part.training) for name, part in model.named_modules()]
    assert len({mode for _, mode in modes}) == 2
    assert torch.is_grad_enabled()
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert plain(monitor(model, step=1)) == plain(row)  # no dropout, no autocast, the same views
    with torch.inference_mode(), torch.device("meta"):
        assert plain(monitor(model, step=1)) == plain(row)


def test_pythons_own_random_numbers_stay_as_they_were_too():
    random.seed(1)  # alone: the checks of types that the tests switch on draw from it
    expected = random.random()
    random.seed(1)
    with undisturbed(torch.device("cpu")):
        random.random()
    assert random.random() == expected


def test_a_fault_is_said_once_and_the_training_goes_on(views, capsys):
    monitor = make(views, encoder=lambda model: model.nothing, on_error="say")
    assert monitor(Model(), step=1) == {}
    assert monitor(Model(), step=2) == {}
    assert monitor.observe(torch.ones(4, 2), ids=[1]) is None
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert "this measurement failed and the training goes on (AttributeError" in said[0]
    assert "there are 1 ids" in said[1]
    with pytest.raises(AttributeError, match="nothing"):
        make(views, encoder=lambda model: model.nothing)(Model(), step=1)


def test_a_log_that_fails_stops_nothing(views, capsys):
    def log(row):
        raise OSError("no network")

    monitor = make(views, log=log, on_error="say")
    assert monitor(Model(skill=0.9), step=1)["contrascope/sound"] == "sound"
    assert "OSError: no network" in capsys.readouterr().err


def test_an_interrupt_is_no_fault(views):
    def interrupt(row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(views, log=interrupt, on_error="say")(Model(), step=1)


def test_an_alarm_is_said_once_and_stops_where_that_was_asked_for(views, capsys):
    logged, heard = [], []
    warned, stopped = make(views, log=logged.append), make(views, on_alarm="stop", patience=1)
    patient = make(views, on_alarm="stop")
    called = make(views, on_alarm=lambda said, row: heard.append((said, row)) or len(heard) == 2)
    model = Model(skill=0.9)
    for step in (1, 2):
        for monitor in (warned, stopped, called):
            monitor(model, step=step)
    assert not any(monitor.should_stop for monitor in (warned, stopped, called))
    assert capsys.readouterr().err == ""
    model.collapse()
    for monitor in (warned, stopped, called):
        monitor(model, step=3)
    assert (warned.should_stop, stopped.should_stop, called.should_stop) == (False, True, False)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert all("step 3: unsound: few distinct rows." in line for line in said)
    assert heard[0][1]["contrascope/sound"] == "unsound"
    warned(model, step=4)
    called(model, step=4)
    assert capsys.readouterr().err == ""  # not again
    patient(model, step=3)
    patient(Model(skill=0.9), step=4)  # it recovered
    patient(model, step=5)
    assert not patient.should_stop
    patient(model, step=6)
    assert patient.should_stop
    capsys.readouterr()
    assert called.should_stop
    assert [row["contrascope/sound"] for row in logged] == ["sound", "sound", "unsound", "unsound"]


def test_the_best_step_is_the_one_that_learnt_most_and_is_sound(views):
    monitor = make(views)
    assert monitor.best is None
    rows = [monitor(Model(skill=skill), step=step) for step, skill in enumerate((0.0, 0.8, 0.9, 0.85))]
    monitor(Model().collapse(), step=4)
    assert monitor.best == 2
    assert monitor.best_score == rows[2]["contrascope/score"]
    assert monitor.history[-1]["contrascope/score"] == UNCHOSEN < -13.9
    numbers = numbers_of(monitor.history[-1])
    assert numbers["contrascope/sound"] == 0.0
    assert all(isinstance(value, float) for value in numbers.values())
    monitor(Model(skill=0.1), step=2)  # a training that went back
    assert (monitor.best, len(monitor.history)) == (1, 3)


def test_an_observation_rests_without_a_look_at_what_it_is_given(views):
    monitor = make(None, reference=None, images=32, rest=3)
    h = monitor_cases.views(images=32)
    assert monitor.observe(h, ids=range(32))
    for _ in range(3):
        assert monitor.observe(torch.full((1, 1, 1), torch.nan), ids=[]) is None  # would be refused
    with pytest.raises(InputError, match="are 0 ids"):
        monitor.observe(torch.full((2, 1, 1), torch.nan), ids=[])


def test_a_rest_is_as_long_as_its_share_of_the_time_asks_for(monkeypatch):
    clock = iter([0.0, 40.0, 44.0, 44.0, 44.0])
    monkeypatch.setattr("contrascope.diagnosis.monitor.monitor.time.perf_counter", lambda: next(clock))
    monitor = make(None, reference=None, images=32)
    monitor._calls, monitor._opens = 9, 10
    monitor.observe(monitor_cases.views(images=32), ids=range(32))
    # ten batches in 40 s, 4 s of measuring: 0.8 % of the time is a measurement every 125 batches
    assert monitor._opens - monitor._calls - 1 == 125


def test_wrong_arguments_are_refused_before_the_loop(views):
    for wrong, said in (
        ({"reference": "twin"}, "reference is 'twin'"),
        ({"images": 4}, "images is 4"),
        ({"every": 0}, "every is 0"),
        ({"rest": -1}, "rest is -1"),
        ({"patience": 0}, "patience is 0"),
    ):
        with pytest.raises(InputError, match=said):
            Monitor(views, **wrong)
    with pytest.raises(InputError, match="reference='random' compares on views"):
        Monitor()
    for name in ("on_alarm", "on_error"):
        with pytest.raises(Exception, match=name):
            Monitor(views, **{name: "shout"})


def test_a_state_in_a_checkpoint_goes_on(views):
    monitor = make(views, reference="first")
    for step, skill in enumerate((0.0, 0.9)):
        monitor(Model(skill=skill), step=step)
    again = make(views, reference="first")
    again.load_state_dict(monitor.state_dict())
    assert again.best == monitor.best == 1
    assert again.history == monitor.history
    assert plain(again(Model(skill=0.9), step=2)) == plain(monitor(Model(skill=0.9), step=2))


def test_without_a_reference_nobody_can_tell_whether_it_is_learning(views):
    row = make(views, reference=None)(Model(skill=0.9), step=1)
    assert row["contrascope/learning"] == "cannot be told"
    rows = Model().backbone[1](views).detach()
    given = make(views, reference=rows.numpy())(Model(skill=0.9), step=1)
    assert given["contrascope/learning"] == "learning"


@pytest.mark.parametrize("sort", [nn.DataParallel, lambda model: torch.compile(model, backend="eager")])
def test_wrapped_models_are_measured_as_they_are(views, sort):
    model = Model(skill=0.9)
    assert plain(make(views)(sort(model), step=1)) == plain(make(views)(model, step=1))


def test_two_processes_give_one_processs_row(tmp_path):
    path = os.pathsep.join([str(Path(contrascope.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*launch, monitor_worker.__file__, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        timeout=120,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    both = [json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in (0, 1)]
    alone = monitor_worker.measured(0, 1, tmp_path)
    assert both[0] == both[1]
    assert plain(both[0]["own"]) == plain(alone["own"])
    assert both[0]["stop"] is alone["stop"] is True
    assert both[0]["best"] == alone["best"]
    assert both[0]["steps"] == alone["steps"] == 3
    # half of each batch is rank 0's: the same images in another order, so intervals and clusters may differ
    for key in ("contrascope/score", "contrascope/h/rank", "contrascope/h/retrieval"):
        assert both[0]["observed"][key] == pytest.approx(alone["observed"][key], rel=1e-5)
    assert len((tmp_path / "world2" / "metrics.jsonl").read_text().splitlines()) == 4
