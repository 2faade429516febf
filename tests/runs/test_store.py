import json
from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from contrascope import records
from contrascope.errors import InputError
from contrascope.records.requests import RequestedRecord, RequestEntry
from contrascope.runs.store import Request, begin, begin_record

ASKED = Request(
    work="count", settings={"to": 3, "by": {"step": 1}}, of={"data": "f0"}, free=("settings.by.step",)
)


@dataclass(frozen=True, kw_only=True)
class Count:
    value: int


def asked(**changes):
    return Request(
        **{"work": "count", "settings": ASKED.settings, "of": ASKED.of, "free": ASKED.free, **changes}
    )


def count(folder, made, request=ASKED):
    def make(value):
        made.append(value)
        return Count(value=value)

    with begin(folder, request) as store:
        return [store.kept(Count, f"parts/{i}", lambda i=i: make(i)) for i in range(3)]


def test_the_same_request_reads_what_is_kept_and_makes_the_rest(tmp_path):
    made = []
    found = count(tmp_path / "a", made)
    (tmp_path / "a" / "parts" / "1.json").unlink()
    assert count(tmp_path / "a", made) == found == [Count(value=value) for value in (0, 1, 2)]
    assert made == [0, 1, 2, 1]


@pytest.mark.parametrize("torn", [b"{", b"[]", b'{"kind": "Count", "value": "two"}', b"\xff"])
def test_a_damaged_part_is_made_anew(tmp_path, torn):
    made = []
    count(tmp_path, made)
    (tmp_path / "parts" / "2.json").write_bytes(torn)
    assert count(tmp_path, made)[2] == Count(value=2)
    assert made == [0, 1, 2, 2]
    assert json.loads((tmp_path / "parts" / "2.json").read_text())["value"] == 2


@pytest.mark.parametrize(
    ("other", "line"),
    [
        (asked(settings={"to": 4, "by": {"step": 1}}), "settings.to: 3 -> 4"),
        (asked(of={"data": "f1"}), "of.data: f0 -> f1"),
        (asked(work="sum"), "work: count -> sum"),
    ],
)
def test_another_request_is_refused_with_its_differences_and_changes_nothing(tmp_path, other, line):
    count(tmp_path, [])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(InputError) as refused:
        count(tmp_path, [], other)
    assert line in str(refused.value)
    assert "or choose another --out" in str(refused.value)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_a_difference_that_is_named_free_goes_on(tmp_path):
    made = []
    count(tmp_path, made)
    count(tmp_path, made, asked(settings={"to": 3, "by": {"step": 2}}))
    assert made == [0, 1, 2]


def test_work_of_a_newer_version_is_refused(tmp_path):
    count(tmp_path, [])
    path = tmp_path / "request.json"
    records.write_json(path, {**records.read_json(path), "format": 2})
    with pytest.raises(InputError, match=r"request\.json has format 2 and this version writes 1"):
        count(tmp_path, [])


def test_a_folder_of_something_else_is_not_taken(tmp_path):
    (tmp_path / "thesis.tex").write_text("chapter 1")
    with pytest.raises(InputError, match=r"holds thesis\.tex and no request\.json"):
        count(tmp_path, [])
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_that_was_held_but_never_claimed_is_taken(tmp_path):
    with records.hold(tmp_path):
        pass
    assert len(count(tmp_path, [])) == 3


def test_two_processes_cannot_hold_one_store(tmp_path, hold_elsewhere):
    other = hold_elsewhere(tmp_path)
    try:
        other.stdout.readline()
        with pytest.raises(InputError, match=f"is held by process {other.pid}"):
            count(tmp_path, [])
    finally:
        other.kill()
        other.communicate()
    assert len(count(tmp_path, [])) == 3


@dataclass(frozen=True, kw_only=True)
class Counted(RequestedRecord):
    KIND: ClassVar[str] = "counted"
    FILE: ClassVar[str] = "r.json"
    data: str
    to: int | None
    rows: list[int] = field(default_factory=list)


def fresh():
    return Counted(data="f0", to=3)


def older(record):
    return RequestEntry(work="", of={"data": record.data}, settings={"to": record.to})


def test_a_record_of_one_file_carries_its_request_and_goes_on(tmp_path):
    path = tmp_path / "r.json"
    with begin_record(path, ASKED, fresh(), older=older) as record:
        assert json.loads(path.read_text())["request"]["settings"]["to"] == 3
        record.content.rows.append(1)
        record.keep()
    with begin_record(path, ASKED, fresh(), older=older) as record:
        assert record.content.rows == [1]
    before = path.read_bytes()
    with (
        pytest.raises(InputError, match=r"settings\.to: 3 -> 5"),
        begin_record(path, asked(settings={"to": 5}), fresh(), older=older),
    ):
        pass
    assert path.read_bytes() == before


def test_a_record_without_a_request_is_asked_what_it_says_of_one(tmp_path):
    path = tmp_path / "r.json"
    records.write_json(path, {"data": "f0", "to": 3, "rows": [1]})
    with begin_record(path, ASKED, fresh(), older=older) as record:
        assert record.content.rows == [1]
        assert record.content.request == ASKED.entry
    records.write_json(path, {"data": "f1", "to": 3, "rows": [1]})
    with (
        pytest.raises(InputError, match=r"of\.data: f1 -> f0"),
        begin_record(path, ASKED, fresh(), older=older),
    ):
        pass


def test_a_record_of_a_newer_version_is_refused_and_stays(tmp_path):
    path = tmp_path / "r.json"
    records.write_json(path, {"format": 2, "kind": "counted", "data": "f0", "to": 3, "rows": [1]})
    before = path.read_bytes()
    with (
        pytest.raises(InputError, match=r"r\.json has format 2"),
        begin_record(path, ASKED, fresh(), older=older),
    ):
        pass
    assert path.read_bytes() == before


def test_a_request_that_lost_a_part_is_refused_by_name(tmp_path):
    count(tmp_path, [])
    path = tmp_path / "request.json"
    tree = records.read_json(path)
    del tree["request"]["of"]
    records.write_json(path, tree)
    with pytest.raises(InputError, match=r"request\.json lacks request\.of\. Choose another --out"):
        count(tmp_path, [])
