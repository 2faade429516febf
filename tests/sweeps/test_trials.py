"""Trials by real workers: the bits of `contrascope train` alone, whatever happens to the worker or to the sweep."""

import json
import os
import re
import signal
import time
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from sweep_cases import TINY, command, grid, settings

from contrascope import records
from contrascope.augment.settings import PolicySettings
from contrascope.cli import main
from contrascope.diagnosis.settings import MonitorSettings
from contrascope.jobs.train import train
from contrascope.records.sweeps import DROPPED, FINISHED
from contrascope.settings import to_json
from contrascope.sweeps.engine import LocalEngine
from contrascope.sweeps.kept import recorded
from contrascope.sweeps.run import sweep
from contrascope.sweeps.slurm import SlurmEngine
from contrascope.training.settings import OptimSettings

CLOCKS = ("images_per_second", "seconds")


def rows_of(run):
    rows = records.read_metrics(run / records.METRICS)
    return [{key: value for key, value in row.items() if key not in CLOCKS} for row in rows]


def assert_same_run(one, other, *, steps):
    """Settings, scores, metrics and the newest checkpoint are equal to the bit."""
    for name in (records.SETTINGS, records.EVALUATION):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert rows_of(one) == rows_of(other)
    (step, mine), (last, theirs) = (records.checkpoint_folders(run)[-1] for run in (one, other))
    assert step == last == steps
    for file in ("method.safetensors", "optimizer.safetensors"):
        ours, others = load_file(mine / file), load_file(theirs / file)
        assert ours.keys() == others.keys()
        assert all(torch.equal(ours[key], others[key]) for key in ours), file
    threads = [json.loads((run / records.ENVIRONMENT).read_text())["threads"] for run in (one, other)]
    assert threads[0] == threads[1]


def alone(trial, out, monkeypatch, *, threads=1):
    """The run of these settings by `contrascope train`, in this process."""
    monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
    torch.set_num_threads(threads)
    path = out.with_name("alone.json")
    path.write_text(json.dumps(to_json(trial.settings)))
    assert main(["train", str(path), "--out", str(out)]) == 0
    return out


def test_a_trial_has_the_bits_of_train_alone_and_its_marks(tmp_path, monkeypatch):
    made = grid(("0.2",), (), base=settings(epochs=2, probe_every=1))
    sweep(made, tmp_path / "s", engine=LocalEngine(threads=2))
    (trial,) = recorded(tmp_path / "s").trials
    assert trial.state == FINISHED
    run = alone(made.trials[0], tmp_path / "alone", monkeypatch, threads=2)
    assert_same_run(tmp_path / "s" / trial.name, run, steps=40)
    assert json.loads((run / records.ENVIRONMENT).read_text())["threads"] == 2
    probed = [row for row in rows_of(run) if "knn_held_out" in row]
    assert trial.marks[-1].knn_held_out == probed[-1]["knn_held_out"]
    scores = json.loads((run / records.EVALUATION).read_text())["rows"]
    (knn,) = [row for row in scores if (row["of"], row["name"]) == ("trained encoder", "knn")]
    assert (trial.test.value, trial.test.low, trial.test.split) == (knn["value"], knn["low"], knn["split"])


def test_a_run_that_pauses_goes_on_with_the_bits_of_one_that_did_not(tmp_path):
    own = settings(epochs=3, checkpoint_every=7, threads=1)
    train(own, tmp_path / "whole")
    for until in (1, 1, 2, 3):
        train(own, tmp_path / "paused", resume=True, until=until)
        assert records.checkpoint_folders(tmp_path / "paused")[-1][0] == 20 * until
        assert (tmp_path / "paused" / records.EVALUATION).exists() == (until == 3)
    assert_same_run(tmp_path / "whole", tmp_path / "paused", steps=60)


def test_what_the_loop_did_not_measure_is_measured_on_the_checkpoint_and_is_the_same_number(tmp_path):
    from contrascope.sweeps.measure import mark_of

    followed, plain = settings(epochs=1, probe_every=1, threads=1), settings(epochs=1, threads=1)
    train(followed, tmp_path / "followed")
    train(plain, tmp_path / "plain")
    before = sorted(path.name for path in (tmp_path / "plain").rglob("*"))
    device = torch.device("cpu")
    one = mark_of(tmp_path / "followed", followed, epoch=1, device=device)
    assert one == mark_of(tmp_path / "plain", plain, epoch=1, device=device)
    assert one.knn_held_out is not None
    assert one.sound
    assert sorted(path.name for path in (tmp_path / "plain").rglob("*")) == before


@pytest.mark.slow
def test_without_labels_a_paused_run_is_asked_what_the_monitor_would_have_said(tmp_path):
    from contrascope.sweeps.measure import mark_of

    own = settings(epochs=10, threads=1)
    plain = replace(own, data=replace(own.data, labels="none"), policy=PolicySettings(name="digits"))
    plain = replace(
        plain, encoder=replace(plain.encoder, width=8), optim=OptimSettings(name="adamw", lr=2e-3)
    )
    plain = replace(plain, monitor=MonitorSettings(times=1, images=256))
    followed = replace(plain, monitor=MonitorSettings(times=5, images=256))
    marks = []
    for name, chosen in (("plain", plain), ("followed", followed)):
        train(chosen, tmp_path / name, until=8)
        marks.append(mark_of(tmp_path / name, chosen, epoch=8, device=torch.device("cpu")))
    assert [row["epoch"] for row in rows_of(tmp_path / "plain") if row["kind"] == "probe"] == []
    assert marks[0] == marks[1]
    assert (marks[0].knn_held_out, marks[0].sound) == (None, "sound")
    assert marks[0].label_free > 0


def wait_for(found, process, *, seconds=120):
    end = time.monotonic() + seconds
    while not (value := found()):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.01)
    return value


def worker_of(run):
    """Process of the worker that holds a run, once it has a checkpoint."""
    try:
        held = re.search(r"process (\d+)", (run / records.LOCK).read_text())
        return int(held[1]) if held and records.checkpoint_folders(run) else 0
    except FileNotFoundError:
        return 0


def started(folder, *more):
    words = ["digits-simclr", *TINY, "--training.epochs", "20", "--monitor.times", "0"]
    return command("sweep", *words, "--grid", "method.temperature=0.1,0.5", "--out", folder, *more)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    """The sweep of `started`, whose workers nobody kills."""
    folder = tmp_path_factory.mktemp("sweeps") / "untouched"
    process = started(folder)
    told, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert "WARNING" in told
    assert (folder / "comparison.html").exists()
    return folder


def assert_same_sweep(one, other):
    names = [trial.name for trial in recorded(one).trials]
    assert names == [trial.name for trial in recorded(other).trials]
    for name in names:
        assert_same_run(one / name, other / name, steps=400)
    marks = [[(trial.state, trial.marks, trial.test) for trial in recorded(s).trials] for s in (one, other)]
    assert marks[0] == marks[1]


@pytest.mark.slow
def test_a_worker_that_is_killed_is_started_again_and_ends_with_the_same_bits(untouched, tmp_path):
    folder = tmp_path / "s"
    process = started(folder)
    first = folder / "seed=0-temperature=0.1"
    killed = wait_for(lambda: worker_of(first), process)
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: worker_of(first) not in (0, killed), process)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert "its worker was killed; start 2" in said
    assert [trial.starts for trial in recorded(folder).trials] == [2, 1]
    assert_same_sweep(untouched, folder)


@pytest.mark.slow
def test_ctrl_c_saves_says_how_to_go_on_and_the_rest_follows(untouched, tmp_path):
    folder = tmp_path / "s"
    process = started(folder, "--jobs", "2")
    worker = wait_for(lambda: worker_of(folder / "seed=0-temperature=0.5"), process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert (
        f"stopped by Ctrl-C. What the trials have saved stays; go on with: contrascope sweep {folder}" in said
    )
    assert "Traceback" not in said
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
    process = command("sweep", folder)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert_same_sweep(untouched, folder)


@pytest.mark.slow
def test_workers_end_with_a_sweep_that_is_killed(untouched, tmp_path):
    folder = tmp_path / "s"
    process = started(folder)
    worker = wait_for(lambda: worker_of(folder / "seed=0-temperature=0.1"), process)
    process.kill()
    process.communicate()
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            break
        time.sleep(0.05)
    else:
        pytest.fail("the worker goes on without its sweep")
    process = command("sweep", folder)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert_same_sweep(untouched, folder)


@pytest.mark.slow
def test_halving_leaves_settings_and_the_winner_has_the_bits_of_a_run_that_never_paused(
    tmp_path, monkeypatch
):
    made = grid(("0.05", "5.0"), (), base=settings(epochs=4))
    record = sweep(made, tmp_path / "s", engine=LocalEngine(threads=1), halving=True)
    (rung,) = record.rungs
    assert (rung.epoch, rung.by) == (2, "knn_held_out")
    states = {one.values["method.temperature"]: one for one in record.trials}
    left, first = sorted(states.values(), key=lambda one: one.state == FINISHED)
    assert (left.state, first.state) == (DROPPED, FINISHED)
    assert left.marks[0].knn_held_out <= first.marks[0].knn_held_out
    whole = next(one for one in made.trials if one.name == first.name)
    assert_same_run(tmp_path / "s" / first.name, alone(whole, tmp_path / "alone", monkeypatch), steps=80)
    assert records.checkpoint_folders(tmp_path / "s" / left.name)[-1][0] == 40


@pytest.mark.slow
def test_submitit_runs_the_same_trials_and_starts_a_killed_one_again(tmp_path, monkeypatch):
    pytest.importorskip("submitit", reason="needs the extra cluster")
    made = grid(("0.2",), ("0", "1"), base=settings(epochs=12, checkpoint_every=5))
    engine = SlurmEngine(tmp_path / "s", {"timeout_min": 5}, cluster="local")
    killed = []

    def start(task):
        job = SlurmEngine.start(engine, task)
        if not killed:
            deadline = time.monotonic() + 120
            while not (worker := worker_of(task.sweep / task.name)) and time.monotonic() < deadline:
                time.sleep(0.01)
            os.kill(worker, signal.SIGKILL)
            killed.append(worker)
        return job

    monkeypatch.setattr(engine, "start", start)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    record = sweep(made, tmp_path / "s", engine=engine, jobs=2)
    assert [one.state for one in record.trials] == [FINISHED, FINISHED]
    assert [one.starts for one in record.trials] == [2, 1]
    for trial in made.trials:
        one = alone(trial, tmp_path / f"alone-{trial.seed}", monkeypatch)
        assert_same_run(tmp_path / "s" / trial.name, one, steps=240)
