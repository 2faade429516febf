"""A sweep, a training and an embedding by two workers of Ray, one of them killed: bits and rows of one machine."""

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
import ray_cases
from paper_cases import DRY, TABLE, HereEngine, numbers
from sweep_cases import TINY, command, grid, settings
from test_trials import assert_same_run

from contrascope import records
from contrascope.data.settings import DataSettings
from contrascope.engines.ray import LATE, RaySettings, check_gpus, connect, ray_cluster, read_ray
from contrascope.errors import InputError, MissingExtraError
from contrascope.jobs import train_ray
from contrascope.jobs.embed_ray import finish_on_ray
from contrascope.jobs.embed_stream import embed_to_shards
from contrascope.jobs.train_ray import train_on_ray
from contrascope.papers.limited import TimeIsUpError, limited
from contrascope.papers.reproduce import TableRequest, reproduce
from contrascope.records.sweeps import FINISHED
from contrascope.settings import to_json
from contrascope.sweeps.engine import LocalEngine
from contrascope.sweeps.ray import RayEngine, TrialTeller
from contrascope.sweeps.run import sweep

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs the extra: pip install -e '.[cluster]'"
)
TRAINER, ACTOR = "ray::RayTrainWorker", "ray::MapWorker"


@pytest.fixture(scope="module")
def cluster():
    """A cluster for two workers on the loopback address, ended with these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        with contextlib.ExitStack() as held:
            try:
                ray = held.enter_context(ray_cluster(RaySettings(), workers=2))
            except InputError as error:
                if LATE not in str(error):
                    raise
                pytest.skip(
                    "Ray gives its processes half a minute to begin, too little on this crowded machine"
                )
            yield ray


@needs_ray
@pytest.mark.slow
def test_the_cluster_of_this_machine_is_reached_by_nobody_else(cluster):
    assert cluster.util.get_node_ip_address() == "127.0.0.1"
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert len(os.environ["RAY_AUTH_TOKEN"]) == 64
    heard = []
    for process in [*ray_cases.processes_in(""), os.getpid()]:
        heard += ray_cases.listens(process)
    assert heard
    assert set(heard) == {"127.0.0.1"}


@needs_ray
@pytest.mark.slow
def test_an_embedding_by_two_actors_one_of_them_killed_has_the_same_rows(cluster, tmp_path):
    data = DataSettings(source="shapes", count=2000, size=8)
    thing, out = "ray_cases:Slow", tmp_path / "ray"
    one = embed_to_shards(thing, data, tmp_path / "one", rows=512, device="cpu")
    finish = finish_on_ray(RaySettings(), thing, data, workers=2, rows=512)
    told = []
    with ray_cases.killed(ACTOR, when=lambda: len(list(out.glob("part-*"))) > 0):
        embed_to_shards(
            thing,
            data,
            out,
            rows=512,
            device="cpu",
            finish=finish,
            progress=lambda done, _: told.append(done),
        )
    assert pq.read_table(out).equals(pq.read_table(one))
    assert told[-1] == 2000
    assert not list(out.glob(".part*"))


@needs_ray
@pytest.mark.slow
def test_what_an_actor_refuses_is_said_in_its_own_words(cluster, tmp_path):
    data = DataSettings(source="shapes", count=600, size=8)
    finish = finish_on_ray(RaySettings(), "ray_cases:Flat", data, workers=1, rows=512)
    with pytest.raises(InputError, match=r"of\.encoder") as refused:  # another network than the driver's
        embed_to_shards("ray_cases:Slow", data, tmp_path / "f", rows=512, device="cpu", finish=finish)
    assert "Traceback" not in str(refused.value)


@needs_ray
@pytest.mark.slow
def test_a_training_by_two_workers_one_of_them_killed_has_the_bits_of_torchrun(
    cluster, tmp_path, monkeypatch
):
    own = settings(epochs=3, checkpoint_every=5, log_every=1)
    out, told = tmp_path / "ray", []
    monkeypatch.setattr(train_ray, "EVERY", 0.1)
    with ray_cases.killed(TRAINER, when=lambda: max(ray_cases.steps(out), default=0) >= 7):
        ended = train_on_ray(
            own, out, RaySettings(), workers=2, restarts=2, progress=lambda *done: told.append(done)
        )
    assert ended == (FINISHED, "")
    assert told == sorted(told)
    assert told[-1][0] > 7
    assert {total for _, total in told} == {60}
    assert records.read_json(out / records.ENVIRONMENT)["processes"] == 2
    records.write_json(tmp_path / "own.json", to_json(own))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run(
        [
            *launch,
            "-m",
            "contrascope",
            "train",
            str(tmp_path / "own.json"),
            "--out",
            str(tmp_path / "torchrun"),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
    )
    assert_same_run(out, tmp_path / "torchrun", steps=60)
    assert ray_cases.steps(out) == list(range(1, 61))


@needs_ray
@pytest.mark.slow
def test_what_a_worker_of_a_training_refuses_is_said_and_leaves_nothing(cluster, tmp_path):
    lost = replace(settings(), data=DataSettings(source=str(tmp_path / "nowhere.npy")))
    with pytest.raises(InputError, match="does not exist"):
        train_on_ray(lost, tmp_path / "x", RaySettings(), workers=1, restarts=0)
    assert not (tmp_path / "x").exists()
    assert not list(tmp_path.glob(".x*"))


@needs_ray
@pytest.mark.slow
def test_a_sweep_by_two_workers_one_of_them_killed_has_the_bits_of_this_machine(cluster, tmp_path):
    made = grid(seeds=("0",), base=settings(epochs=3, checkpoint_every=5, log_every=1))
    here, there = tmp_path / "here", tmp_path / "ray"
    first = there / made.trials[0].name
    engine = RayEngine(cluster, RaySettings(), there, threads=1)
    with ray_cases.killed(TRAINER, when=lambda: max(ray_cases.steps(first), default=0) >= 7):
        record = sweep(made, there, engine=engine, jobs=2, restarts=2)
    assert [one.state for one in record.trials] == [FINISHED, FINISHED]
    assert sorted(one.starts for one in record.trials) == [1, 2]
    local = sweep(made, here, engine=LocalEngine(threads=1))
    assert [one.marks for one in record.trials] == [one.marks for one in local.trials]
    for one in made.trials:
        assert_same_run(there / one.name, here / one.name, steps=60)


@needs_ray
@pytest.mark.slow
def test_a_table_by_two_workers_is_that_of_this_machine_and_its_minutes_end_it(cluster, tmp_path):
    asked = TableRequest(table=TABLE, scale="cpu", seeds=1, sources=DRY)
    out, said = tmp_path / "ray" / "tiny", []
    engine = RayEngine(cluster, RaySettings(), out, threads=1)
    short = reproduce(asked, out, engine=engine, jobs=2, minutes=1e-9, device="cpu", say=said.append)
    assert any("minutes are over" in line for line in said)
    assert {one.state for one in short.cells if one.seed} <= {"waiting"}
    theirs = reproduce(asked, out, engine=engine, jobs=2, device="cpu")
    ours = reproduce(asked, tmp_path / "here" / "tiny", engine=HereEngine(), device="cpu")
    assert numbers(theirs) == numbers(ours)
    assert [(state, bool(found)) for _, _, state, found in numbers(theirs)] == [(FINISHED, True)] * 3


@needs_ray
@pytest.mark.slow
def test_ctrl_c_ends_a_training_with_its_code_and_the_line_that_goes_on(tmp_path):
    out = tmp_path / "run"
    words = [*TINY, "--training.epochs", "40", "--out", out, "--engine", "ray", "--workers", "1"]
    with command("train", "digits-simclr", *words, start_new_session=True) as process:
        try:
            while process.poll() is None and max(ray_cases.steps(out), default=0) < 7:
                time.sleep(0.1)
            assert process.poll() is None, process.stderr.read()
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does
            said = process.communicate()[1]
        finally:
            process.kill()
    assert process.returncode == 130
    assert f"go on with: contrascope train {out} --resume --engine ray --workers 1" in said
    assert "Traceback" not in said
    assert records.checkpoint_folders(out)
    assert not list(tmp_path.glob(".run*"))


def test_a_training_waits_beside_ray_train_which_would_take_ctrl_c_for_itself(monkeypatch):
    monkeypatch.setattr(train_ray, "EVERY", 0.01)
    over = threading.Event()

    class Played:
        def fit(self):
            assert threading.current_thread() is not threading.main_thread()
            over.wait(60)
            return "ended"

    class Steps:
        def __init__(self, then):
            self.look = then

    assert train_ray.fitted(Played(), Steps(over.set)) == "ended"
    over.clear()
    with pytest.raises(KeyboardInterrupt):
        train_ray.fitted(Played(), Steps(lambda: signal.raise_signal(signal.SIGINT)))
    over.set()


@pytest.mark.parametrize(
    ("error", "kind"), [(Exception(f"node {LATE}"), InputError), (KeyError("x"), KeyError)]
)
def test_a_cluster_that_does_not_begin_is_one_sentence(error, kind):
    def init(**more):
        raise error

    with pytest.raises(kind, match="no Ray cluster on this machine" if kind is InputError else "x"):
        connect(SimpleNamespace(init=init), RaySettings(), {})


def test_all_trials_are_stopped_when_the_minutes_are_over():
    engine = RayEngine(None, RaySettings(), Path("s"), threads=3)
    early, late = (limited(engine, time.monotonic() + more) for more in (60, -1))
    assert (early.threads, late.threads) == (3, 3)
    told = [TrialTeller([], lambda task, start: None, lambda end: None, one._check) for one in (early, late)]
    assert [one.stop_all() for one in told] == [False, True]
    assert isinstance(told[1].fault, TimeIsUpError)


def test_gpus_that_this_machine_lacks_are_refused():
    cluster = SimpleNamespace(cluster_resources=lambda: {"CPU": 4.0, "GPU": 1.0})
    check_gpus(cluster, RaySettings(gpus=0.5), 2)
    with pytest.raises(InputError, match="needs 2 GPUs; this machine has 1"):
        check_gpus(cluster, RaySettings(gpus=1.0), 2)


@needs_ray
@pytest.mark.slow
def test_a_sweep_whose_first_trial_is_refused_ends_with_that_sentence(cluster, tmp_path):
    made = grid(base=replace(settings(), data=DataSettings(source="nowhere.npy")))
    engine = RayEngine(cluster, RaySettings(), tmp_path / "s", threads=1)
    with pytest.raises(InputError, match="does not exist"):
        sweep(made, tmp_path / "s", engine=engine, jobs=1)


def test_what_a_worker_takes_is_read_from_words_and_checked():
    assert read_ray(["cpus=8", "address=ray://head:10001"]) == RaySettings(cpus=8, address="ray://head:10001")
    assert read_ray(["gpus=0.5"]).resources == {"CPU": 1.0, "GPU": 0.5}
    for word in ("cpu=1", "cpus", "cpus=x", "cpus=0", "gpus=-1"):
        with pytest.raises(InputError, match="--ray"):
            read_ray([word])


def test_without_the_extra_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)  # as where it is not installed
    with (
        pytest.raises(MissingExtraError, match=r"pip install 'contrascope\[cluster\]'"),
        ray_cluster(RaySettings(), workers=1),
    ):
        raise AssertionError("nothing is started")


def test_processes_are_found_and_others_are_not():
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            assert ray_cases.processes_in("sleep") == [process.pid]
            assert ray_cases.processes_in("ray::") == []
        finally:
            process.kill()
    assert not ray_cases.below(1, os.getpid())
    assert Path(f"/proc/{os.getpid()}").exists()
