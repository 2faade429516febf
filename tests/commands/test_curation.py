"""neighbours, duplicates, outliers, clusters and predict, as they are typed."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

from contrascope.cli import main
from contrascope.data.settings import DataSettings
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.evaluation.protocol import Protocol
from contrascope.jobs.train import train
from contrascope.methods.joint.plain_settings import PlainSettings
from contrascope.runs.settings import RunSettings
from contrascope.training.settings import TrainingSettings


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on forty pictures, bright and dark; 40.png is a copy of 03.png."""
    base = tmp_path_factory.mktemp("curation")
    (base / "photos").mkdir()
    source = torch.Generator().manual_seed(0)
    coarse = (
        torch.rand(40, 3, 4, 4, generator=source) * torch.tensor([0.3, 1.0]).repeat(20)[:, None, None, None]
    )
    images = torch.nn.functional.interpolate(coarse, size=16, mode="bilinear")
    for place, image in enumerate((255 * torch.cat([images, images[3:4]])).byte()):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(base / "photos" / f"{place:02d}.png")
    settings = RunSettings(
        data=DataSettings(source=str(base / "photos"), labels="none"),
        encoder=EncoderSettings(name="convnet", width=4),
        method=PlainSettings(projector=ProjectorSettings(hidden=(8,), out=8)),
        training=TrainingSettings(epochs=1, batch_size=16),
        protocol=Protocol(k=5, probes=("knn",)),
    )
    train(settings, base / "run")
    return base / "run"


@pytest.fixture
def labels(run, tmp_path):
    with (tmp_path / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        rows = [(f"{place:02d}.png", "bright" if place % 2 else "dark") for place in range(24)]
        csv.writer(file).writerows([("file", "class"), *rows])
    return tmp_path / "labels.csv"


def said(capsys, *words):
    assert main([*map(str, words), "--quiet"]) == 0
    return capsys.readouterr().out


def refused(capsys, *words):
    assert main([*map(str, words), "--quiet"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("contrascope: ")
    assert error.count("\n") == 1
    return error


def test_neighbours_prints_paths_and_writes_a_page_into_the_run(run, capsys):
    lines = said(capsys, "neighbours", run, run.parent / "photos" / "40.png", "--count", 3).splitlines()
    assert {lines[0].split()[1], lines[1].split()[1]} == {"03.png", "40.png"}
    assert lines[3] == str(run / "neighbours.html")
    assert (run / "neighbours.html").is_file()
    told = json.loads(said(capsys, "neighbours", run, "40.png", "--count", 1, "--json"))
    assert told["query"] == "40.png"
    assert told["neighbours"][0]["file"] == "03.png"


def test_duplicates_within_and_against_a_folder(run, capsys, tmp_path):
    text = said(capsys, "duplicates", run)
    assert "03.png  40.png" in text
    assert str(run / "duplicates.csv") in text
    (tmp_path / "other").mkdir()
    Image.open(run.parent / "photos" / "07.png").resize((32, 32)).save(tmp_path / "other" / "seven.png")
    text = said(capsys, "duplicates", run, "--against", tmp_path / "other", "--out", tmp_path)
    assert text.startswith("1 pair: 1 of 41 images of ")
    assert "other (1 image)." in text
    assert "07.png  seven.png" in text


def test_outliers_and_clusters_tell_their_rules(run, capsys):
    text = said(capsys, "outliers", run, "--count", 4)
    assert "Tukey's fence" in text
    assert len([line for line in text.splitlines() if line.endswith(".png")]) == 4
    told = json.loads(said(capsys, "clusters", run, "--k", 2, "--json"))
    assert sum(told["sizes"]) == len(told["images"]) == 41
    assert "k = 2" in told["rule"]
    assert "2 clusters of 41 images." in said(capsys, "clusters", run, "--k", 2)


def test_predict_says_first_what_it_is_worth(run, labels, capsys, tmp_path):
    out = tmp_path / "predictions.csv"
    lines = said(capsys, "predict", run, "--labelled", labels, "--out", out).splitlines()
    assert lines[0].startswith("Cross-validated on 24 labels of 2 classes: ")
    assert lines[-2].startswith("41 images: ")
    assert lines[-1] == str(out)
    assert len(out.read_text(encoding="utf-8").splitlines()) == 42
    told = json.loads(said(capsys, "predict", run, "--labelled", labels, "--out", out, "--json"))
    assert told["tested"]["labels"] == 24
    assert sum(told["answers"].values()) == 41


def test_labels_of_the_run_answer_for_another_folder(run, labels, capsys, tmp_path):
    (tmp_path / "new").mkdir()
    Image.open(run.parent / "photos" / "31.png").resize((32, 32)).save(tmp_path / "new" / "thing.png")
    out = tmp_path / "predictions.csv"
    said(capsys, "predict", run, tmp_path / "new", "--labelled", labels, "--out", out)
    (row,) = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    assert (row["file"], row["guess"], row["labelled"]) == ("thing.png", "bright", "")


def test_an_encoder_without_a_folder_prints_and_writes_nothing(run, capsys):
    text = said(capsys, "outliers", "resnet18", run.parent / "photos", "--count", 2)
    assert "name a folder with --out" in text


def test_wrong_input_ends_in_one_sentence(run, labels, capsys, tmp_path):
    out = tmp_path / "predictions.csv"
    assert "does not exist" in refused(capsys, "duplicates", run, tmp_path / "missing")
    assert "Did you mean '03.png'?" in refused(capsys, "neighbours", run, "03.pnk")
    assert "settings of DATA" in refused(capsys, "clusters", run, "--data.split", "test")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes((run.parent / "photos" / "03.png").read_bytes()[:90])
    assert "a.png is broken" in refused(capsys, "outliers", run, tmp_path / "broken")
    labels.write_text("file,class\nelsewhere.png,bright\n")
    assert "elsewhere.png" in refused(capsys, "predict", run, "--labelled", labels, "--out", out)
    labels.write_text("".join(["file,class\n", *(f"{place:02d}.png,one\n" for place in range(20))]))
    assert "of one class" in refused(capsys, "predict", run, "--labelled", labels, "--out", out)
    assert not out.exists()


def test_a_file_of_rows_is_held_against_another_file_alone(tmp_path, capsys):
    np.save(tmp_path / "h.npy", np.eye(6, dtype=np.float32))
    assert main(["duplicates", str(tmp_path / "h.npy"), "--against", "photos"]) == 2
    assert "--against is photos, but" in (said := capsys.readouterr().err)
    assert "expected another one (.safetensors, .npz, .npy, .parquet)" in said
    assert main(["duplicates", str(tmp_path / "h.npy"), "--against", str(tmp_path / "h.npy")]) == 0
