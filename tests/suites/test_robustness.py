import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from contrascope import records
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError
from contrascope.evaluation.copies import COPIES
from contrascope.evaluation.protocol import Protocol
from contrascope.evaluation.suites import AugmentedSettings
from contrascope.records.entry import as_tree
from contrascope.suites import robustness
from contrascope.suites.copies import RECORD_FOLDER, robustness_of
from contrascope.suites.run import evaluate_suite

SHORT = AugmentedSettings(corruptions=("blur",), severities=(3,), train_images=40, references=False)
LOCK = "evaluation-augmented.lock"
PROTOCOL = Protocol(probe_grid=(0.1,), bootstrap=5)


@pytest.fixture
def fitted(monkeypatch):
    """The copies whose probes were learnt; `stop` names the place at which the suite is interrupted."""
    real, names = robustness.fit_copy, Names()

    def fit_copy(name, *args):
        names.append(name)
        if len(names) == names.stop:
            raise KeyboardInterrupt
        return real(name, *args)

    monkeypatch.setattr(robustness, "fit_copy", fit_copy)
    return names


class Names(list):
    stop = 0


def suite(run, out, settings=SHORT):
    found = evaluate_suite(
        "augmented", str(run), DataSettings(), protocol=PROTOCOL, augmented=settings, out=out
    )
    return as_tree(found)


def stopped(run, out, fitted, place):
    fitted.stop = place
    with pytest.raises(KeyboardInterrupt):
        suite(run, out)
    fitted.stop = 0
    return json.loads((out / robustness.RECORD).read_text())


def test_a_stopped_suite_loses_one_copy_and_ends_as_one_that_ran_through(suite_run, tmp_path, fitted):
    before = stopped(suite_run, tmp_path / "a", fitted, 4)
    assert [(row["copy"], row["probe"]) for row in before["rows"]] == [
        ("original", "own"),
        ("grayscale", "own"),
        ("grayscale", "original"),
        ("crop", "own"),
        ("crop", "original"),
    ]
    assert before["robustness"] == []
    record = suite(suite_run, tmp_path / "a")
    assert fitted == ["original", "grayscale", "crop", "flip", "flip", "jitter", "jitter_grayscale"]
    whole = suite(suite_run, tmp_path / "b")
    assert json.dumps(record) == json.dumps(whole)
    assert {path.name for path in (tmp_path / "a").iterdir()} == {robustness.RECORD, LOCK}
    assert suite(suite_run, tmp_path / "a") == json.loads(json.dumps(record))
    assert len(fitted) == 7 + 6


def test_a_damaged_file_of_a_stopped_suite_is_made_anew(suite_run, tmp_path, fitted):
    stopped(suite_run, tmp_path, fitted, 3)
    (file,) = tmp_path.rglob("grayscale.safetensors")
    file.write_bytes(b"torn")
    record = suite(suite_run, tmp_path)
    assert fitted == [
        "original",
        "grayscale",
        "crop",
        "grayscale",
        "crop",
        "flip",
        "jitter",
        "jitter_grayscale",
    ]
    own = [row["copy"] for row in record["rows"] if row["probe"] == "own"]
    assert own == list(COPIES)


@pytest.mark.parametrize("stop", [3, 0])
def test_other_settings_are_refused_by_name_and_leave_a_stopped_and_a_finished_suite_as_they_are(
    suite_run, tmp_path, fitted, stop
):
    if stop:
        stopped(suite_run, tmp_path, fitted, stop)
    else:
        suite(suite_run, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    fitted.clear()
    other = AugmentedSettings(
        corruptions=("blur",), severities=(3,), train_images=40, references=False, seed=1
    )
    with pytest.raises(InputError, match=r"(?s)another request:.*settings.augmented.seed: 0 -> 1.*--out"):
        suite(suite_run, tmp_path, other)
    assert fitted == []
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    suite(suite_run, tmp_path / "other", other)
    assert fitted == list(COPIES)


def test_a_suite_that_another_process_works_on_is_refused(suite_run, tmp_path):
    with (
        records.hold(tmp_path, lock=LOCK),
        pytest.raises(InputError, match="is held by process"),
    ):
        suite(suite_run, tmp_path)
    assert not (tmp_path / robustness.RECORD).exists()


KILLED = """
import os, signal, sys
from test_robustness import suite
from contrascope.suites import robustness
real, left = robustness.fit_copy, [4]
def fit_copy(name, *args):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(name, *args)
robustness.fit_copy = fit_copy
suite(sys.argv[1], __import__("pathlib").Path(sys.argv[2]))
"""


def test_a_suite_killed_in_the_middle_ends_as_one_that_ran_through(suite_run, tmp_path, fitted):
    place = str(tmp_path / "a")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = f"{Path(__file__).parent}:{environment.get('PYTHONPATH', '')}"
    words = [sys.executable, "-c", KILLED, str(suite_run), place]
    assert subprocess.run(words, env=environment, capture_output=True).returncode == -signal.SIGKILL
    record = suite(suite_run, tmp_path / "a")
    assert fitted == ["flip", "jitter", "jitter_grayscale"]
    assert json.dumps(record) == json.dumps(suite(suite_run, tmp_path / "b"))


def test_train_and_test_images_of_one_id_are_changed_in_different_ways(suite_run, tmp_path, monkeypatch):
    seen, real = set(), robustness.embed

    def embed(network, projector, images, **more):
        seen.add((len(images), more["seed"], more["epoch"]))
        return real(network, projector, images, **more)

    monkeypatch.setattr(robustness, "embed", embed)
    record = suite(suite_run, tmp_path, replace(SHORT, seed=3))
    assert seen == {(40, 3, 0), (record["rows"][0]["n"], 3, 1)}


def test_the_rows_of_a_run_are_those_of_the_suite_and_are_read_the_second_time(suite_run, tmp_path, fitted):
    run = tmp_path / "run"
    run.symlink_to(suite_run)
    found = robustness_of(run, SHORT, protocol=PROTOCOL, out=tmp_path / "kept")
    record = json.loads((tmp_path / "kept" / robustness.RECORD).read_text())
    rows = {(row["copy"], row["probe"]): row for row in record["rows"]}
    assert list(found.copies) == list(COPIES)
    assert all(row["severity"] is None for row in record["rows"])
    for copy, row in found.copies.items():
        own, moved = rows[copy, "own"], rows.get((copy, "original"), rows["original", "own"])
        assert (row.accuracy, row.risk_gap, row.bound, row.l_ar) == (
            own["accuracy"],
            own["risk_gap"],
            own["bound"],
            own["l_ar"],
        )
        assert (row.accuracy_original_probe, row.bound_original_probe) == (moved["accuracy"], moved["bound"])
        assert abs(row.risk_gap_original_probe) <= row.bound_original_probe
    assert found.l_ar >= max(row.l_ar for row in found.copies.values()) > 0
    assert found.largest_gap == max(abs(row.risk_gap) for row in found.copies.values()) > 0
    assert found.copies["original"].accuracy_original_probe == found.copies["original"].accuracy
    assert robustness_of(run, SHORT, protocol=PROTOCOL, out=tmp_path / "kept") == found
    assert fitted == list(COPIES)


def test_the_rows_of_a_run_lie_in_a_folder_of_its_own(suite_run, tmp_path, monkeypatch):
    asked = {}

    def evaluate(suite, name, data, **more):
        asked.update(more, name=name)
        raise KeyboardInterrupt

    monkeypatch.setattr("contrascope.suites.copies.evaluate_suite", evaluate)
    with pytest.raises(KeyboardInterrupt):
        robustness_of(suite_run, AugmentedSettings(train_images=40))
    assert asked["out"] == suite_run / RECORD_FOLDER
    assert asked["augmented"] == AugmentedSettings(train_images=40, corruptions=(), references=False)
