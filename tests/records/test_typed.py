import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope import records
from contrascope.errors import InputError
from contrascope.records.advice import AdviceRecord
from contrascope.records.diagnosis import DiagnosisRecord
from contrascope.records.entry import as_tree, empty
from contrascope.records.forgetting import ForgettingRecord
from contrascope.records.gallery import GalleryRecord, PolicyGalleryRecord
from contrascope.records.geometry import GeometryRecord
from contrascope.records.kinds import BadImagesRecord, BestRecord, EnvironmentRecord, EvaluationRecord
from contrascope.records.metrics import read_rows
from contrascope.records.requests import RequestRecord, SegmentsRecord
from contrascope.records.sentences import SentenceGalleryRecord
from contrascope.records.suites import AugmentedRecord, SimilarityRecord, TransferRecord
from contrascope.records.sweeps import MeasuredRecord, OutcomeRecord, SweepRecord, TableRecord
from contrascope.records.typed import as_record, read_record, record_of, write_record

KINDS = (
    EnvironmentRecord,
    EvaluationRecord,
    BestRecord,
    BadImagesRecord,
    DiagnosisRecord,
    GeometryRecord,
    GalleryRecord,
    PolicyGalleryRecord,
    AugmentedRecord,
    TransferRecord,
    SimilarityRecord,
    SentenceGalleryRecord,
    AdviceRecord,
    RequestRecord,
    SegmentsRecord,
    SweepRecord,
    OutcomeRecord,
    MeasuredRecord,
    TableRecord,
    ForgettingRecord,
)
SCORE = {"of": "raw pixels", "name": "knn", "value": 0.5, "low": 0.4, "high": 0.6, "n": 9, "protocol": "ab"}
SCORES = {"format": 1, "kind": "evaluation", "rows": [{**SCORE, "split": "test"}], "protocol": {}}

values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
trees = st.recursive(
    values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


def written(tmp_path, kind, tree):
    path = tmp_path / kind.FILE
    path.write_text(tree if isinstance(tree, str) else json.dumps(tree))
    return path


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.KIND)
def test_every_file_begins_with_its_format_and_a_kind_that_is_no_class_name(kind, tmp_path):
    path = tmp_path / kind.FILE
    write_record(path, empty(kind))
    tree = json.loads(path.read_text())
    assert list(tree)[:2] == ["format", "kind"]
    assert (tree["format"], tree["kind"]) == (1, kind.KIND)
    assert kind.KIND.lower() == kind.KIND != kind.__name__
    assert read_record(kind, path).record == empty(kind)


def test_kinds_are_told_apart():
    assert len({kind.KIND for kind in KINDS}) == len(KINDS)


def test_unknown_keys_are_kept_on_every_level_and_written_back(tmp_path):
    tree = {**SCORES, "new": [1, {"a": None}], "rows": [{**SCORES["rows"][0], "newer": "x"}]}
    found = read_record(EvaluationRecord, written(tmp_path, EvaluationRecord, tree))
    assert found.record.extra == {"new": [1, {"a": None}]}
    assert found.record.rows[0].extra == {"newer": "x"}
    assert found.notices == ()
    write_record(tmp_path / "again.json", found.record)
    again = json.loads((tmp_path / "again.json").read_text())
    assert again["new"] == tree["new"]
    assert again["rows"][0]["newer"] == "x"


def test_missing_parts_are_named_by_their_dotted_path(tmp_path):
    row = {key: value for key, value in SCORES["rows"][0].items() if key != "value"}
    tree = {"format": 1, "kind": "evaluation", "rows": [SCORES["rows"][0], row]}
    found = read_record(EvaluationRecord, written(tmp_path, EvaluationRecord, tree))
    assert found.missing == ("rows[1].value", "protocol")
    assert found.notices == ("evaluation.json lacks rows[1].value, protocol.",)
    assert found.record.rows[1].value is None
    with pytest.raises(InputError, match=r"evaluation\.json lacks protocol"):
        found.require("rows", "protocol")


@pytest.mark.parametrize("value", ["many", True, [3], {"a": 1}, 2.5], ids=str)
def test_a_value_of_another_type_is_named_and_left_out(value, tmp_path):
    tree = {**as_tree(empty(EnvironmentRecord)), "images": value, "image_shape": [1, "x", 8]}
    found = read_record(EnvironmentRecord, written(tmp_path, EnvironmentRecord, tree))
    assert found.wrong == ("images", "image_shape[1]")
    assert found.record.images is None
    assert found.record.image_shape == (1, 8)
    assert "images, image_shape[1] have an unexpected form and were left out" in found.notices[0]


def test_whole_numbers_and_fractions_stand_for_one_another_and_no_number_is_made_up(tmp_path):
    text = '{"format": 1, "kind": "best_label_free", "step": 4.0, "score": 1}'
    found = read_record(BestRecord, written(tmp_path, BestRecord, text)).record
    assert (found.step, type(found.step), found.score, type(found.score)) == (4, int, 1.0, float)
    text = text.replace("4.0", "NaN").replace("1}", "-Infinity}")
    found = read_record(BestRecord, written(tmp_path, BestRecord, text)).record
    assert (found.step, found.score) == (None, None)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1]", "3", "null", '"x"', '{"a": ' * 70 + "1" + "}" * 70, '{"a": ' * 3000, "\udc00"],
    ids=range(9),
)
@pytest.mark.parametrize("kind", [BestRecord, DiagnosisRecord])
def test_a_file_that_is_no_record_is_refused_by_its_name(kind, text, tmp_path):
    path = tmp_path / kind.FILE
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(InputError, match=kind.FILE):
        read_record(kind, path)


def test_a_folder_in_the_place_of_a_file_and_no_file_are_refused_by_name(tmp_path):
    (tmp_path / BestRecord.FILE).mkdir()
    with pytest.raises(InputError, match=BestRecord.FILE):
        read_record(BestRecord, tmp_path / BestRecord.FILE)
    with pytest.raises(InputError, match=r"no geometry\.json in"):
        read_record(GeometryRecord, tmp_path / GeometryRecord.FILE)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.KIND)
@pytest.mark.parametrize("number", [0, 1], ids="format {}".format)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_nothing_but_an_input_error_comes_of_any_content(kind, number, data, tmp_path_factory):
    names = st.sampled_from(list(as_tree(empty(kind)))) | st.text(max_size=3)
    tree = data.draw(st.dictionaries(names, trees, max_size=5))
    tree = tree | ({"format": 1, "kind": kind.KIND} if number else {})
    path = tmp_path_factory.getbasetemp() / kind.FILE
    try:
        found = record_of(kind, json.loads(json.dumps(tree)), path)
    except InputError:  # a format that is no number; any other error fails the test
        return
    kept = as_tree(found.record)
    again = record_of(kind, kept, path)
    assert again.missing == ()
    assert json.dumps(as_tree(again.record)) == json.dumps(kept)


def test_a_newer_format_is_read_with_a_notice_and_not_written_over(tmp_path):
    found = read_record(EvaluationRecord, written(tmp_path, EvaluationRecord, {**SCORES, "format": 2}))
    assert found.record.rows[0].value == 0.5
    assert "evaluation.json has format 2, written by a newer version" in found.notices[0]
    with pytest.raises(InputError, match="Update contrascope"):
        found.writable()


def test_another_kind_and_a_format_that_is_no_number_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds 'evaluation'; expected 'diagnosis'"):
        read_record(DiagnosisRecord, written(tmp_path, DiagnosisRecord, SCORES))
    for number in ("1", True, -1, 1.5, None):
        with pytest.raises(InputError, match="expected a number"):
            read_record(EvaluationRecord, written(tmp_path, EvaluationRecord, {**SCORES, "format": number}))


def test_a_producer_that_forgets_a_part_or_adds_one_fails_at_once():
    with pytest.raises(TypeError, match=r"missing .'score'."):
        as_record(BestRecord, {"step": 3})
    with pytest.raises(TypeError, match=r"unknown .'more'."):
        as_record(BestRecord, {"step": 3, "score": 1.0, "more": 2})
    with pytest.raises(TypeError, match=r"wrong .'step'."):
        as_record(BestRecord, {"step": "three", "score": 1.0})


def test_class_names_of_format_0_are_dropped_and_kinds_of_settings_stay():
    tree = {"kind": "Diagnosis", "settings": {"kind": "DiagnosisSettings"}, "verdict": {"kind": "Verdict"}}
    found = record_of(DiagnosisRecord, tree, Path(DiagnosisRecord.FILE))
    assert found.record.extra == {}
    assert found.record.verdict.extra == {}
    assert found.record.settings == {"kind": "DiagnosisSettings"}


def test_curves_of_format_0_move_below_layers_and_reasons_below_another_key():
    curves = {"epsilons": [0.0], "h": {"share": [1.0], "low": [1.0], "high": [1.0]}}
    found = record_of(GalleryRecord, {"r_epsilon": curves}, Path(GalleryRecord.FILE)).record
    assert found.r_epsilon.layers["h"].share == (1.0,)
    sets = {
        "pets": {"name": "pets", "source": "pets", "rows": [], "points": {}, "not available": {"set": "no"}}
    }
    summary = {"linear": {"a": {"mean": 0.5, "mean_is": "m", "rank": 1.0}, "published": {"MoCo": 72.49}}}
    tree = {"suite": "transfer", "sets": sets, "summary": summary}
    found = record_of(TransferRecord, tree, Path(TransferRecord.FILE)).record
    assert found.sets["pets"].not_available == {"set": "no"}
    assert list(found.summary["linear"].networks) == ["a"]
    assert found.summary["linear"].published == {"MoCo": 72.49}
    assert found.extra == {}


def test_settings_carry_a_format_number_that_their_reader_does_not_see(tmp_path):
    records.write_settings(tmp_path, {"kind": "RunSettings", "a": 1})
    path = tmp_path / records.SETTINGS
    assert json.loads(path.read_text()) == {"format": 1, "kind": "RunSettings", "a": 1}
    assert records.read_settings(tmp_path) == {"kind": "RunSettings", "a": 1}
    path.write_text("[]")
    with pytest.raises(InputError, match=r"settings\.json is damaged"):
        records.read_settings(tmp_path)


def test_metrics_name_their_format_first_and_rows_without_it_are_format_0(tmp_path):
    path = tmp_path / records.METRICS
    log = records.MetricsLog(path)
    log.write({"kind": "probe", "step": 2, "epoch": 1, "h_rankme": math.nan})
    log.close()
    assert json.loads(path.read_text().split("\n")[0]) == {"format": 1, "kind": "metrics"}
    (row,) = read_rows(path).rows
    assert (row.kind, row.step, row.epoch, row.values) == ("probe", 2, 1, {"h_rankme": None})
    path.write_text('{"step": 3, "loss": 0.5}\n{"step": "x"}\n[3]\n{"step": 4')
    found = read_rows(path)
    assert [(row.kind, row.step) for row in found.rows] == [("step", 3)]
    assert found.notices == ("metrics.jsonl: 3 of 4 lines are damaged and were left out.",)
    with pytest.raises(InputError, match="line 2, is damaged"):
        records.read_metrics(path)
    path.write_text('{"format": 7, "kind": "metrics"}\n{"step": 3}\n')
    assert "format 7" in read_rows(path).notices[0]
