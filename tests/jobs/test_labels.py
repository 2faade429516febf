"""What labels allow is said before the first epoch, and is in the table and the record after it."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from contrascope import records
from contrascope.cli import main
from contrascope.data.imageset import InMemoryImages
from contrascope.data.labels import numbered_as
from contrascope.data.settings import DataSettings
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.errors import InputError, LabelWarning
from contrascope.evaluation.protocol import Protocol
from contrascope.evaluation.suites import AugmentedSettings, TransferProtocol
from contrascope.jobs.assess import evaluation_sets, knn_probe
from contrascope.jobs.train import train
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.records.kinds import EvaluationRecord
from contrascope.records.typed import read_record
from contrascope.reports.load import load
from contrascope.reports.measured import accuracy
from contrascope.runs.recipes import digits_simclr
from contrascope.suites.run import evaluate_suite
from contrascope.terminal.tables import show_table
from contrascope.training.settings import TrainingSettings

TINY = [
    *("--encoder.width", "4", "--method.projector.hidden", "8", "--method.projector.out", "8"),
    *("--training.batch-size", "8", "--training.epochs", "1", "--monitor.times", "0"),
]


def folder(root, **classes):
    """Class folders with so many pictures each; `test__dog` is class dog of split test."""
    rng = np.random.default_rng(0)
    for name, count in classes.items():
        place = root / name.replace("__", "/")
        place.mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(place / f"{number}.png")
    return root


def arrays(path, **columns):
    """An array file: `train=[0, 1]` are labels of two training images."""
    rng = np.random.default_rng(0)
    held = {f"{split}_labels": np.array(labels) for split, labels in columns.items()}
    held |= {
        f"{split}_images": rng.integers(0, 255, (len(labels), 8, 8), dtype=np.uint8)
        for split, labels in columns.items()
    }
    np.savez(path, **held)
    return DataSettings(source=str(path))


def tiny(data):
    return replace(
        digits_simclr(),
        data=data,
        encoder=EncoderSettings(name="convnet", width=4),
        method=SimCLRSettings(projector=ProjectorSettings(hidden=(8,), out=8)),
        training=TrainingSettings(epochs=1, batch_size=8),
        protocol=Protocol(k=3, probe_grid=(0.1,), shots=(1, 5), draws=3, bootstrap=9),
    )


def test_a_folder_of_one_class_trains_and_says_that_a_score_needs_two(tmp_path, capsys):
    data, out = folder(tmp_path / "data", train__cats=24, test__cats=8), tmp_path / "run"
    assert main(["train", "folder-simclr", "--data.source", str(data), *TINY, "--out", str(out)]) == 0
    shown, said = capsys.readouterr()
    why = "not defined: needs two classes; the training images are all of class 'cats'"
    assert why in said
    assert said.index(why) < said.index("step 3/3")
    assert why in shown
    rows = read_record(EvaluationRecord, out / records.EVALUATION).record.rows
    assert {row.value for row in rows} == {None}
    assert all("needs two classes" in row.not_defined for row in rows)
    table = accuracy(load(out))
    assert "not defined" in table.rows[0]
    assert "needs two classes" in table.note
    assert main(["train", str(out), "--resume"]) == 0  # a finished run is handed back with the same words
    assert why in capsys.readouterr().out


@pytest.mark.parametrize(
    ("columns", "missing", "named"),
    [
        ({"train": [0, 1] * 12, "test": [0, 1] * 4}, set(), ""),
        (
            {"train": [0] * 20 + [1] * 4, "test": [0, 1] * 4},
            {"few_labels_5"},
            "class '1' has 4 training images",
        ),
        ({"train": [0, 1] * 12, "test": [0, 2] * 4}, set(), "4 of 8 test images are of class '2'"),
        ({"train": [0, 1] * 12, "test": [7, 8] * 4}, None, "no test image is of a class that training has"),
        (
            {"train": ["\u00e9", "b"] * 12, "test": ["e\u0301", "b"] * 4},
            set(),
            "one word in two Unicode forms",
        ),
    ],
)
def test_what_labels_do_not_allow_is_said_before_training_and_costs_no_other_score(
    columns, missing, named, tmp_path, capsys, recwarn
):
    rows = train(tiny(arrays(tmp_path / "x.npz", **columns)), tmp_path / "run")
    said = capsys.readouterr().err
    assert named in said
    assert ("scores after training" in said) == bool(named)
    assert bool([one for one in recwarn if one.category is LabelWarning]) == bool(named)
    undefined = {row["name"] for row in rows if row["value"] is None}
    assert undefined == ({row["name"] for row in rows} if missing is None else missing)
    assert all(row["not_defined"] for row in rows if row["value"] is None)
    assert named in show_table(rows)
    assert ("not defined" in show_table(rows)) == (missing != set())


def test_a_test_split_without_labels_is_foreseen_and_trains(tmp_path, capsys):
    held = {"train_images": np.zeros((24, 8, 8), np.uint8), "test_images": np.zeros((8, 8, 8), np.uint8)}
    np.savez(tmp_path / "x.npz", **held, train_labels=np.arange(24) % 2)
    with pytest.warns(LabelWarning, match="the test images have no labels"):
        rows = train(tiny(DataSettings(source=str(tmp_path / "x.npz"))), tmp_path / "run")
    assert "not defined: the test images have no labels" in capsys.readouterr().err
    assert {row["value"] for row in rows} == {None}


def test_a_test_split_that_cannot_be_opened_is_foreseen(tmp_path, capsys):
    data = folder(tmp_path / "data", train__cats=12, train__dogs=12, test__cats=2, test__dogs=2)
    (data / "test/cats/0.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"0\.png"):
        train(tiny(DataSettings(source=str(data))), tmp_path / "run")
    said = capsys.readouterr().err
    assert said.index("scores after training cannot be measured") < said.index("step 3/3")
    assert records.checkpoint_folders(tmp_path / "run")  # trained all the same


def test_classes_are_numbered_by_name_over_both_splits(tmp_path):
    lines = ["file_name,animal,split"]
    folder(tmp_path, pictures=8)
    for number, (animal, split) in enumerate(
        [("cat", "train"), ("dog", "train")] * 2 + [("dog", "test"), ("eel", "test")] * 2
    ):
        lines.append(f"pictures/{number}.png,{animal},{split}")
    (tmp_path / "list.csv").write_text("\n".join(lines))
    train_set, test_set, _ = evaluation_sets(DataSettings(source=str(tmp_path / "list.csv")), Protocol())
    assert [train_set.class_names["animal"][code] for code in train_set.y] == ["cat", "dog"] * 2
    assert [test_set.class_names["animal"][code] for code in test_set.y] == ["dog", "eel"] * 2
    assert test_set.y.tolist() == [1, 2, 1, 2]


def labelled(codes, names):
    pixels = torch.zeros(len(codes), 1, 8, 8, dtype=torch.uint8)
    return InMemoryImages(images=pixels, labels=torch.tensor(codes), class_names={"label": names})


@pytest.mark.parametrize(
    ("ours", "theirs", "codes"),
    [
        (("a", "b"), ("a", "b"), [0, 1]),
        (("a", "b"), ("b", "a"), [1, 0]),
        (("a", "b", "c"), ("c", "z"), [2, 3]),
        (("a", "b"), ("y", "z"), [2, 3]),
    ],
)
def test_numbers_follow_names(ours, theirs, codes):
    assert numbered_as(labelled([0, 1], ours), labelled([0, 1], theirs)).y.tolist() == codes


def test_there_is_no_knn_curve_where_labels_allow_none():
    cpu = torch.device("cpu")
    assert knn_probe(labelled([0] * 20, ("a",)), Protocol(k=3), every=1, device=cpu) is None
    assert knn_probe(labelled([0, 1], ("a", "b")), Protocol(k=3), every=1, device=cpu) is None
    assert knn_probe(labelled([0, 1] * 10, ("a", "b")), Protocol(k=3), every=1, device=cpu) is not None


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        ({"train": [1] * 9, "test": [0, 1] * 3}, "needs two classes"),
        ({"train": [0, 1] * 9, "test": [2] * 3}, "no test image is of a class that training has"),
        ({"train": [0, 1, 2], "test": [0, 1, 2]}, "no class has enough training images"),
    ],
)
def test_robustness_is_refused_before_anything_is_embedded(columns, named, tmp_path, monkeypatch):
    monkeypatch.setattr("contrascope.suites.robustness.measure", lambda *_, **__: pytest.fail("too late"))
    data = arrays(tmp_path / "x.npz", **columns)
    with pytest.raises(InputError, match=f"robustness is not defined with these labels: {named}"):
        evaluate_suite("augmented", "convnet", data, source=data.source, out=tmp_path / "out")


def test_robustness_leaves_unknown_classes_out_and_says_so(tmp_path):
    data, said = arrays(tmp_path / "x.npz", train=[0, 1] * 9, test=[0, 1, 2] * 3), []
    record = evaluate_suite(
        "augmented",
        "convnet",
        data,
        source=data.source,
        protocol=Protocol(probe_grid=(0.1,), bootstrap=9),
        augmented=AugmentedSettings(corruptions=(), references=False),
        out=tmp_path / "out",
        say=said.append,
    )
    assert {row.n for row in record.rows} == {6}
    assert "3 of 9 test images are left out: training lacks class '2'" in record.note
    assert record.note in said


def test_transfer_names_what_labels_do_to_each_set(tmp_path):
    sets = {"one": [0] * 9, "some": [0, 1] * 9, "none": [3, 4] * 9}
    for name, labels in sets.items():
        arrays(tmp_path / f"{name}.npz", train=labels, test=[0, 1, 2] * 3)
    record = evaluate_suite(
        "transfer",
        "convnet",
        DataSettings(),
        sets=[str(tmp_path / f"{name}.npz") for name in sets],
        transfer=TransferProtocol(
            penalties=2, powers=(-1.0, 1.0), shots=(1,), draws=2, bootstrap=9, references=False
        ),
        out=tmp_path / "out",
        say=lambda _: None,
    )
    one, some, none = record.sets.values()
    assert not one.rows
    assert all("not defined: needs two classes" in why for why in one.not_available.values())
    assert not none.rows
    assert all("no test image is of a class" in why for why in none.not_available.values())
    assert {row.mode for row in some.rows} == {"linear", "few_labels_1"}
    assert "3 of 9 test images are of class '2', which training lacks" in some.note
    assert json.dumps(some.note)
