import json
import random
import re
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from command_cases import TINY, command, newest, wait_for
from safetensors.torch import load_file

from contrascope import records
from contrascope.cli import main
from contrascope.commands.train import COMMAND, new_folder
from contrascope.data.open import open_images
from contrascope.errors import InputError
from contrascope.methods.joint.barlow_twins_settings import BarlowTwinsSettings
from contrascope.runs import facts
from contrascope.runs.recipes import RECIPES
from contrascope.settings import to_json
from contrascope.terminal.closing import closing_lines


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


def test_probe_geometry_measures_ten_times_unless_the_times_are_given(capsys):
    times = []
    for words in ([], ["--probe", "geometry"], ["--probe", "geometry", "--geometry.times", "3"]):
        assert main(["train", "digits-simclr", "--print-settings", *words]) == 0
        times.append(json.loads(capsys.readouterr().out)["geometry"]["times"])
    assert times == [0, 10, 3]


def test_a_printed_file_of_settings_trains_the_same_run_and_flags_override_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "digits-simclr", *TINY, "--training.epochs", "1", "--print-settings"]) == 0
    Path("mine.json").write_text(printed := capsys.readouterr().out)
    assert main(["train", "mine.json", "--out", "same"]) == 0
    assert main(["train", "mine.json", "--optim.lr", "0.5"]) == 0
    capsys.readouterr()
    assert json.loads(Path("same/settings.json").read_text()) == {"format": 1, **json.loads(printed)}
    (run,) = Path("runs").iterdir()
    assert re.fullmatch(r"mine-\d{8}-\d{6}", run.name)
    assert json.loads((run / "settings.json").read_text())["optim"]["lr"] == 0.5
    assert main(["train", str(run / "settings.json"), "--print-settings"]) == 0
    assert json.loads(capsys.readouterr().out)["optim"]["lr"] == 0.5


def test_the_file_of_a_run_names_the_new_run_after_it(whole):
    start = COMMAND.start([str(whole / "settings.json")], helping=False)
    assert start.default.name == "whole"
    assert start.default.out is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            None,
            "there is no file mine.json. contrascope train RECIPE --print-settings > mine.json writes one.",
        ),
        ("{", "mine.json is no JSON that can be read (Expecting property name"),
        (
            '{"kind": "RunSettings", "optim": {"kind": "OptimSettings", "rate": 1}}',
            "mine.json: settings.optim.rate",
        ),
    ],
)
def test_a_wrong_file_of_settings_is_refused_by_name(content, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path("mine.json").write_text(content)
    assert main(["train", "mine.json"]) == 2
    assert said in capsys.readouterr().err


def test_a_folder_that_is_no_run_is_told_from_a_misspelt_recipe(tmp_path, capsys):
    assert main(["train", str(tmp_path)]) == 2
    assert f"contrascope train folder-simclr --data.source {tmp_path}" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--method", "barlow-twins"], ["--method=barlow_twins"]])
def test_another_method_comes_with_its_own_defaults_and_takes_its_own_flags(words, capsys):
    assert (
        main(["train", "cifar10-simclr-cpu", *words, "--method.redundancy", "0.1", "--print-settings"]) == 0
    )
    found = json.loads(capsys.readouterr().out)
    own = to_json(BarlowTwinsSettings(redundancy=0.1))
    assert found["method"] == own
    assert found["training"]["epochs"] == RECIPES["cifar10-simclr-cpu"].make().training.epochs


def test_a_misspelt_method_is_refused_with_the_nearest(capsys):
    assert main(["train", "digits-simclr", "--method", "vicrg"]) == 2
    assert "Did you mean 'vicreg'?" in capsys.readouterr().err


def test_two_runs_of_one_second_have_two_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "strftime", lambda form: "20300101-000000")
    first, second = new_folder("mine"), new_folder("mine")
    assert (first, second) == (Path("runs/mine-20300101-000000"), Path("runs/mine-20300101-000000-2"))
    assert first.is_dir()
    assert second.is_dir()


def test_several_processes_ask_for_a_folder(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="name it with --out"):
        new_folder("mine")


def test_training_ends_with_the_answers_of_its_monitor(whole):
    last = [row for row in records.read_metrics(whole / records.METRICS) if "sound" in row][-1]
    lines = closing_lines(whole).splitlines()
    assert lines[0] == f"While training, on the monitor's images, after epoch {last['epoch']}:"
    assert last["sound"] in lines[1]
    assert lines[-1].endswith(f"contrascope diagnose {whole}")


def test_the_folder_recipe_fits_itself_to_the_device_that_is_named(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(facts, "open_images", lambda data: open_images(replace(data, source="digits")))
    for words, network in ([], "resnet18"), (["--device", "cpu"], "convnet"):
        assert (
            main(["train", "folder-simclr", "--data.source", str(tmp_path), "--print-settings", *words]) == 0
        )
        assert json.loads(capsys.readouterr().out)["encoder"]["name"] == network


@pytest.mark.parametrize(
    ("words", "precision"), [([], "float32"), (["--training.precision", "bf16"], "bf16")]
)
def test_a_recipe_takes_float32_on_a_processor_without_bf16_unless_it_is_typed(
    monkeypatch, capsys, words, precision
):
    monkeypatch.setattr("contrascope.runs.here.multiplies_bf16", lambda device: False)
    assert main(["train", "cifar10-simclr-cpu", *words, "--print-settings"]) == 0
    assert json.loads(capsys.readouterr().out)["training"]["precision"] == precision


def test_a_precision_that_the_processor_has_no_hardware_for_is_said(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("contrascope.jobs.train.multiplies_bf16", lambda device: False)
    words = ["--training.epochs", "1", "--training.precision", "bf16", "--out", str(tmp_path / "run")]
    assert main(["train", "digits-simclr", *words, "--monitor.times", "0"]) == 0
    assert "float32 is faster" in capsys.readouterr().err
