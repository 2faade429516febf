"""From a folder to a run and what comes out of it: one class, skipped pictures, and rows that keep their names."""

import csv
import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from contrascope.advice.gallery import policy_gallery
from contrascope.advice.policies import Candidate
from contrascope.augment.flip import HorizontalFlip
from contrascope.cli import main
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.features.files import load_features
from contrascope.gallery.gallery import gallery
from contrascope.gallery.part import GallerySettings
from contrascope.jobs.export import ExportSettings, export_run
from contrascope.jobs.train import train
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.reports.advice import pictures
from contrascope.reports.load import RunRecords
from contrascope.runs.recipes import digits_simclr
from contrascope.subjects.open import open_subject
from contrascope.training.settings import TrainingSettings

NAMES = tuple(
    f"{kind}/{kind} {place:02}.png" for kind in ("cat", "dog") for place in (0, 1, 2, 3, 5, 6, 7, 8, 9, 10)
)
"""Number 4 of each kind is broken."""


def write(folder, names):
    rng = np.random.default_rng(0)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / name)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = write(tmp_path_factory.mktemp("data") / "photos", NAMES)
    for kind in ("cat", "dog"):
        (root / kind / f"{kind} 04.png").write_bytes(b"broken")
    return root


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    settings = replace(
        digits_simclr(),
        data=DataSettings(source=str(folder), labels="none", on_bad_image="skip"),
        encoder=EncoderSettings(name="convnet", width=4),
        method=SimCLRSettings(projector=ProjectorSettings(hidden=(8,), out=8)),
        training=TrainingSettings(epochs=1, batch_size=10),
    )
    out = tmp_path_factory.mktemp("runs") / "run"
    train(settings, out)
    return out


def embed(run, folder, out, *more):
    return main(["embed", str(run), str(folder), "--data.on-bad-image", "skip", "--out", str(out), *more])


def table_of(file):
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def bad_names(file):
    return [one["name"].rsplit("/", 1)[1] for one in json.loads(file.read_text())["images"]]


def test_a_run_lists_what_it_skipped(run):
    assert bad_names(run / "bad_images.json") == ["cat 04.png", "dog 04.png"]


@pytest.mark.parametrize("kind", ["npz", "safetensors", "parquet", "csv"])
def test_embedded_rows_have_the_names_of_their_files_and_skipped_ones_shift_nothing(
    run, folder, tmp_path, kind, capsys
):
    out = tmp_path / f"f.{kind}"
    assert embed(run, folder, out) == 0
    assert bad_names(tmp_path / "f.bad_images.json") == ["cat 04.png", "dog 04.png"]
    told = capsys.readouterr().err
    assert "20 pictures, 8 x 8" in told
    assert "2 classes: cat, dog." in told
    assert f"2 pictures skipped, listed in {tmp_path / 'f.bad_images.json'}." in told
    images = open_images(DataSettings(source=str(folder), on_bad_image="skip"))
    expected = (
        open_subject(run).trained.encoder.eval()(images.gather(torch.arange(20)).float() / 255).detach()
    )
    if kind == "csv":
        rows = table_of(out)
        assert tuple(row["name"] for row in rows) == NAMES
        assert [row["label_name"] for row in rows] == ["cat"] * 10 + ["dog"] * 10
        assert [row["id"] for row in rows] == list(map(str, range(20)))
        h = torch.tensor([[float(row[f"h_{k}"]) for k in range(expected.shape[1])] for row in rows])
    else:
        found = load_features(out)
        assert found.names == NAMES
        assert found.labels("label").tolist() == [0] * 10 + [1] * 10
        h = found.h[0]
    torch.testing.assert_close(h, expected, atol=1e-5, rtol=1e-5)


def test_files_that_others_read_have_one_row_an_image_and_the_words_of_classes(run, folder, tmp_path):
    for kind in ("npz", "npy", "parquet"):
        assert embed(run, folder, tmp_path / f"f.{kind}", "-q") == 0
    with np.load(tmp_path / "f.npz", allow_pickle=False) as stored:
        assert stored["h"].shape == np.load(tmp_path / "f.npy").shape == (20, stored["h"].shape[1])
        assert (stored["names"].tolist(), stored["classes.label"].tolist()) == (list(NAMES), ["cat", "dog"])
    table = pq.read_table(tmp_path / "f.parquet")
    assert table.column_names == ["name", "id", "label", "label_name", "h", "z"]
    assert table.column("label_name").to_pylist() == ["cat"] * 10 + ["dog"] * 10
    beside = table_of(tmp_path / "f.rows.csv")
    assert tuple(row["name"] for row in beside) == NAMES
    assert list(beside[0]) == ["name", "id", "label", "label_name"]


def test_a_wrong_ending_is_refused_before_anything_is_opened(run, tmp_path, capsys):
    assert main(["embed", str(run), str(tmp_path / "absent"), "--out", str(tmp_path / "f.xlsx")]) == 2
    assert "cannot tell the format from '.xlsx'" in capsys.readouterr().err


def test_the_gallery_names_files_in_its_rows_neighbours_and_map(run, folder):
    found = gallery(open_subject(run), GallerySettings(points=16, rows=2, near=2))
    shown = [*found.views, *found.worst, *found.best, *found.neighbours]
    near = [other for row in found.neighbours for other in row.near]
    assert {one.name for one in [*shown, *near]} <= set(NAMES)
    images = open_images(DataSettings(source=str(folder), on_bad_image="skip"))
    assert found.map is not None
    assert found.map.names == images.names(torch.tensor([int(id_) for id_ in found.map.id or ()]))


def test_an_exported_table_names_files(run, tmp_path):
    written = export_run(run, ExportSettings(to="csv", neighbours=2), out=tmp_path / "t.csv")
    assert tuple(row["name"] for row in table_of(written.path)) == NAMES


def test_advice_names_the_files_whose_views_it_shows(folder):
    images = open_images(DataSettings(source=str(folder), labels="none", on_bad_image="skip"))
    found = policy_gallery(images, [Candidate(name="flips", ops=(HorizontalFlip(),))], seed=0)
    assert len(found.names) == len(found.images) == 6
    assert set(found.names) <= set(NAMES)
    (strips,) = pictures(RunRecords(path="a.advice", name="a", policies=found, advised=True))
    assert tuple(one.heading for one in strips.rows) == found.names


@pytest.mark.parametrize("command", ["evaluate", "diagnose"])
def test_what_has_no_folder_names_skipped_pictures_on_stderr(run, folder, capsys, command, tmp_path):
    more = ["--out", str(tmp_path / "d.json")] if command == "diagnose" else ["--protocol.probes", "knn"]
    main([command, str(run), str(folder), "--data.on-bad-image", "skip", *more])
    told = capsys.readouterr().err
    assert told.count("20 pictures, 8 x 8, read as they are; 2 classes: cat, dog.") == 1
    assert told.count("2 pictures skipped") == 1
    if command == "diagnose":
        assert bad_names(tmp_path / "d.bad_images.json") == ["cat 04.png", "dog 04.png"]
    else:
        assert "cat 04.png is no image" in told
        assert "dog 04.png is no image" in told


@pytest.mark.parametrize("count", [8, 12])
def test_a_folder_of_one_class_is_trained_and_its_scores_are_said_to_be_not_defined(tmp_path, capsys, count):
    write(tmp_path / "g", [f"only/{number}.png" for number in range(count)])
    source, out = str(tmp_path / "g"), str(tmp_path / "run")
    assert (
        main(["train", "folder-simclr", "--data.source", source, "--training.epochs", "1", "--out", out]) == 0
    )
    printed = capsys.readouterr()
    assert f"{source}: {count} pictures, 8 x 8, read at 8 px; 1 class: only." in printed.err
    assert "not defined" in printed.out
    assert "needs two classes; the training images are all of class 'only'" in printed.out
    if count <= 8:  # too few to say that they share a few modes
        assert "cluster collapse" not in printed.err + printed.out
