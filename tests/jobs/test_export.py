import csv
import json
import shutil

import pyarrow.parquet as pq
import pytest
import torch

import contrascope
from contrascope import records
from contrascope.cli import main
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.errors import InputError
from contrascope.exports.blueprint import load_encoder
from contrascope.jobs import export
from contrascope.jobs.export import ExportSettings, export_run
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.runs.build import build
from contrascope.runs.load import load_run
from contrascope.runs.settings import RunSettings
from contrascope.settings import to_json
from contrascope.training.checkpoint import save_checkpoint

SETTINGS = RunSettings(
    data=DataSettings(source="digits"),
    encoder=EncoderSettings(name="convnet", width=4),
    method=SimCLRSettings(temperature=0.5, projector=ProjectorSettings(hidden=(8,), out=8)),
)
EVALUATION = [
    {"of": of, "name": "knn", "value": value, "low": value - 0.01, "high": value + 0.01, "n": 500}
    | {"protocol": "abc", "split": "test"}
    for of, value in (("trained encoder", 0.9), ("random encoder", 0.6))
]


def make_run(folder, settings=SETTINGS, steps=(5, 9)):
    """The folder of a run with two checkpoints, without training."""
    images = open_images(settings.data)
    folder.mkdir()
    records.write_json(folder / records.SETTINGS, to_json(settings))
    facts = {"image_shape": list(images.shape), "images": len(images), "versions": {"contrascope": "0.1.0"}}
    records.write_json(folder / records.ENVIRONMENT, facts)
    records.write_json(folder / records.EVALUATION, {"rows": EVALUATION})
    for step in steps:
        method = build(settings, images.shape, seed=step)
        save_checkpoint(folder, step=step, method=method, optimizer={}, state={"steps": max(steps)})
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture
def few(monkeypatch):
    """The first fifty digits alone."""

    def some(settings, **more):
        images = open_images(settings, **more)
        return images.select(torch.arange(50))

    monkeypatch.setattr(export, "open_images", some)


@pytest.mark.usefixtures("few")
def test_a_table_has_every_image_of_the_split_with_what_was_measured(run, tmp_path, capsys):
    out = tmp_path / "t.parquet"
    assert main(["export", str(run), "--to", "parquet", "--out", str(out), "--neighbours", "3"]) == 0
    said = capsys.readouterr()
    assert said.out == f"{out}\n"
    assert "50 images; x and y are PCA of unit rows" in said.err
    table = pq.read_table(out)
    images = open_images(SETTINGS.data)
    assert table["digit"].to_pylist() == images.y[:50].tolist()
    assert table["digit_name"].to_pylist() == [str(code) for code in images.y[:50].tolist()]
    encoder = load_run(run).encoder
    with torch.no_grad():
        h = encoder(images.gather(torch.arange(50)).float() / 255)
    torch.testing.assert_close(torch.tensor(table["h"].to_pylist()), h, rtol=1e-4, atol=1e-5)
    alignment = torch.tensor(table["alignment"].to_pylist())
    assert 0 < float(alignment.min()) <= float(alignment.max()) < 4
    assert len(table["neighbours"][0].as_py()["ids"]) == 3
    assert table["split"].to_pylist() == ["train"] * 50


@pytest.mark.usefixtures("few")
def test_split_and_step_choose_images_and_weights(run):
    found = export_run(run, ExportSettings(to="csv", split="test", step=5))
    assert found.path == run / "exports" / "test-step-00000005.csv"
    with found.path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    test = open_images(DataSettings(source="digits", split="test"))
    assert [int(row["digit"]) for row in rows] == test.y[:50].tolist()
    newest = export_run(run, ExportSettings(to="csv", split="test"))
    assert newest.path.name == "test.csv"
    assert newest.path.read_text() != found.path.read_text()


@pytest.mark.usefixtures("few")
def test_constant_features_give_a_table_and_not_a_number_less(run, tmp_path):
    opened = load_run(run)
    for parameter in opened.encoder.trunk.parameters():
        torch.nn.init.zeros_(parameter)
    found = export_run(opened, ExportSettings(to="parquet"), out=tmp_path / "t.parquet")
    table = pq.read_table(found.path)
    assert table["x"].to_pylist() == [0.0] * 50
    assert table["alignment"].to_pylist() == [0.0] * 50
    assert all(len(row["ids"]) == 15 for row in table["neighbours"].to_pylist())


def test_weights_come_with_a_card_and_load_again(run, tmp_path):
    found = export_run(run, ExportSettings(to="safetensors"), out=tmp_path / "encoder")
    assert sorted(file.name for file in found.path.iterdir()) == [
        "README.md",
        "encoder.json",
        "model.py",
        "model.safetensors",
    ]
    images = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(load_encoder(found.path)(images), load_run(run).encoder(images))
    card = (found.path / "README.md").read_text()
    assert "weights of step 9" in card
    assert "90.0" in card
    assert "Checked with contrascope on 64 of the run's images" in card
    assert "inside the network" in card
    older = export_run(run, ExportSettings(to="safetensors", step=5), out=tmp_path / "older")
    assert "weights of step 5" in (older.path / "README.md").read_text()
    assert not torch.equal(load_encoder(older.path)(images), load_encoder(found.path)(images))


@pytest.mark.usefixtures("torchvision_operators")
def test_a_resnet_of_a_run_goes_to_transformers(tmp_path):
    pytest.importorskip("transformers")
    from dataclasses import replace

    settings = replace(SETTINGS, encoder=EncoderSettings(name="resnet18", width=8))
    run = make_run(tmp_path / "run", settings, steps=(1,))
    found = export_run(run, ExportSettings(to="hf"))
    assert found.path == run / "exports" / "hf-step-00000001"
    card = (found.path / "README.md").read_text()
    assert 'library_name: "transformers"' in card
    assert "must be replaced before the weights are loaded" in card
    assert json.loads((found.path / "config.json").read_text())["num_channels"] == 1


def test_where_the_images_are_gone_noise_stands_in_and_the_card_says_so(run, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(run, moved)
    settings = records.read_json(moved / records.SETTINGS)
    settings["data"]["source"] = "/nowhere/birds"
    records.write_json(moved / records.SETTINGS, settings)
    found = export_run(moved, ExportSettings(to="safetensors"), out=tmp_path / "encoder")
    assert "64 images of noise (the run's own are not at hand)" in found.notes[0]
    card = (found.path / "README.md").read_text()
    assert "/nowhere" not in card
    with pytest.raises(InputError, match="does not exist"):
        export_run(moved, ExportSettings(to="parquet"), out=tmp_path / "t.parquet")


def test_what_failed_leaves_nothing_behind(run, tmp_path, capsys):
    assert main(["export", str(run), "--to", "timm", "--step", "7", "--out", str(tmp_path / "x")]) == 2
    assert "has no checkpoint at step 7" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_wrong_input_is_refused_with_what_to_do(run, tmp_path):
    with pytest.raises(InputError, match=r"no settings\.json .* is this the folder of a run"):
        export_run(tmp_path, ExportSettings(to="csv"))
    with pytest.raises(InputError, match="has no checkpoint at step 7; it has 5, 9"):
        export_run(run, ExportSettings(to="csv", step=7))
    with pytest.raises(InputError, match="--split is for parquet and csv"):
        export_run(run, ExportSettings(to="onnx", split="test"))
    with pytest.raises(InputError, match=r"is no name of a \.csv file"):
        export_run(run, ExportSettings(to="csv"), out=tmp_path / "t.parquet")
    with pytest.raises(InputError, match="views is 1; alignment needs at least 2"):
        ExportSettings(to="csv", views=1)
    export_run(run, ExportSettings(to="safetensors"), out=tmp_path / "once")
    with pytest.raises(InputError, match="exists already and is not empty"):
        export_run(run, ExportSettings(to="safetensors"), out=tmp_path / "once")


def test_a_run_opens_in_a_notebook_and_shows_itself(run):
    opened = contrascope.open_run(str(run))
    html = opened._repr_html_()
    assert "Run run" in html
    assert "not diagnosed" in html
    assert "90.0" in html
    assert "weights of step 9" in html
    assert contrascope.open_run(run, step=5).step == 5
