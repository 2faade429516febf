"""What is no file of ours, and what is no JSON of ours: one reader, one sentence, no waiting."""

import json
import os
import time
from pathlib import Path

import pytest

from contrascope import records
from contrascope.errors import InputError
from contrascope.records.decode import decoded
from contrascope.records.diagnosis import DiagnosisRecord
from contrascope.records.gallery import GalleryRecord
from contrascope.records.inside import LARGEST, parsed, read_bytes
from contrascope.records.kinds import BestRecord, EnvironmentRecord, EvaluationRecord
from contrascope.records.typed import read_record, record_of


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "Expecting value"),
        (b'{"a": 1', "Expecting"),
        (b'{"a": "\xe9"}', "byte 7 is no UTF-8 text"),
        ('{"a": 1}'.encode("utf-16"), "byte 0 is no UTF-8 text"),
        (b'{"a": 1}\x00\x00', "Extra data"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "it names 'c' twice"),
        (b"[" * 65 + b"]" * 65, "deeper than 64 levels"),
        (b"[" * 100_000 + b"]" * 100_000, "deeper than 64 levels"),
        (b'{"a":' * 100_000, "deeper than 64 levels"),
        (b'"a\tb"', "Invalid control character"),
    ],
    ids=range(10),
)
def test_what_is_no_json_of_ours_is_refused_with_the_reason(content, why, tmp_path):
    path = tmp_path / BestRecord.FILE
    path.write_bytes(content)
    for read in (records.read_json, lambda file: read_record(BestRecord, file)):
        with pytest.raises(InputError, match=rf"best_label_free\.json is damaged \(.*{why}"):
            read(path)


def test_numbers_that_fit_nowhere_are_null_and_a_byte_order_mark_is_passed_over():
    long = "9" * 5000
    text = f"[NaN, Infinity, -Infinity, 1e999, -1e400, {2**64}, {-(2**63) - 1}, {long}, -{long}]"
    assert decoded(text.encode()) == [None] * 9
    assert decoded(f"[{2**64 - 1}, {-(2**63)}, 1e308, -0.0]".encode()) == [2**64 - 1, -(2**63), 1e308, 0.0]
    assert decoded(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_text_that_no_file_can_hold_is_replaced_and_names_of_files_that_are_no_utf_8_come_back(tmp_path):
    assert decoded(rb'{"\ud800a": ["\udfff", "\u0000", "\ud83d\ude00"]}') == {
        "\ufffda": ["\ufffd", "\ufffd", "😀"]
    }
    name = os.fsdecode(b"caf\xe9")
    records.write_json(tmp_path / "x.json", {"source": name})
    assert records.read_json(tmp_path / "x.json") == {"source": name}
    log = records.MetricsLog(tmp_path / records.METRICS)
    log.write({"kind": "step", "step": 1, "name": name})
    log.close()
    assert records.read_metrics(tmp_path / records.METRICS)[0]["name"] == name


def put_folder(path):
    path.mkdir()


def put_pipe(path):
    os.mkfifo(path)


def put_device(path):
    path.symlink_to("/dev/zero")


def put_large(path):
    path.write_bytes(b'{"a": 1}')
    os.truncate(path, LARGEST + 1)


@pytest.mark.parametrize("put", [put_folder, put_pipe, put_device, put_large])
@pytest.mark.parametrize("typed", [True, False])
def test_what_is_no_regular_file_of_a_bounded_size_is_neither_read_nor_waited_for(put, typed, tmp_path):
    path = tmp_path / "x.json"
    put(path)
    start = time.perf_counter()
    with pytest.raises(InputError, match=r"x\.json"):
        records.read_json(path, typed=typed)
    assert time.perf_counter() - start < 1
    if put is not put_large:
        with pytest.raises(InputError), parsed(path, "file of numbers", "Write it anew."):
            raise AssertionError("it was opened")


def test_a_file_of_the_largest_size_is_read(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    assert read_bytes(path, most=3) == b"abc"
    with pytest.raises(InputError, match="the most that is read"):
        read_bytes(path, most=2)


@pytest.mark.parametrize(
    "error", [KeyError("h"), MemoryError(), RuntimeError("bad\nheader"), OSError(5, "io")]
)
def test_whatever_a_library_says_of_bytes_becomes_one_sentence(error, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"")
    said = r"x is not a readable file of numbers \(.+\)\. Write it anew\."
    with pytest.raises(InputError, match=said), parsed(path, "file of numbers", "Write it anew."):
        raise error


@pytest.mark.parametrize(
    ("name", "value"), [("images", -1), ("cores", -7), ("processes", 2**70), ("threads", 1e30)]
)
def test_a_negative_count_and_one_that_no_machine_has_are_left_out_by_name(name, value):
    tree = {"format": 1, "kind": "environment", name: value}
    found = record_of(EnvironmentRecord, tree, Path(EnvironmentRecord.FILE))
    assert name in found.wrong
    assert getattr(found.record, name) is None


@pytest.mark.parametrize("value", [1.5, -0.1, 90])
def test_a_score_is_a_share(value):
    row = {
        "of": "a",
        "name": "knn",
        "value": value,
        "low": 0.0,
        "high": 1,
        "n": 3,
        "protocol": "x",
        "split": "t",
    }
    tree = {"format": 1, "kind": "evaluation", "rows": [row], "protocol": {}}
    found = record_of(EvaluationRecord, tree, Path(EvaluationRecord.FILE))
    assert found.wrong == ("rows[0].value",)
    assert (found.record.rows[0].value, found.record.rows[0].high) == (None, 1.0)


def test_columns_of_other_lengths_are_left_out_and_the_rest_stays():
    band = {"share": [1.0, 0.5], "low": [1.0], "high": [1.0, 0.6]}
    place = {"x": [0.0, 1.0], "y": [1.0, 0.0]}
    tree = {
        "r_epsilon": {"epsilons": [0.0, 1.0], "layers": {"h": band}},
        "concentration": {
            "deltas": [0.0],
            "images_per_class": 3,
            "layers": {"h": {"mean": [0.1, 0.2], "smallest": [0.1]}},
        },
        "map": {
            "pca": place,
            "label": [0, 1],
            "names": ["a"],
            "alignment": [0.5] * 3,
            "umap": {"x": [1], "y": [1]},
        },
    }
    found = record_of(GalleryRecord, {"format": 1, "kind": "gallery", **tree}, Path(GalleryRecord.FILE))
    off = {"r_epsilon.layers.h.low", "concentration.layers", "map.names", "map.alignment", "map.umap"}
    assert set(found.wrong) == off
    assert found.record.map.label == (0, 1)
    assert (found.record.map.names, found.record.map.umap) == (None, None)
    assert found.record.r_epsilon.layers["h"].high == (1.0, 0.6)
    tree = {"map": {"pca": {"x": [0.0], "y": []}}}
    found = record_of(GalleryRecord, {"format": 1, "kind": "gallery", **tree}, Path(GalleryRecord.FILE))
    assert {"map.pca.x", "map.pca.y"} <= set(found.wrong)


@pytest.mark.parametrize("number", [10**30, True, "1", -1, None, [1], 1.5])
def test_a_format_that_is_no_number_ends_in_a_sentence(number, tmp_path):
    path = tmp_path / DiagnosisRecord.FILE
    path.write_text(json.dumps({"format": number, "kind": "diagnosis"}))
    with pytest.raises(InputError, match=r"diagnosis\.json is damaged .*expected a number"):
        read_record(DiagnosisRecord, path)


def test_minutes_of_training_are_images_over_the_images_a_second_that_were_logged(tmp_path):
    records.write_settings(tmp_path, {"training": {"batch_size": 60}})
    log = records.MetricsLog(tmp_path / records.METRICS)
    log.write({"kind": "step", "step": 1})
    assert records.training_minutes(tmp_path) is None  # no speed is known yet
    for step, speed in ((5, 10.0), (10, 20.0)):
        log.write({"kind": "step", "step": step, "images_per_second": speed})
    log.close()
    assert records.training_minutes(tmp_path) == 0.75  # 600 images at 0.1 and 0.05 s each, 0.075 s on average
    assert records.training_minutes(tmp_path / "absent") is None
