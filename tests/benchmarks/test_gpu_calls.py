"""The four calls for a GPU, each with one small step on a CPU."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

CALLS = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu"
if not CALLS.is_dir():
    pytest.skip("benchmarks are not here", allow_module_level=True)


def called(name, *words):
    """The line on stdout, the lines on stderr that are JSON, and the exit status."""
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(CALLS / f"{name}.py"), *words],
        capture_output=True,
        text=True,
        env=hidden,
        timeout=280,
    )
    lines = done.stdout.strip().splitlines()
    partial = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]), partial, done


@pytest.fixture(scope="module")
def module():
    """A file of the calls, imported as `python FILE` would."""

    def load(name):
        sys.path.insert(0, str(CALLS))
        try:
            spec = importlib.util.spec_from_file_location(f"gpu_{name}", CALLS / f"{name}.py")
            loaded = importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = loaded
            spec.loader.exec_module(loaded)
            return loaded
        finally:
            sys.path.remove(str(CALLS))

    return load


@pytest.mark.slow
def test_smoke_on_a_cpu_draws_the_same_bits_and_resumes_exactly():
    line, partial, done = called("smoke", "--dry-run")
    assert done.returncode == 0, done.stderr[-2000:]
    assert line["dry_run"]
    assert line["draws"]["words_equal"]
    assert line["draws"]["uniform_equal"]
    assert line["draws"]["simclr_different"] == 0
    assert all(
        one == {"equal_share": 1.0, "largest_difference": 0.0, "views_beyond_1e-5": 0}
        for one in line["views"].values()
    )
    assert line["resume"]["equal"]
    assert line["precisions"]["cosine_of_gradients"] > 0.9
    assert line["tests"]["skipped"] >= 1
    assert "draws" in partial[0]


@pytest.mark.slow
def test_step_on_a_cpu_measures_all_parts_and_leaves_out_what_is_not_installed():
    line, partial, done = called("step", "--dry-run")
    assert done.returncode == 0, done.stderr[-2000:]
    assert line["plain"]["whole_images_per_s"] > 0
    assert line["plain"]["least"] <= line["plain"]["ratio"] <= line["plain"]["largest"]
    assert line["compiled"]["ratio"] > 0
    assert 1 <= len(line["profile"]["largest"]) <= 10
    for package, part in (("lightly", line["lightly"]), ("kornia", line["views"]["kornia_views_per_s"])):
        if importlib.util.find_spec(package) is None:
            assert part is None
    assert len(partial) >= 6


@pytest.mark.slow
def test_short_on_a_cpu_trains_and_measures_knn():
    line, _, done = called("short", "--dry-run")
    assert done.returncode == 0, done.stderr[-2000:]
    epoch, seconds, knn = line["knn"][-1]
    assert epoch == line["epochs"] == 1
    assert seconds > 0
    assert 0 <= knn <= 100
    assert "to_85" in line
    assert "to_89.76" in line


@pytest.mark.slow
def test_tables_ask_the_command_and_say_where_there_is_none():
    line, _, done = called("tables", "--dry-run", "--tables", "no-such-table")
    assert done.returncode == 0, done.stderr[-2000:]
    if line["tables"] is None:
        assert "no command `reproduce`" in line["reasons"]["tables"]
    else:
        assert "there is no table" in line["reasons"]["no-such-table"]


@pytest.mark.slow
def test_a_table_is_a_step_a_cell_on_drawn_images(tmp_path):
    line, _, done = called("tables", "--dry-run", "--tables", "huang-panels", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr[-2000:]
    found = line["huang-panels"]
    assert found["record"]["dry"]
    assert found["record"]["scale"] == "gpu"
    assert sum(found["states"].values()) == 2  # one operation, and all: finished, or as far as two minutes go
    assert (tmp_path / "out" / "huang-panels-gpu-dry" / "table.json").is_file()


@pytest.mark.slow
def test_a_call_that_is_cut_off_still_prints_its_line():
    with subprocess.Popen(
        [sys.executable, str(CALLS / "step.py"), "--dry-run"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        while "plain" not in (said := process.stderr.readline()):
            assert said, "it ended before its first part"
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=120)
    line = json.loads(out.strip().splitlines()[-1])
    assert process.returncode == 1
    assert line["plain"]["ratio"] > 0
    assert "cut off" in line["reasons"]["the call"]


def test_packages_are_listed_without_any_of_them():
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(CALLS / "packages.py")], capture_output=True, text=True, check=True
    )
    line = json.loads(done.stdout)
    assert "torch" in line["missing"]
    assert "kornia" in line["missing_optional"]


def test_the_time_to_a_value_is_measured_between_points_and_else_extrapolated_by_doublings(module):
    reached = module("short").reached
    points = [(10, 32.0, 60.0), (20, 64.0, 70.0), (40, 128.0, 80.0)]
    assert reached(points, 75.0) == {"seconds": 96.0, "how": "measured"}
    found = reached(points, 85.0)  # ten percent a doubling
    assert found["seconds"] == pytest.approx(128 * 2**0.5, abs=0.1)
    assert (found["how"], found["percent_a_doubling"], found["beyond"]) == ("extrapolated", 10.0, 1.4)
    assert reached([(10, 64.0, 70.0), (20, 128.0, 69.0)], 85.0) is None
    assert reached([(10, 64.0, 70.0)], 85.0) is None
    assert reached([], 85.0) is None


def test_a_part_that_fails_or_does_not_fit_is_null_with_its_reason(module, capsys):
    line = module("line").Line(call="x", seconds=5, dry=False)
    assert line.part("fits", lambda: 3) == 3
    assert line.part("late", lambda: 3, needs=60) is None
    assert line.part("broken", lambda: 1 / 0) is None
    told = json.loads(line.as_json())
    assert (told["fits"], told["late"], told["broken"]) == (3, None, None)
    assert "60 s" in told["reasons"]["late"]
    assert told["reasons"]["broken"] == "ZeroDivisionError: division by zero"
    assert told["failed"] == ["broken"]
    assert len(capsys.readouterr().err.splitlines()) == 3
