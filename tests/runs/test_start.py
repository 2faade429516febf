"""A run that starts from weights: of a run, of an export, of a file; and what is refused."""

import pickle
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from contrascope.data.settings import DataSettings
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.errors import InputError
from contrascope.exports.blueprint import blueprint, save_blueprint, save_tensors, trunk_tensors
from contrascope.jobs.train import train
from contrascope.methods.joint.plain_settings import PlainSettings
from contrascope.methods.momentum.moco_settings import MoCoSettings
from contrascope.runs.build import build
from contrascope.runs.load import load_run
from contrascope.runs.settings import RunSettings
from contrascope.runs.start import method_for, started
from contrascope.training.settings import TrainingSettings

SHAPE = (3, 16, 16)
PROJECTOR = ProjectorSettings(hidden=(), out=8)


def settings_for(weights=None, *, seed=0, epochs=1, **encoder):
    return RunSettings(
        data=DataSettings(source="scenes", size=16, count=32, labels="none"),
        encoder=EncoderSettings(**{"name": "convnet", "width": 4, **encoder}, weights=weights),
        method=PlainSettings(projector=PROJECTOR),
        training=TrainingSettings(epochs=epochs, batch_size=16, seed=seed),
    )


def weights_of(method):
    return {name: value.clone() for name, value in method.encoder.trunk.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("start") / "run"
    train(settings_for(), folder)
    return folder


@pytest.fixture(scope="module")
def trained(run):
    return weights_of(load_run(run).method)


def test_a_run_starts_from_a_run(run, trained):
    said = []
    method = started(settings_for(str(run), seed=5), SHAPE, say=said.append)
    assert same(weights_of(method), trained)
    assert said == [f"starts from the run {run}, step 2"]
    assert not same(weights_of(build(settings_for(str(run), seed=5), SHAPE)), trained)


def test_the_rest_is_drawn_as_without_weights(run):
    plain, from_run = build(settings_for(seed=5), SHAPE), started(settings_for(str(run), seed=5), SHAPE)
    assert same(plain.projector.state_dict(), from_run.projector.state_dict())


def test_the_momentum_copy_starts_from_them_too(run, trained):
    asked = replace(settings_for(str(run)), method=MoCoSettings(projector=PROJECTOR, queue_size=32))
    state = started(asked, SHAPE).state_dict()
    copies = [name for name in state if name == f"target_encoder.trunk.{next(iter(trained))}"]
    assert copies
    assert all(torch.equal(state[name], next(iter(trained.values()))) for name in copies)


def test_an_export_and_files(run, trained, tmp_path):
    encoder = load_run(run).method.encoder
    save_tensors(trunk_tensors(encoder), tmp_path)
    save_blueprint(blueprint(encoder, settings_for().encoder), tmp_path)
    assert same(weights_of(started(settings_for(str(tmp_path)), SHAPE)), trained)
    file = str(tmp_path / "model.safetensors")
    assert same(weights_of(started(settings_for(file), SHAPE)), trained)
    wrapped = {"epoch": 3, "state_dict": {f"module.{name}": value for name, value in trained.items()}}
    torch.save(wrapped, tmp_path / "w.pth")
    assert same(weights_of(started(settings_for(str(tmp_path / "w.pth")), SHAPE)), trained)


def test_a_resnet_in_the_names_of_torchvision_without_its_classifier(tmp_path):
    asked = settings_for(name="resnet18", width=8, stem="imagenet")
    theirs = weights_of(build(asked, SHAPE, seed=9))
    save_file(
        {**theirs, "fc.weight": torch.zeros(10, 64), "fc.bias": torch.zeros(10)}, tmp_path / "r.safetensors"
    )
    encoder = replace(asked.encoder, weights=str(tmp_path / "r.safetensors"))
    assert same(weights_of(started(replace(asked, encoder=encoder), SHAPE)), theirs)


def test_a_run_is_trained_on_from_weights_and_needs_them_once(run, trained, tmp_path):
    held = tmp_path / "start.safetensors"
    save_file(trained, held)
    out = tmp_path / "on"
    train(settings_for(str(held), epochs=2), out, until=1)
    held.unlink()
    assert load_run(out).step == 2  # no more is read than the run's folder
    train(settings_for(str(held), epochs=2), out, resume=True)
    assert load_run(out).step == 4
    with pytest.raises(InputError, match="is not there"):
        method_for(settings_for(str(held)), tmp_path / "new", SHAPE)


class Harm:
    def __reduce__(self):
        return (open, ("harmed", "w"))


def test_code_in_a_file_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Harm()}, "bad.pth")
    with pytest.raises(InputError, match="more than tensors"):
        started(settings_for("bad.pth"), SHAPE)
    (tmp_path / "plain.pth").write_bytes(pickle.dumps({"a": Harm()}))
    with pytest.raises(InputError, match=r"more than tensors|readable"):
        started(settings_for("plain.pth"), SHAPE)
    assert not (tmp_path / "harmed").exists()


def test_weights_of_another_network_are_named(run, trained, tmp_path):
    file = tmp_path / "w.safetensors"
    first = next(iter(trained))
    cases = [
        ({name: value for name, value in trained.items() if name != first}, f"lack {first}"),
        ({**trained, "other.weight": torch.zeros(2)}, "also have other.weight"),
        ({**trained, first: torch.full_like(trained[first], float("nan"))}, "not finite"),
        ({**trained, first: torch.zeros(2, 2)}, f"{first} is 2 x 2"),
    ]
    for tensors, words in cases:
        save_file(tensors, file)
        with pytest.raises(InputError, match=words):
            started(settings_for(str(file)), SHAPE)
    with pytest.raises(InputError, match="Give it the same sizes"):
        started(settings_for(str(run), width=8), SHAPE)
    with pytest.raises(InputError, match=r"another mean .* Add --encoder.mean 0\.\d+ 0\.\d+ 0\.\d+"):
        started(settings_for(str(run), mean=(0.1, 0.2, 0.3)), SHAPE)
    with pytest.raises(InputError, match="a folder of neither"):
        started(settings_for(str(tmp_path)), SHAPE)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(InputError, match="is no state_dict"):
        started(settings_for(str(tmp_path / "list.pth")), SHAPE)
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "linear.pth")
    with pytest.raises(InputError, match="another network"):
        started(settings_for(str(tmp_path / "linear.pth")), SHAPE)
