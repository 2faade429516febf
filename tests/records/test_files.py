import json
import math

import pytest

from contrascope import records
from contrascope.errors import InputError


def test_a_failed_write_leaves_the_old_file_and_no_scrap(tmp_path, monkeypatch):
    path = tmp_path / "settings.json"
    records.write_json(path, {"a": 1})
    monkeypatch.setattr(records.files.os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        records.write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["settings.json"]


def test_numbers_that_json_has_not_become_null(tmp_path):
    records.write_json(tmp_path / "x.json", {"a": [math.nan, (math.inf, 1.5)], "é": "ü"})
    assert records.read_json(tmp_path / "x.json") == {"a": [None, [None, 1.5]], "é": "ü"}


def test_a_missing_and_a_damaged_record_are_named(tmp_path):
    with pytest.raises(InputError, match=r"no settings\.json in .*folder of a run\?"):
        records.read_json(tmp_path / "settings.json")
    (tmp_path / "settings.json").write_text('{"a": ')
    with pytest.raises(InputError, match=r"settings\.json is damaged"):
        records.read_json(tmp_path / "settings.json")


@pytest.mark.parametrize("torn", [b'{"step": 3, "lo', b'{"step": 3, "x": "\xc3'])
def test_a_torn_last_line_is_left_out_and_the_log_goes_on_whole(tmp_path, torn):
    path = tmp_path / records.METRICS
    path.write_bytes(b'{"step": 1}\n{"step": 2}\n' + torn)
    assert [row["step"] for row in records.read_metrics(path)] == [1, 2]
    log = records.MetricsLog(path, after_step=1)
    log.write({"step": 2, "again": True})
    log.close()
    head = b'{"format": 1, "kind": "metrics"}\n'
    assert path.read_bytes() == head + b'{"step": 1}\n{"step": 2, "again": true}\n'


def test_a_damaged_middle_line_is_named_by_number(tmp_path):
    path = tmp_path / records.METRICS
    path.write_bytes(b'{"step": 1}\n{"ste\n{"step": 3}\n')
    with pytest.raises(InputError, match=r"metrics\.jsonl, line 2, is damaged"):
        records.read_metrics(path)


def test_a_folder_held_by_another_process_is_refused_and_free_once_that_is_killed(tmp_path, hold_elsewhere):
    other = hold_elsewhere(tmp_path)
    try:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(InputError, match=rf"is held by process {other.pid}\."), records.hold(tmp_path):
            pass
    finally:
        other.kill()
        other.communicate()
    with records.hold(tmp_path):
        pass


def test_a_half_written_checkpoint_is_never_listed(tmp_path):
    def fill(step, *, fail):
        with records.new_checkpoint(tmp_path, step) as folder:
            (folder / "a").write_text("half")
            assert (step, folder) not in records.checkpoint_folders(tmp_path)
            assert step not in dict(records.checkpoint_folders(tmp_path))
            if fail:
                raise OSError(28, "full")

    fill(1, fail=False)
    with pytest.raises(OSError, match="full"):
        fill(2, fail=True)
    left = tmp_path / records.CHECKPOINTS / ".part-00000003"
    left.mkdir()
    assert [step for step, _ in records.checkpoint_folders(tmp_path)] == [1]
    fill(3, fail=False)
    assert [step for step, _ in records.checkpoint_folders(tmp_path)] == [1, 3]


def test_folders_that_are_no_checkpoints_are_passed_over(tmp_path):
    (tmp_path / records.CHECKPOINTS / "step-00000002.bak").mkdir(parents=True)
    (tmp_path / records.CHECKPOINTS / "step-00000010").mkdir()
    assert [step for step, _ in records.checkpoint_folders(tmp_path)] == [10]
