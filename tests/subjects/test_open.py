import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from contrascope.data.imageset import InMemoryImages
from contrascope.data.memory import images_from
from contrascope.data.settings import DataSettings
from contrascope.encoders.twin import weights_hash
from contrascope.errors import InputError
from contrascope.features.embed import embed
from contrascope.features.features import Features
from contrascope.features.files import save_features
from contrascope.jobs.assess import evaluation_sets
from contrascope.runs.build import RANDOM_SEED_OFFSET, build
from contrascope.runs.load import load_run
from contrascope.subjects.encoder import RANDOM, networks_for_any_images
from contrascope.subjects.open import open_subject

OLD = Path(__file__).parents[1] / "runs" / "format0"
FOUR = np.random.default_rng(0).integers(0, 256, (4, 8, 8), dtype=np.uint8)


def small(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.BatchNorm1d(5))


@pytest.mark.parametrize(
    ("name", "policy", "step"),
    [("digits-simclr", "digits", 10), ("digits-moco", "simclr-cifar", 10), ("digits-byol", None, 20)],
)
def test_old_runs_open_whole(name, policy, step):
    subject = open_subject(OLD / name)
    assert (subject.origin.kind, subject.origin.step, subject.origin.shape) == ("run", step, (1, 8, 8))
    assert subject.trained.projector is not None
    assert list(subject.labels) == ([] if policy is None else ["digit"])  # one run was made without labels
    assert (len(subject.images), subject.names[:2]) == (1297, ("0", "1"))
    if policy is not None:
        assert subject.what == f"digits [train], policy {policy}, step {step}"
    assert (subject.method, subject.protocol) == (subject.run.settings.method, subject.run.settings.protocol)
    with pytest.raises(InputError, match=f"no checkpoint at step 3; it has .*{step}"):
        open_subject(OLD / name, step=3)


def test_the_twin_of_a_run_is_drawn_from_its_seed_plus_the_offset():
    run = load_run(OLD / "digits-simclr")
    expected = build(run.settings, (1, 8, 8), seed=run.settings.training.seed + RANDOM_SEED_OFFSET)
    twin = open_subject(run).twin
    assert weights_hash(twin.encoder) == weights_hash(expected.encoder)
    assert weights_hash(twin.projector) == weights_hash(expected.projector)


def test_images_of_a_run_are_opened_when_they_are_asked_for():
    run = OLD / "digits-simclr"
    gone = open_subject(run, data=DataSettings(source="./nowhere"))
    assert gone.trained.encoder is not None
    with pytest.raises(InputError, match="does not exist"):
        _ = gone.images
    other = open_subject(run, data=torch.from_numpy(FOUR), labels=["a", "b", "a", "b"])
    assert (len(other.images), other.labels["label"].tolist()) == (4, [0, 1, 0, 1])


TWIN = """
import torch; torch.manual_seed(2); torch.set_default_dtype(torch.float64)
from contrascope.encoders.twin import weights_hash
from contrascope.subjects.open import open_subject
for name in ("convnet", "theirnet:Net"):
    subject = open_subject(name, size=8, channels=1)
    print(weights_hash(subject.networks.encoder), weights_hash(subject.twin.encoder))
"""
NET = """
import torch
class Net(torch.nn.Sequential):
    def __init__(self):
        super().__init__(torch.nn.Flatten(), torch.nn.Linear(64, 4))
"""


def test_another_process_in_another_state_draws_the_same_twins(tmp_path, monkeypatch):
    (tmp_path / "theirnet.py").write_text(NET)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{':'.join(sys.path)}")
    monkeypatch.syspath_prepend(str(tmp_path))
    there = subprocess.run([sys.executable, "-c", TWIN], capture_output=True, text=True, check=True).stdout
    here = []
    for name in ("convnet", "theirnet:Net"):
        subject = open_subject(name, size=8, channels=1)
        here += [weights_hash(subject.networks.encoder), weights_hash(subject.twin.encoder)]
    assert there.split() == here
    assert len(set(here)) == 4


def test_every_user_of_a_twin_sees_the_same_one():
    state = torch.random.get_rng_state()
    images = images_from("digits")
    diagnosed = open_subject("convnet", data=images).twin.encoder
    suite = networks_for_any_images(open_subject("convnet", data="digits"), references=True, device="cpu")
    assert torch.equal(torch.random.get_rng_state(), state)
    assert weights_hash(diagnosed) == weights_hash(suite[RANDOM].encoder)


def test_an_encoder_by_name_keeps_the_splits_of_its_images():
    subject = open_subject("convnet", data="digits")
    train, test, split = evaluation_sets(subject.source, load_run(OLD / "digits-simclr").settings.protocol)
    assert (len(train), len(test), split) == (1297, 500, "test")
    assert subject.images.shape == subject.origin.shape == (1, 8, 8)
    with pytest.raises(InputError, match="an encoder needs images: contrascope diagnose convnet DATA"):
        _ = open_subject("convnet").images


def test_a_model_in_memory_is_left_as_it_is():
    model, projector = small(), nn.Linear(5, 2)
    model[1].eval()
    before, modes = weights_hash(model), [part.training for part in model.modules()]
    subject = open_subject((model, projector), data=FOUR)
    assert subject.origin.kind == "model"
    assert subject.trained.encoder is model
    assert embed(subject.trained.encoder, subject.trained.projector, subject.images).z.shape == (1, 4, 2)
    networks_for_any_images(subject, references=True)
    assert weights_hash(subject.twin.encoder) == weights_hash(open_subject(small(9), data=FOUR).twin.encoder)
    assert weights_hash(subject.twin.projector) != weights_hash(projector)
    assert weights_hash(model) == before
    assert [part.training for part in model.modules()] == modes


@pytest.mark.parametrize(
    "thing",
    [nn.Flatten(), lambda images: images.flatten(1), "torch.nn:Flatten"],
    ids=["module", "function", "name"],
)
def test_what_has_no_weights_has_no_twin(thing):
    subject = open_subject(thing, data=FOUR)
    assert subject.twin is None
    assert embed(subject.trained.encoder, None, subject.images).h.shape == (1, 4, 64)


@pytest.mark.parametrize("kind", [".npy", ".npz", ".safetensors"])
def test_a_file_and_its_arrays_open_alike(kind, tmp_path):
    h = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0))
    held = Features(h=h, y={"fine": torch.arange(6), "coarse": torch.arange(6) // 3}, ids=torch.arange(6))
    path = save_features(held, tmp_path / f"f{kind}")
    for subject in (open_subject(path), open_subject(held)):
        assert torch.equal(subject.h, h)
        assert subject.names == tuple("012345")
        assert subject.twin is None
        if kind != ".npy":
            assert list(subject.labels) == ["fine", "coarse"]
    assert list(open_subject(held, labels="coarse").labels) == ["coarse"]
    assert open_subject(held, labels="none").labels == {}
    with pytest.raises(InputError, match="takes neither images nor a policy"):
        open_subject(path, data=FOUR)
    with pytest.raises(InputError, match="this needs the networks"):
        _ = open_subject(held).trained


@pytest.mark.parametrize(
    "make",
    [
        np.asarray,
        torch.as_tensor,
        list,
        lambda h: h.astype(np.float16),
        lambda h: torch.as_tensor(h).bfloat16(),
    ],
    ids=["array", "tensor", "list", "half", "bfloat16"],
)
def test_arrays_of_every_real_type_become_rows(make):
    h = np.arange(12.0).reshape(4, 3)
    subject = open_subject(make(h), z=h[:, :1], labels=np.arange(4) % 2)
    assert torch.equal(subject.h, torch.from_numpy(h).float()[None])
    assert subject.z.shape == (1, 4, 1)
    assert subject.features().labels().tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"thing": 3}, "a int cannot be measured"),
        ({"thing": nn.Linear}, "cannot be measured"),
        ({"thing": np.eye(3), "data": FOUR}, "a set of embeddings: it takes neither images"),
        ({"thing": np.eye(3), "z": np.eye(4)}, "both come from the same images and views"),
        ({"thing": np.eye(3), "labels": [0, 1]}, r"have shape \(2,\); expected one an image"),
        ({"thing": np.eye(3), "labels": "kind"}, "no label column 'kind'"),
        ({"thing": "convnet", "step": 4}, "only runs have checkpoints"),
        ({"thing": "convnet", "z": np.eye(3)}, "z stands beside arrays of h"),
        ({"thing": ["a", "b"]}, "h is no array of numbers"),
        ({"thing": np.array(["a"])}, "expected real numbers"),
        ({"thing": OLD}, r"no settings\.json .* is this the folder of a run"),
        ({"thing": "nothing.npz"}, "no file nothing.npz"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        open_subject(arguments.pop("thing"), **arguments)


def test_a_model_without_images_says_so():
    subject = open_subject(small(), size=8)
    assert subject.origin.side == 8
    with pytest.raises(InputError, match="Sequential came without images; give some: data=IMAGES"):
        _ = subject.images
    assert isinstance(open_subject(small(), data=FOUR).images, InMemoryImages)
