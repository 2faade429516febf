"""Which import paths are imported: what was typed in this call, and of what a file names only what was allowed."""

import copy
import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import contrascope
from contrascope import imports, records
from contrascope.cli import main
from contrascope.commands.command import all_commands
from contrascope.data.settings import DataSettings
from contrascope.encoders.build import build_encoder
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.errors import InputError
from contrascope.evaluation.protocol import Protocol
from contrascope.exports.blueprint import load_encoder
from contrascope.imports import FLAG, VARIABLE, FromFile, NotAllowedError, allow, import_typed
from contrascope.jobs.train import train
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.runs.load import load_run, settings_of
from contrascope.runs.settings import RunSettings
from contrascope.settings import from_json, to_json
from contrascope.training.settings import TrainingSettings

NETWORKS = """
import pathlib
from torch import nn
from contrascope.methods.embedding import JointEmbedding
from contrascope.methods.joint.simclr import SimCLR
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from dataclasses import dataclass

class Net(nn.Sequential):
    def __init__(self, channels):
        super().__init__(nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())

@dataclass(frozen=True, kw_only=True)
class MineSettings(SimCLRSettings):
    "Settings of mine."

class Mine(SimCLR):
    settings_type = MineSettings

class Written:
    def __init__(self):
        pathlib.Path("called").touch()

class Outer:
    Net = Net

def makes_none():
    return None
"""
PROGRAM = "import sys\nsys.exit(0)\n"
NET, MINE = "stranger_nets:Net", "stranger_nets:Mine"


@pytest.fixture
def networks(tmp_path, monkeypatch):
    """Modules of somebody's on the path, forgotten after the test; the working folder is an empty one."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "stranger_nets.py").write_text(NETWORKS)
    (folder / "stranger_program.py").write_text(PROGRAM)
    (folder / "stranger_broken.py").write_text("from os import no_such_name\n")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.syspath_prepend(folder)
    yield folder
    for name in [name for name in sys.modules if name.startswith("stranger_")]:
        del sys.modules[name]


def settings(**changes):
    return replace(
        RunSettings(
            data=DataSettings(source="scenes", size=16, count=64),
            encoder=EncoderSettings(name=NET),
            method=SimCLRSettings(projector=ProjectorSettings(hidden=(8,), out=8)),
            training=TrainingSettings(epochs=1, batch_size=32, probe_every=0),
            protocol=Protocol(k=5, probes=("knn",)),
        ),
        **changes,
    )


@pytest.fixture
def run(networks, tmp_path):
    """A run with an encoder of somebody's, in a process that has not allowed it any more."""
    train(settings(), tmp_path / "run")
    os.environ[VARIABLE] = ""
    return tmp_path / "run"


def test_a_path_that_was_read_is_no_path_that_was_typed():
    for read in (
        from_json(EncoderSettings, {"name": NET}),
        replace(from_json(EncoderSettings, {"name": NET}), width=3),
        copy.deepcopy(from_json(EncoderSettings, {"name": NET})),
        pickle.loads(pickle.dumps(from_json(EncoderSettings, {"name": NET}))),
        from_json(EncoderSettings, to_json(from_json(EncoderSettings, {"name": NET}))),
        from_json(RunSettings, to_json(settings())).encoder,
    ):
        with pytest.raises(NotAllowedError, match=f"the encoder '{NET}' is code"):
            build_encoder(read, channels=1, size=8)
    assert "stranger_nets" not in sys.modules
    assert type(to_json(from_json(EncoderSettings, {"name": NET}))["name"]) is str  # plain JSON, for any tool


@pytest.mark.parametrize("tree", [{"trackers": [NET]}, {"trackers": ["tensorboard", NET]}])
def test_paths_in_lists_are_marked_too(tree):
    assert isinstance(from_json(TrainingSettings, tree).trackers[-1], FromFile)


def test_what_is_typed_in_python_is_imported(networks):
    assert build_encoder(EncoderSettings(name=NET), channels=1, size=8).dim == 16
    features = contrascope.embed(NET, torch.rand(4, 1, 8, 8))
    assert features.h.shape == (1, 4, 16)


@pytest.mark.parametrize(
    "path", ["os:path.join", "stranger_nets:Outer.Net", "../nets:Net", ":", "a b:c", "os:", "ü-:x"]
)
def test_what_is_no_path_is_refused_typed_or_read(networks, path):
    for name in (path, FromFile(path)):
        with pytest.raises(InputError, match=r"is no import path; expected package\.module:Name"):
            import_typed(name, what="encoder")
        with pytest.raises(InputError):
            build_encoder(EncoderSettings(name=name), channels=1, size=8)
    assert "stranger_nets" not in sys.modules


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("stranger_nets:Written", "is the class Written, which is no torch.nn.Module"),
        ("subprocess:Popen", "is the class Popen, which is no torch.nn.Module"),
        ("builtins:type", "is the class type, which is no torch.nn.Module"),
        ("pathlib:Path", "is the class Path, which is no torch.nn.Module"),
        ("stranger_nets:makes_none", "must be or return a torch.nn.Module; got NoneType"),
        ("sys:exit", r"'sys:exit' ended the program \(SystemExit None\)"),
        ("stranger_program:Net", r"'stranger_program:Net' ended the program \(SystemExit 0\)"),
        ("stranger_broken:Net", "cannot be imported: cannot import name 'no_such_name'"),
        ("builtins:exec", "does not take"),
        ("os:system", "does not take"),
        ("builtins:dict", "is the class dict"),
        ("builtins:max", "does not say what it takes|does not take"),
    ],
)
def test_what_is_typed_and_is_no_network_ends_in_a_sentence(networks, path, said):
    with pytest.raises(InputError, match=said):
        build_encoder(EncoderSettings(name=path), channels=3, size=8)
    assert not Path("called").exists()


def test_a_command_on_a_name_that_ends_the_program_does_not_pass_for_healthy(capsys):
    assert main(["diagnose", "sys:exit", "digits", "--policy", "digits"]) == 2
    assert "encoder 'sys:exit' ended the program" in capsys.readouterr().err


def test_a_run_opens_where_its_encoder_was_allowed_in_this_call(run, capsys):
    few = ["--diagnosis.images", "32", "--diagnosis.views", "2", "--diagnosis.draws", "0"]
    assert main(["diagnose", str(run), *few]) == 2
    assert f"add {FLAG} {NET} to the command" in capsys.readouterr().err
    assert main(["diagnose", str(run), *few, FLAG, NET]) in (0, 3)
    assert main(["diagnose", str(run), *few, FLAG, "other.nets:Net", f"--allow_import={NET}"]) in (0, 3)
    assert main(["diagnose", str(run), *few, FLAG, "stranger_nets:Other"]) == 2
    assert main(["diagnose", str(run), *few]) == 2  # the permission was that call's
    capsys.readouterr()
    assert main(["diagnose", str(run), *few, FLAG, "stranger_nets"]) == 2
    assert "'stranger_nets' is no import path" in capsys.readouterr().err


def test_a_word_that_names_a_folder_gives_no_permission(run, monkeypatch):
    """A stranger's archive may hold a folder of that name, which `report *` types."""
    Path(NET).mkdir()
    assert main(["report", str(run), NET, "--out", "page.html"]) in (0, 2)
    assert main(["embed", str(run), NET, "--out", "h.npy"]) == 2
    assert NET not in imports.allowed()


def test_a_file_of_settings_on_the_command_line_is_a_file(networks, tmp_path, capsys):
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(to_json(settings())))
    words = ["train", str(file), "--out", str(tmp_path / "out"), "--quiet"]
    assert main(words) == 2
    assert f"add {FLAG} {NET}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert "stranger_nets" not in sys.modules
    assert main([*words, "--encoder.name", NET]) == 0
    longer = ["--resume", "--training.epochs", "2", "--schedule.continuation", "restart"]
    assert main([*words, *longer]) == 2
    assert main([*words, *longer, FLAG, NET]) == 0


def test_a_file_that_names_a_method_is_opened_where_it_was_typed(networks, tmp_path, capsys):
    from contrascope.methods.settings import IMPORTED

    file = tmp_path / "mine.json"
    tree = to_json(settings(encoder=EncoderSettings(name="convnet", width=4)))
    file.write_text(json.dumps(tree | {"method": {"kind": MINE}}))
    words = ["train", str(file), "--out", str(tmp_path / "out"), "--quiet"]
    assert main(words) == 2
    assert f"add {FLAG} {MINE}" in capsys.readouterr().err
    assert main([*words, FLAG, MINE]) == 0
    assert main(["train", str(tmp_path / "out"), "--resume", "--method", MINE, "--quiet"]) == 0
    assert main(["train", str(tmp_path / "out"), "--resume", "--quiet"]) == 2
    IMPORTED.pop(MINE)


def test_open_run_allows_what_it_is_told(run):
    with pytest.raises(NotAllowedError, match=r"call contrascope\.imports\.allow"):
        contrascope.open_run(run)
    assert contrascope.open_run(run, allow_import=[NET]).encoder.dim == 16
    assert load_run(run).encoder.dim == 16


def test_settings_of_a_run_that_are_handed_on_stay_a_files(run, tmp_path):
    with pytest.raises(NotAllowedError):
        contrascope.train("scenes", settings_of(run), out=tmp_path / "next")
    assert not (tmp_path / "next").exists()
    with pytest.raises(NotAllowedError):
        contrascope.embed(settings_of(run).encoder.name, torch.rand(4, 3, 16, 16))


def test_a_page_says_in_one_line_what_its_pictures_need(run, capsys):
    assert main(["report", str(run)]) == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "code" in line]
    assert "no diagnosis, no pictures and no map: the encoder" in line
    assert f"add {FLAG} {NET} to the command" in line
    assert (run / "report.html").exists()
    assert main(["report", str(run), "--points", "32", FLAG, NET]) == 0
    assert (run / records.GALLERY).exists()


def test_child_processes_inherit_what_was_allowed(networks):
    code = "from contrascope.imports import *; import_typed(from_file('stranger_plain:found'), what='loss')"
    (networks / "stranger_plain.py").write_text("found = 1\n")

    def child():
        paths = os.pathsep.join([str(Path(contrascope.__file__).parents[1]), str(networks)])
        environment = {**os.environ, "PYTHONPATH": paths}
        return subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
        )

    assert "NotAllowedError: the loss 'stranger_plain:found' is code" in child().stderr
    allow("stranger_plain:found")
    allow("others:Net")
    assert os.environ[VARIABLE].split() == ["others:Net", "stranger_plain:found"]
    assert child().returncode == 0


@pytest.mark.slow
def test_every_process_of_torchrun_reads_the_same_words(run, networks):
    paths = os.pathsep.join([str(Path(contrascope.__file__).parents[1]), str(networks)])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m"]
    words = ["contrascope.cli", "train", str(run), "--resume", "--training.epochs", "2", "--quiet"]
    words += ["--schedule.continuation", "restart"]
    refused = subprocess.run([*launch, *words], env=environment, capture_output=True, text=True, check=False)
    assert refused.stderr.count(f"contrascope: the encoder '{NET}' is code") == 2
    done = subprocess.run([*launch, *words, FLAG, NET], env=environment, capture_output=True, check=False)
    assert done.returncode == 0
    assert settings_of(run).training.epochs == 2


def test_an_exported_folder_is_a_file_too(tmp_path, networks):
    tree = {"channels": 1, "size": 8, "settings": to_json(EncoderSettings(name=NET))}
    (tmp_path / "encoder.json").write_text(json.dumps(tree))
    save_file({}, tmp_path / "model.safetensors")
    with pytest.raises(NotAllowedError, match="is code"):
        load_encoder(tmp_path)
    assert "stranger_nets" not in sys.modules


def test_every_command_that_opens_or_trains_takes_the_flag():
    for name, command in all_commands().items():
        has = "allow_import" in {field for field in command.arguments.__dataclass_fields__}
        assert has == ("device" in command.arguments.__dataclass_fields__), name


def test_the_old_place_of_allow_still_leads_to_it():
    sys.modules.pop("contrascope.methods.allowed", None)
    with pytest.warns(FutureWarning, match=r"contrascope\.methods\.allowed is now contrascope\.imports"):
        from contrascope.methods.allowed import allow as old
    assert old is allow


def test_a_module_that_makes_networks_of_a_class_of_torch_still_works():
    assert isinstance(
        build_encoder(EncoderSettings(name="torch.nn:Flatten"), channels=1, size=4).trunk, nn.Flatten
    )
