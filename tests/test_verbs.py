"""Every verb takes every kind of thing that it can: folders, names, models, arrays, images in memory."""

import importlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from torch import nn

import contrascope
from contrascope.advice.settings import AdviseSettings
from contrascope.data.settings import DataSettings
from contrascope.diagnosis.settings import DiagnosisSettings, MonitorSettings
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.errors import InputError
from contrascope.evaluation.protocol import Protocol
from contrascope.features.files import save_features
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.runs.recipes import digits_simclr
from contrascope.training.settings import TrainingSettings

COUNT = 60
PIXELS = np.random.default_rng(0).integers(0, 256, (COUNT, 8, 8), dtype=np.uint8)
LABELS = np.arange(COUNT) % 2
KNN = Protocol(probes=("knn",), k=5, bootstrap=9)
FEW = DiagnosisSettings(images=40, views=2, draws=0)
TINY = replace(
    digits_simclr(),
    encoder=EncoderSettings(name="convnet", width=2),
    method=SimCLRSettings(projector=ProjectorSettings(hidden=(), out=4)),
    training=TrainingSettings(epochs=1, batch_size=20),
    monitor=MonitorSettings(times=0),
    protocol=KNN,
)


def dataset():
    kinds = datasets.Features({"x": datasets.Array2D((8, 8), "uint8"), "label": datasets.Value("int64")})
    return datasets.Dataset.from_dict({"x": PIXELS.tolist(), "label": LABELS.tolist()}, features=kinds)


IMAGES = {
    "array": lambda: PIXELS,
    "tensor": lambda: torch.from_numpy(PIXELS)[:, None].float() / 255,
    "data set": dataset,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return contrascope.train(PIXELS, TINY, labels=LABELS, out=tmp_path_factory.mktemp("runs") / "run")


@pytest.mark.parametrize("kind", IMAGES)
def test_training_and_embedding_take_images_of_every_kind(kind, run, tmp_path):
    labels = None if kind == "data set" else LABELS
    other = contrascope.train(IMAGES[kind](), TINY, labels=labels, out=tmp_path / "run")
    one, two = (contrascope.embed(made, PIXELS) for made in (run, other))
    assert torch.equal(one.h, two.h)
    assert torch.equal(contrascope.embed(tmp_path / "run", IMAGES[kind]()).z, one.z)


def test_going_on_with_a_finished_run_takes_the_same_images_in_memory_and_refuses_others(tmp_path):
    made = contrascope.train(PIXELS, TINY, labels=LABELS, out=tmp_path / "run")
    again = contrascope.train(PIXELS, TINY, labels=LABELS, out=tmp_path / "run", resume=True)
    assert again.step == made.step
    assert torch.equal(contrascope.embed(again, PIXELS).h, contrascope.embed(made, PIXELS).h)
    with pytest.raises(InputError, match="images"):
        contrascope.train(255 - PIXELS, TINY, labels=LABELS, out=tmp_path / "run", resume=True)


def test_a_folder_and_a_name_are_trained_on_with_a_recipe_fitted_to_them(tmp_path, run, monkeypatch):
    seen = []
    module = importlib.import_module("contrascope.verbs.train")  # `contrascope.verbs.train` is the function
    monkeypatch.setattr(module, "train_in_folder", lambda *args, **more: seen.append((args, more)))
    monkeypatch.setattr(module, "load_run", lambda folder: run)
    assert contrascope.train("digits", out=tmp_path / "r") is run
    contrascope.train(PIXELS, "folder-simclr", out=tmp_path / "s")
    (((one, _), first), ((two, _), second)) = seen
    assert (one.data.source, one.data.size, first["images"]) == ("digits", 8, None)
    assert (two.data.source, two.training.batch_size) == ("memory", 16)
    assert second["images"].shape == (1, 8, 8)


def test_a_run_on_images_in_memory_asks_for_them_again(run):
    with pytest.raises(InputError, match="were in memory when the run was made"):
        contrascope.embed(run)
    assert contrascope.embed(run, PIXELS).h.shape[1] == COUNT


@pytest.mark.parametrize(
    "thing",
    ["run", "convnet", nn.Flatten(), lambda images: images.flatten(1)],
    ids=["run", "name", "module", "function"],
)
def test_networks_of_every_kind_are_embedded_evaluated_and_diagnosed(thing, run):
    heard = []
    thing = run if thing == "run" else thing
    features = contrascope.embed(thing, PIXELS, labels=LABELS, progress=lambda *done: heard.append(done))
    assert heard == [(COUNT, COUNT)]
    assert features.labels().tolist() == LABELS.tolist()
    rows = contrascope.evaluate(thing, PIXELS, labels=LABELS, protocol=KNN, device="cpu")
    found = contrascope.diagnose(thing, PIXELS, LABELS, policy="digits", settings=FEW, device="cpu")
    has_twin = thing is run or thing == "convnet"
    assert {row["of"] for row in rows} == {"trained encoder", "raw pixels"} | (
        {"random encoder"} if has_twin else set()
    )
    assert "h label" in found.factors
    assert (found.signals.reference_h is None) == (not has_twin)
    if not has_twin:
        assert found.verdict.learning.word == "cannot be told"
        assert "no weights" in found.signals.reference
        assert "no random encoder" in " ".join(found.verdict.learning.evidence)


class LoadsItsWeights(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 8)
        with torch.no_grad():
            self.layer.weight.copy_(torch.eye(8, 64))

    def forward(self, images):
        return self.layer(images.flatten(1))


def test_an_encoder_that_loads_its_own_weights_is_compared_with_others(monkeypatch):
    monkeypatch.setitem(sys.modules, "theirs", sys.modules[__name__])
    named = contrascope.diagnose("theirs:LoadsItsWeights", PIXELS, policy="digits", settings=FEW).signals
    live = contrascope.diagnose(LoadsItsWeights(), PIXELS, policy="digits", settings=FEW).signals
    for signals in (named, live):
        assert signals.reference_h is not None
        assert signals.h.uniformity.value != signals.reference_h.uniformity.value
    first, again = (
        contrascope.diagnose("theirs:LoadsItsWeights", PIXELS, policy="digits", settings=FEW).signals
        for _ in range(2)
    )
    assert first.reference_h == again.reference_h == named.reference_h


def test_embeddings_of_every_kind_are_diagnosed_and_evaluated(tmp_path, run):
    features = contrascope.embed(run, PIXELS, labels=LABELS, policy="digits", num_views=2)
    path = save_features(features, tmp_path / "f.npz")
    h = features.h
    words = [
        contrascope.diagnose(one, draws=0).signals.h
        for one in (path, str(path), features, h, h.numpy(), h.tolist(), h.numpy().astype(np.float64))
    ]
    assert all(word == words[0] for word in words)
    array = h.numpy().copy()
    array.setflags(write=False)
    turned = np.ascontiguousarray(array[:, ::-1])[:, ::-1]
    for one in (array, np.asfortranarray(array), array.astype(">f4"), turned, list(array), np.stack(list(h))):
        assert contrascope.diagnose(one, draws=0).signals.h == words[0]
    assert contrascope.diagnose(h.half(), draws=0).signals.h.images == COUNT
    rows = contrascope.evaluate(path, path, protocol=KNN)
    assert rows[0]["split"] == "f.npz"
    held = contrascope.evaluate(features, protocol=KNN)
    assert held == contrascope.evaluate(h.numpy(), labels=LABELS, protocol=KNN)
    with pytest.raises(InputError, match="the second argument must be one too, to test on; got None"):
        contrascope.evaluate(path)


def test_a_reference_decides_whether_embeddings_have_learnt():
    source = torch.Generator().manual_seed(0)
    images = torch.randn(200, 16, generator=source)
    learnt = images + 0.1 * torch.randn(2, 200, 16, generator=source)
    blind = torch.randn(2, 200, 16, generator=source)
    found = contrascope.diagnose(learnt.numpy(), reference=blind, draws=50)
    assert (found.verdict.sound.word, found.verdict.learning.word) == ("sound", "learning")
    assert "given as reference" in found.signals.reference
    middling = images + torch.randn(2, 200, 16, generator=source)
    worse = contrascope.diagnose(images + 2 * blind, reference=middling, draws=50).verdict
    assert (worse.sound.word, worse.learning.word) == ("sound", "not learning")
    too_good = contrascope.diagnose(images + 2 * blind, reference=learnt, draws=50).verdict
    assert too_good.learning.word == "policy too easy to tell"
    assert contrascope.diagnose(learnt, draws=50).verdict.learning.word == "cannot be told"
    assert contrascope.diagnose(
        learnt, learnt, reference=blind, reference_z=blind, draws=0
    ).signals.reference_z
    with pytest.raises(InputError, match=r"reference has \(views, n\) = \(1, 200\) and h has \(2, 200\)"):
        contrascope.diagnose(learnt, reference=blind[0])
    with pytest.raises(InputError, match="what has networks makes its own"):
        contrascope.diagnose("convnet", PIXELS, reference=blind)
    with pytest.raises(InputError, match="take no images, no policy"):
        contrascope.diagnose(learnt, images=PIXELS)


def test_a_run_is_reported_and_exported(tmp_path):
    settings = replace(TINY, data=DataSettings(source="digits"))
    made = contrascope.train("digits", settings, out=tmp_path / "run")
    heard = []
    page = contrascope.report(made, tmp_path / "page.html", points=32, say=heard.append)
    assert page.read_text().startswith("<!doctype html>") or "<html" in page.read_text()
    assert [line.split(":")[0] for line in heard] == ["diagnosed", "pictures and map"]
    assert contrascope.report([made, tmp_path / "run"], tmp_path / "two.html", gallery=False).is_file()
    table = contrascope.export(tmp_path / "run", "csv", out=tmp_path / "t.csv")
    assert len(Path(table).read_text().splitlines()) == 1298
    assert contrascope.evaluate(str(tmp_path / "run"))[0]["split"] == "test"
    assert contrascope.diagnose(tmp_path / "run", settings=FEW).signals.z is not None


@pytest.mark.parametrize("kind", IMAGES)
def test_advice_takes_images_of_every_kind(kind, tmp_path, capsys):
    labels = "label" if kind == "data set" else LABELS
    few = AdviseSettings(images=40, views=4, candidates=1)
    found = contrascope.advise(IMAGES[kind](), labels=labels, budget=0, out=tmp_path / "p.json", settings=few)
    assert (found.labels, found.survey.images, found.complete) == ("label", COUNT, True)
    assert (tmp_path / "p.json").is_file()
    capsys.readouterr()


def test_the_verbs_are_typed_and_importing_the_library_imports_no_torch():
    code = "import contrascope, sys; print('torch' in sys.modules); print(contrascope.train.__module__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "contrascope.verbs.train"]
    for verb in ("train", "embed", "evaluate", "diagnose", "advise", "report", "export", "open_run"):
        assert getattr(contrascope, verb).__annotations__["return"] is not None
