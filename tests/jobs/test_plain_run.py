"""A run with a loss of the user's: the README's example, and reading it back without the loss."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import contrascope
from contrascope import records
from contrascope.cli import main
from contrascope.runs.load import load_run

README = Path(__file__).parents[2] / "README.md"
SMALL = [
    *("--training.epochs", "2", "--training.batch-size", "512", "--training.log-every", "1"),
    *("--monitor.times", "0", "--protocol.probes", "knn"),
]


@pytest.fixture
def example(tmp_path, monkeypatch):
    """The README's function in a file, and the words of its command."""
    text = README.read_text()
    code = re.search(r"```python\n(import torch\n(?:(?!```).)*def pull_and_spread.*?)```", text, re.DOTALL)
    command = re.search(r"PYTHONPATH=\. contrascope (train digits-plain .*)", text)
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "my_losses.py").write_text(code[1])
    monkeypatch.syspath_prepend(folder)
    return command[1].split()


def test_the_readmes_loss_is_trained_recorded_and_read_back_without_it(example, tmp_path):
    run = tmp_path / "run"
    assert main([*example, "--out", str(run), *SMALL]) == 0
    method = records.read_json(run / records.SETTINGS)["method"]
    assert (method["loss"], method["loss_settings"]) == ("my_losses:pull_and_spread", ["weight=2"])
    losses = [row["loss"] for row in records.read_metrics(run / records.METRICS) if row["kind"] == "step"]
    assert losses[-1] < losses[0]
    done = subprocess.run(
        [sys.executable, "-m", "contrascope.cli", "diagnose", str(run), "--diagnosis.images", "64"],
        env={
            **os.environ,
            "PYTHONPATH": str(Path(contrascope.__file__).parents[1]),
        },  # my_losses is not on it
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 3), done.stderr
    assert "my_losses" not in done.stderr


def test_going_on_with_such_a_run_asks_for_the_loss_to_be_typed(example, tmp_path, capsys):
    run = tmp_path / "run"
    assert main([*example, "--out", str(run), *SMALL]) == 0
    assert load_run(run).step == 4
    assert main(["train", str(run), "--resume"]) == 2
    assert "add --allow-import my_losses:pull_and_spread to the command" in capsys.readouterr().err
    assert main(["train", str(run), "--resume", "--method.loss", "my_losses:pull_and_spread"]) == 0
    assert main(["train", str(run), "--resume", "--allow-import", "my_losses:pull_and_spread"]) == 0


def test_wrong_settings_of_a_loss_leave_no_folder_behind(tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["train", "digits-plain", "--method.loss", "modified_info_nce", "--out", str(out)]) == 2
    assert "modified_info_nce needs temperature and repulsion" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.slow
@pytest.mark.data
def test_modified_info_nce_trains_on_cifar_and_is_diagnosed(real, tmp_path):
    words = [
        "--method.loss",
        "modified_info_nce",
        "--method.loss-settings",
        "temperature=0.5",
        "repulsion=1.0",
    ]
    run = tmp_path / "run"
    source = ["--data.source", real("cifar10-jpeg")]
    assert (
        main(["train", "cifar10-plain-cpu", *words, *source, "--out", str(run), "--training.epochs", "1"])
        == 0
    )
    assert main(["diagnose", str(run), "--diagnosis.images", "512"]) == 0
