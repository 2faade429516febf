"""Several processes of `contrascope train` on a CPU: one run, one refusal for all, and a word where one is gone."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_cases import TINY, newest
from safetensors.torch import load_file

import contrascope
from contrascope import records
from contrascope.errors import InputError
from contrascope.records.metrics import read_metrics
from contrascope.training.device import accelerator_on

SOURCE = str(Path(contrascope.__file__).parents[1])
TRAIN = ["-m", "contrascope", "train", "digits-simclr", *TINY, "--monitor.times", "0"]


def environment(**more):
    path = os.pathsep.join([SOURCE, os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **more}


def torchrun(*words):
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.run(
        [*launch, *TRAIN, *words], env=environment(), timeout=400, check=False, capture_output=True, text=True
    )


def by_hand(*words, prints):
    """Two trainings that nothing watches over; their output in files."""
    return pair([*TRAIN, *words], prints=prints)


def pair(words, prints):
    """Two processes of one group; their output in files."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    started = []
    for rank in ("0", "1"):
        told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
        with (prints / rank).open("w") as file:
            started.append(
                subprocess.Popen(
                    [sys.executable, *words],
                    env=environment(MASTER_ADDR="127.0.0.1", MASTER_PORT=port, **told),
                    stdout=file,
                    stderr=subprocess.STDOUT,
                )
            )
    return started


def test_torchrun_trains_one_run_and_a_second_one_is_refused_by_all(tmp_path):
    out = tmp_path / "run"
    done = torchrun("--training.epochs", "1", "--out", str(out))
    assert done.returncode == 0, done.stderr[-3000:]
    assert records.read_json(out / records.ENVIRONMENT)["processes"] == 2
    rows = read_metrics(out / records.METRICS)
    assert [row["step"] for row in rows] == list(range(1, 21))  # 20 steps of 64 images: not two runs of 20
    assert done.stdout.count("The run is in") == 1
    again = torchrun("--training.epochs", "1", "--out", str(out))
    assert again.returncode != 0
    assert "already holds a run" in again.stderr
    assert "process 0 could not begin, so none does" in again.stderr
    assert f'File "{SOURCE}' not in again.stderr  # torchrun's own traceback has none of our lines


@pytest.mark.slow
def test_accelerate_launch_trains_the_run_of_torchrun(tmp_path):
    words = ["--training.epochs", "1", "--device", "cpu", "--out"]
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    launch += [
        "--num_machines",
        "1",
        "--mixed_precision",
        "no",
        "--dynamo_backend",
        "no",
        "--num_cpu_threads_per_process",
        "1",
    ]
    done = subprocess.run(
        [*launch, *TRAIN, *words, str(tmp_path / "launched")],
        env=environment(),
        timeout=400,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("The run is in") == 1
    done = torchrun(*words, str(tmp_path / "torchrun"))
    assert done.returncode == 0, done.stderr[-3000:]
    runs = [tmp_path / name for name in ("launched", "torchrun")]
    assert [records.read_json(run / records.ENVIRONMENT)["processes"] for run in runs] == [2, 2]
    states = [load_file(records.checkpoint_folders(run)[-1][1] / "method.safetensors") for run in runs]
    assert all(bool((states[0][key] == value).all()) for key, value in states[1].items())


@pytest.mark.parametrize("victim", [0, 1])
def test_where_one_process_is_killed_the_other_says_so_and_ends(victim, tmp_path):
    out = tmp_path / "run"
    both = by_hand("--training.epochs", "9999", "--out", str(out), prints=tmp_path)
    try:
        deadline = time.monotonic() + 200
        while newest(out) < 3 and time.monotonic() < deadline and both[victim].poll() is None:
            time.sleep(0.05)
        assert newest(out) >= 3, (tmp_path / "0").read_text()[-2000:]
        both[victim].send_signal(signal.SIGKILL)
        assert both[1 - victim].wait(timeout=100) == 4
    finally:
        for process in both:
            process.kill()
    said = (tmp_path / str(1 - victim)).read_text()
    assert f"contrascope: process {1 - victim} of 2 lost another one" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps"])
def test_one_device_for_all_processes_is_refused_but_the_cpu(device, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="each of several processes has its own"):
        accelerator_on(device)


LEAVES = """
import torch, torch.distributed as dist
from contrascope.training.device import accelerator_on
accelerator_on("cpu")
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Sequential(*[torch.nn.Linear(300, 300) for _ in range(6)]))
model(torch.randn(8, 300)).sum().backward()
dist.all_gather_object([None, None], "x")
"""


@pytest.mark.slow
def test_processes_that_end_right_after_an_exchange_are_not_aborted(tmp_path):
    (tmp_path / "leaves.py").write_text(LEAVES)
    for _ in range(12):  # without leaving the group 17 of 85 such pairs lost a process to SIGABRT
        both = pair([str(tmp_path / "leaves.py")], prints=tmp_path)
        assert [process.wait(timeout=100) for process in both] == [0, 0], (tmp_path / "1").read_text()[-2000:]
