import contextlib
import json
import sys

import pytest
import torch

from contrascope.cli import main
from contrascope.commands import engine
from contrascope.commands.sweep import COMMAND, asked
from contrascope.commands.train import COMMAND as TRAIN
from contrascope.imports import allowed
from contrascope.records.sweeps import SweepRecord
from contrascope.settings import to_json

GRID = ["--grid", "method.temperature=0.1,0.5"]


def refused(capsys, *words):
    assert main(["sweep", *map(str, words)]) == 2
    return capsys.readouterr().err


def trials(*words):
    grid, _ = asked(COMMAND.parse(list(map(str, words))))
    return grid.trials


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "sweep needs a recipe, a file of settings or a sweep's folder first"),
        (["digits-simcl", *GRID], "Did you mean 'digits-simclr'?"),
        (["digits-simclr"], "a sweep needs a grid; add --grid PATH=VALUE,VALUE"),
        (["digits-simclr", "--grid", "method.temprature=1"], "Did you mean 'method.temperature'?"),
        (
            ["digits-simclr", "--grid", "training.seed=0,x"],
            "--grid training.seed=x: expected a whole number.",
        ),
        (["digits-simclr", "--grid", "method.temperature=hot"], "temperature=hot: expected a number."),
        (["digits-simclr", "--grid", "data.size=hot"], "data.size=hot: expected a whole number or None."),
        (
            ["digits-simclr", "--grid", "method.projector.hidden=a b"],
            "hidden a b: expected a whole number, or several",
        ),
        (["digits-simclr", "--grid", "optim.name=foo"], "Expected one of ('sgd', "),
        (["digits-simclr", "--grid", "training.epochs=0"], "training.epochs is 0; expected 1 or more."),
        (["digits-simclr", "--grid", "training.precision=int8"], "--grid training.precision=int8: "),
        (["digits-simclr", "--grid", "training.compile=yes"], "expected true or false"),
        (["digits-simclr", "--grid", "optim.lr=0.001,1e-3"], "0.001 and 1e-3 are one value"),
        (["digits-simclr", "--grid", "method=vicrg"], "Did you mean 'vicreg'?"),
        (
            ["digits-simclr", *GRID, "--method.temperature", "1"],
            "is in --grid and set by --method.temperature",
        ),
        (["digits-simclr", *GRID, "--jobs", "0"], "--jobs is 0; expected 1 or more"),
        (["digits-simclr", *GRID, "--slurm", "partition=x"], "add --engine slurm"),
        (
            ["digits-simclr", "--grid", "training.epochs=1,2", "--halving"],
            "--halving needs one number of epochs",
        ),
        (["digits-simclr", *GRID, "--device", "gpu"], "the device is 'gpu'"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_begun(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    *notes, last = refused(capsys, *words).splitlines()
    assert said in last
    assert all(note.startswith("[") for note in notes)  # progress has the clock
    assert not list(tmp_path.glob("runs/*"))


@pytest.mark.parametrize(
    ("recipe", "path", "value"),
    [
        ("digits-simclr", "method.temperature", "0.1"),
        ("digits-simclr", "training.compile", "true"),
        ("cifar10-simclr-cpu", "method.projector.hidden", "64 64"),
        ("cifar10-simclr-cpu", "policy.size", "16"),
        ("digits-vicreg", "optim.name", "sgd"),
    ],
)
def test_a_trial_has_the_settings_that_the_flag_gives(recipe, path, value):
    (trial,) = trials(recipe, "--training.epochs", "3", "--grid", f"{path}={value}")
    flag = f"--{path.replace('_', '-')}"
    words = [flag] if value == "true" else [flag, *value.split()]
    alone = TRAIN.parse([recipe, "--training.epochs", "3", *words])
    assert to_json(trial.settings) == to_json(alone.settings)


def test_a_method_may_be_varied_with_its_own_defaults():
    simclr, vicreg = trials("digits-simclr", "--grid", "method=simclr,vicreg")
    alone = TRAIN.parse(["digits-simclr", "--method", "vicreg"])
    assert vicreg.settings == alone.settings
    assert simclr.values == {"method": "simclr"}
    assert vicreg.name == "seed=0-method=vicreg"


def test_a_recipe_that_fits_itself_does_so_for_every_value_of_the_data(tmp_path):
    from PIL import Image

    for place in range(16):
        Image.new("RGB", (48, 40), (place, 2 * place, 90)).save(tmp_path / f"{place}.png")
    words = ["folder-simclr", "--data.source", str(tmp_path)]
    found = trials(*words, "--grid", "data.size=24,32", "--grid", "training.seed=0,1")
    for trial in found:
        flags = ["--data.size", trial.values["data.size"], "--training.seed", trial.seed]
        assert trial.settings == TRAIN.parse([*words, *flags]).settings
    assert [one.settings.policy.size for one in found] == [18, 24, 18, 24]


def test_a_file_of_settings_is_swept(tmp_path, capsys):
    assert main(["train", "digits-simclr", "--optim.lr", "0.5", "--print-settings"]) == 0
    (tmp_path / "mine.json").write_text(capsys.readouterr().out)
    found = trials(tmp_path / "mine.json", *GRID)
    assert [(one.settings.optim.lr, one.settings.method.temperature) for one in found] == [
        (0.5, 0.1),
        (0.5, 0.5),
    ]


def test_folders_that_are_no_sweep_are_told_apart(tmp_path, capsys):
    assert "is the folder of no sweep" in refused(capsys, tmp_path, *GRID)
    (tmp_path / "settings.json").write_text("{}")
    said = refused(capsys, tmp_path, *GRID)
    assert "is the folder of a run, and no sweep" in said
    assert f"such as {tmp_path / 'settings.json'}" in said


@pytest.mark.parametrize(("jobs", "threads"), [(1, 6), (2, 3), (4, 1), (9, 1)])
def test_the_cores_are_divided_among_the_jobs(jobs, threads, tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(engine, "usable_cores", lambda: 6.0)
    parsed = COMMAND.parse(["digits-simclr", *GRID, "--jobs", str(jobs)])
    held = contextlib.ExitStack()
    assert parsed.engine_for(tmp_path, held).threads == threads
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # what torch was told is a trial's
    assert parsed.engine_for(tmp_path, held).threads == torch.get_num_threads() == 1


def test_without_the_extra_the_engine_slurm_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "submitit", None)
    said = refused(capsys, "digits-simclr", *GRID, "--engine", "slurm", "--out", tmp_path / "s")
    assert "pip install 'contrascope[cluster]'" in said
    assert not (tmp_path / "s").exists()


def kept(folder, encoder="convnet"):
    """A sweep that somebody sends, whose only trial has this encoder."""
    (trial,) = trials("digits-simclr", "--training.epochs", "1", "--grid", "method.temperature=0.1")
    tree = to_json(trial.settings)
    tree["encoder"]["name"] = encoder
    entry = {"name": trial.name, "seed": "0", "values": trial.values, "settings": tree, "state": "waiting"}
    axis = {"path": "method.temperature", "values": ["0.1"]}
    request = {"work": "sweep", "of": {}, "settings": {"paths": ["method.temperature"], "halving": False}}
    record = {
        "format": 1,
        "kind": "sweep",
        "request": request,
        "grid": [axis],
        "trials": [{**entry, "starts": 0}],
    }
    folder.mkdir()
    (folder / SweepRecord.FILE).write_text(json.dumps(record))
    return folder


def test_a_sweep_that_goes_on_takes_no_other_settings(tmp_path, capsys):
    folder = kept(tmp_path / "s")
    assert "has its settings and its grid" in refused(capsys, folder, *GRID)
    assert "has its settings and its grid" in refused(capsys, folder, "--optim.lr", "1")
    assert "has its settings and its grid" in refused(capsys, folder, "--out", tmp_path / "other")
    (trial,) = trials(folder)
    assert trial.values == {"method.temperature": "0.1"}


def test_a_strangers_sweep_imports_nothing_that_nobody_allowed(tmp_path, monkeypatch, capsys):
    (tmp_path / "burglar.py").write_text(f"open({str(tmp_path / 'burgled')!r}, 'w').close()\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{':'.join(sys.path)}")
    folder = kept(tmp_path / "s", encoder="burglar:Thing")
    said = refused(capsys, folder)
    assert "add --allow-import burglar:Thing to the command" in said
    assert not (tmp_path / "burgled").exists()
    assert "burglar" not in sys.modules


def test_code_that_is_typed_in_a_grid_may_be_imported_by_the_workers(monkeypatch):
    from contrascope.commands.recipe import allow_typed

    found = trials("digits-simclr", "--grid", "encoder.name=my_nets:Net,convnet")
    for one in found:
        allow_typed(one.settings)
    assert allowed() == {"my_nets:Net"}
