import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from contrascope import records
from contrascope.cli import main

FLAGS = Path(__file__).with_name("cli_flags.txt")
TINY = [
    *("--encoder.width", "4", "--method.projector.hidden", "8", "--method.projector.out", "8"),
    *("--training.batch-size", "64", "--training.epochs", "6", "--training.checkpoint-every", "3"),
    *("--training.log-every", "1", "--data.labels", "none"),
]


def command(*words):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "contrascope.cli", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def newest(run):
    found = records.checkpoint_folders(run)
    return found[-1][0] if found else 0


def wait_for(run, step, process):
    while newest(run) < step and process.poll() is None:
        time.sleep(0.005)


def finish(run):
    process = command("train", str(run), "--resume")
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said


def outcome(run):
    rows = records.read_metrics(run / records.METRICS)
    for row in rows:
        for clock in ("images_per_second", "seconds"):
            row.pop(clock, None)
    return newest(run), load_file(records.checkpoint_folders(run)[-1][1] / "method.safetensors"), rows


def assert_same_outcome(one, other):
    (step, weights, rows), (other_step, other_weights, other_rows) = outcome(one), outcome(other)
    assert step == other_step == 120
    assert list(weights) == list(other_weights)
    assert all(torch.equal(weights[name], other_weights[name]) for name in weights)
    assert rows == other_rows
    assert [row["step"] for row in rows if row["kind"] == "step"] == list(range(1, 121))
    assert [row["step"] for row in rows if row["kind"] == "probe"] == [20 * epoch for epoch in range(1, 7)]


def kill_and_resume(run, *, kills, seed):
    """Kill the run with SIGKILL `kills` times, each a random while after new progress; then let it end."""
    chance, hit = random.Random(seed), 0
    words = ("train", "digits-simclr", *TINY, "--out", str(run))
    for _ in range(kills):
        process = command(*words)
        wait_for(run, newest(run) + 3, process)
        time.sleep(chance.uniform(0.0, 0.06))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        hit += process.returncode == -signal.SIGKILL
        words = ("train", str(run), "--resume")
    finish(run)
    return hit


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "whole"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    assert main(["train", "digits-simclr", *TINY, "--out", str(run)]) == 0
    torch.set_num_threads(threads)
    return run


def test_a_run_killed_three_times_and_resumed_ends_with_the_same_bits(whole, tmp_path):
    assert kill_and_resume(tmp_path / "run", kills=3, seed=0) == 3
    assert_same_outcome(whole, tmp_path / "run")


@pytest.mark.slow
def test_a_run_killed_twenty_times_and_resumed_ends_with_the_same_bits(whole, tmp_path):
    assert kill_and_resume(tmp_path / "run", kills=20, seed=1) >= 10
    assert_same_outcome(whole, tmp_path / "run")


def test_sigterm_saves_says_how_to_go_on_and_exits_143(whole, tmp_path):
    run = tmp_path / "run"
    process = command("train", "digits-simclr", *TINY, "--out", str(run))
    wait_for(run, 3, process)
    process.terminate()
    _, said = process.communicate(timeout=120)
    assert process.returncode == 143
    assert re.search(r"stopped by SIGTERM at step \d+, saved in .*Go on with --resume", said)
    assert "Traceback" not in said
    finish(run)
    assert_same_outcome(whole, run)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trian"], "there is no command 'trian'. Did you mean 'train'?"),
        (["train", "digits-simcrl"], "there is no recipe 'digits-simcrl'. Did you mean 'digits-simclr'?"),
        (["train"], "train needs a recipe or a run's folder first"),
        (["evaluate", "convnett", "digits"], "there is no encoder 'convnett'. Did you mean 'convnet'?"),
        (["embed", "convnet", "digit", "--out", "x.npz"], "Did you mean 'digits'?"),
    ],
)
def test_a_wrong_word_exits_2_with_one_line_that_offers_the_right_one(words, said, capsys):
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1


def test_a_misspelt_setting_exits_2_and_offers_the_right_one(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["train", "digits-simclr", "--training.epoch", "3"])
    assert stopped.value.code == 2
    out, err = capsys.readouterr()
    assert "--training.epochs" in out + err


def test_a_run_folder_is_refused_without_resume_and_with_other_settings(whole, capsys):
    assert main(["train", "digits-simclr", *TINY, "--out", str(whole)]) == 2
    assert "already holds a run" in capsys.readouterr().err
    assert main(["train", str(whole), "--resume", "--training.batch-size", "32"]) == 2
    assert "training.batch_size: 64 -> 32" in capsys.readouterr().err
    assert main(["train", str(whole), "--resume", "--training.epochs", "5"]) == 2
    assert "training.epochs: 6 -> 5" in capsys.readouterr().err
    assert main(["train", str(whole), "--resume", "--training.epochs", "7"]) == 2
    assert "Say how it goes on to step 140, with --schedule.continuation" in capsys.readouterr().err
    assert outcome(whole)[0] == 120


def test_a_diverged_run_exits_1_with_one_message_and_no_traceback(tmp_path, capsys):
    words = ["train", "digits-simclr", *TINY, "--out", str(tmp_path / "run"), "--optim.lr", "1e30"]
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 1
    assert "the loss is not finite since step" in capsys.readouterr().err


def test_print_settings_prints_json_alone_and_trains_nothing(tmp_path, capsys):
    assert main(["train", "digits-simclr", "--print-settings", "--out", str(tmp_path / "x")]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["source"] == "digits"
    assert not (tmp_path / "x").exists()


QUICK = ["--protocol.k", "5", "--json"]


@pytest.mark.filterwarnings("ignore:the linear probe stopped")
def test_probe_geometry_measures_ten_times_unless_the_times_are_given(capsys):
    times = []
    for words in ([], ["--probe", "geometry"], ["--probe", "geometry", "--geometry.times", "3"]):
        assert main(["train", "digits-simclr", "--print-settings", *words]) == 0
        times.append(json.loads(capsys.readouterr().out)["geometry"]["times"])
    assert times == [0, 10, 3]


def test_a_run_is_embedded_and_evaluated_and_so_are_its_files(whole, tmp_path, capsys):
    files = []
    for split in ("train", "test"):
        files.append(str(tmp_path / f"{split}.safetensors"))
        assert main(["embed", str(whole), "digits", "--data.split", split, "--out", files[-1]]) == 0
        assert capsys.readouterr().out == f"{files[-1]}\n"
    assert main(["evaluate", *files, *QUICK]) == 0
    ours = {row["name"]: row["value"] for row in json.loads(capsys.readouterr().out)}
    assert main(["evaluate", str(whole), "digits", *QUICK]) == 0
    table = json.loads(capsys.readouterr().out)
    assert {row["of"] for row in table} == {"trained encoder", "random encoder", "raw pixels"}
    theirs = {row["name"]: row["value"] for row in table if row["of"] == "trained encoder"}
    assert ours == pytest.approx(theirs)
    assert main(["evaluate", files[0], "digits"]) == 2
    assert "the second argument must be one too" in capsys.readouterr().err


def test_an_encoder_is_embedded_by_its_name(tmp_path, capsys):
    out = tmp_path / "x.npz"
    assert main(["embed", "convnet", "digits", "--data.split", "test", "--out", str(out)]) == 0
    assert out.is_file()
    assert main(["embed", str(tmp_path), "digits", "--out", str(out)]) == 2
    assert "is no run" in capsys.readouterr().err


COMMANDS = (["embed"], ["evaluate"], ["diagnose"], ["advise"], ["report"], ["export"], ["figure"])


def flags(capsys):
    recipes = [f"cifar10-{name}-cpu" for name in ("moco", "barlow-twins", "simsiam", "byol", "vicreg")]
    found = []
    for words in [["train", "digits-simclr"], *[["train", r] for r in recipes], *COMMANDS]:
        with pytest.raises(SystemExit) as stopped:
            main([*words, "--help"])
        assert stopped.value.code == 0
        text = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
        own = set(re.findall(r"(?<![\w-])--[a-z][\w.-]*\w", text))
        found += [f"{' '.join(words)} {flag}" for flag in sorted(own)]
    return found


def test_the_flags_of_every_command_are_the_frozen_ones(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert flags(capsys) == FLAGS.read_text().splitlines()


def test_help_lists_commands_and_recipes(capsys):
    assert main([]) == 0
    text = capsys.readouterr().out
    assert all(
        word in text for word in ("train RECIPE", "embed", "evaluate", "digits-simclr", "cifar100-byol")
    )
