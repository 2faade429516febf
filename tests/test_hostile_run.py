"""A stranger's run, opened with every command and every verb: nothing is imported, started, linked or written outside.

What is tried, and what watches, is in hostile_opener.py: it calls everything in a process of its own. A command or verb
that is new joins by itself; one whose words it does not know fails here.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import contrascope

HERE = Path(__file__).parent
SOURCE = Path(contrascope.__file__).parents[1]
BUILDS_NOTHING = {
    "report",
    "runs",
    "figure",
    "advise",
    "reproduce",
    "contrascope.report",
    "contrascope.advise",
}
"""What does its work, or ends, without the networks of a run."""


def environment(base):
    """A home of its own, no network, and the burglar's package where Python finds it."""
    home = base / "home"
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith(("HF_", "CONTRASCOPE_"))},
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "TORCHINDUCTOR_CACHE_DIR": str(home / "tmp"),  # torch writes it into the environment of its process
        "HF_HUB_OFFLINE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join([str(SOURCE), str(base / "path")]),
        "OMP_NUM_THREADS": "1",
        "CONTRASCOPE_NO_COMPILED_VIEWS": "1",  # numba would keep what it compiles beside the source
        "COLUMNS": "200",
    }


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A small run in `run`, and in `path` the package that must not be imported."""
    # imported here: what a test imports is loaded before shapes are checked
    from contrascope.data.settings import DataSettings
    from contrascope.diagnosis.settings import MonitorSettings
    from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
    from contrascope.evaluation.protocol import Protocol
    from contrascope.jobs.train import train
    from contrascope.methods.joint.plain_settings import PlainSettings
    from contrascope.runs.settings import RunSettings
    from contrascope.training.settings import TrainingSettings

    base = tmp_path_factory.mktemp("hostile").resolve()
    (base / "path" / "burglar").mkdir(parents=True)
    (base / "path" / "burglar" / "__init__.py").write_text(
        f"open({str(base / 'outside' / 'burgled')!r}, 'w').close()\n"
    )
    settings = RunSettings(
        data=DataSettings(source="scenes", size=16, count=96),
        encoder=EncoderSettings(name="convnet", width=4),
        method=PlainSettings(projector=ProjectorSettings(hidden=(8,), out=8)),
        training=TrainingSettings(epochs=2, batch_size=32),
        monitor=MonitorSettings(times=1, images=32),
        protocol=Protocol(k=5, probes=("knn",)),
    )
    train(settings, base / "run")
    return base


@pytest.fixture(scope="module")
def cases(base):
    """What came of every case."""
    words = [sys.executable, str(HERE / "hostile_opener.py"), str(base)]
    done = subprocess.run(words, env=environment(base), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def of(cases, field):
    found = [case for case in cases if case["field"] == field]
    assert found
    return found


def test_nothing_is_imported_started_linked_or_written_outside(cases):
    assert len(cases) > 200
    assert {f"{case['field']} {case['opener']}": case["happened"] for case in cases if case["happened"]} == {}


def test_the_watch_sees_what_it_watches_for(base):
    code = f"""
import os, pathlib, subprocess, sys
sys.path.insert(0, {str(HERE)!r})
import hostile_opener
base = pathlib.Path({str(base)!r})
watch = hostile_opener.Watch(base)
def deeds(run, out):
    import burglar
    subprocess.run(["true"])
    os.system("true")
    (base / "elsewhere").write_text("x")
    os.symlink("/etc/passwd", out / "link")
    (out / "fine").write_text("x")
found = hostile_opener.opened(base, watch, lambda run: None, deeds)
print("\\n".join(found["happened"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(base), capture_output=True, text=True, check=True
    )
    for deed in ("import burglar", "subprocess.Popen 'true'", "os.system", "open .*elsewhere", "os.symlink"):
        assert re.search(deed, done.stdout), deed
    assert "burglar was imported" in done.stdout
    assert "a file outside has changed" in done.stdout
    assert "fine" not in done.stdout


def test_a_command_ends_in_one_sentence_or_does_its_work(cases):
    for case in cases:
        if case["opener"].startswith("contrascope."):
            error = str(case["code"]).partition(":")[0]
            assert not error.endswith("Error") or error in ("InputError", "NotAllowedError"), case
        else:
            assert case["code"] in (0, 2, 3), case
            assert case["code"] != 2 or re.fullmatch(r"contrascope: [^\n]+\n", case["said"]), case


def test_the_run_itself_opens(cases):
    (case,) = of(cases, "nothing")
    assert case["code"] in (0, 3)


@pytest.mark.parametrize("field", ["encoder.name", "method.kind"])
def test_networks_that_are_code_are_asked_for_by_the_words_to_type(cases, field):
    trained = False
    for case in of(cases, field):
        if case["opener"] in BUILDS_NOTHING:
            continue
        said = case["said"] or case["code"]
        assert "add --allow-import burglar:Thing to the command" in said, case
        assert case["code"] == 2 or case["code"].startswith("NotAllowedError"), case
        trained |= case["opener"] == "train"
    assert trained


def test_a_loss_that_is_code_stops_training_alone(cases):
    for case in of(cases, "method.loss"):
        if case["opener"] in ("train", "sweep", "contrascope.train"):
            assert "the loss 'burglar:Thing' is code" in (case["said"] or case["code"]), case
        elif not case["opener"].endswith("advise"):  # the folder stands for its images, and is none of images
            assert case["code"] in (0, 3) or case["code"].isidentifier(), case


def test_trackers_that_are_code_stop_training_alone(cases):
    for case in of(cases, "training.trackers"):
        if case["opener"] in ("train", "contrascope.train"):
            assert "the tracker 'burglar:Thing' is code" in (case["said"] or case["code"]), case
        else:
            assert case["code"] in (0, 3), case


def test_the_page_is_written_all_the_same(cases):
    for field in ("encoder.name", "method.kind", "records", "encoder.name=sys:exit"):
        assert [case["code"] for case in of(cases, field) if case["opener"] == "report"] == [0]
