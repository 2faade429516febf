"""Folders of version 0.1, before records had a format number: they load, go on, and have their page."""

import json
import shutil
from html import unescape
from pathlib import Path

import pytest
import torch

from contrascope import records
from contrascope.records.advice import AdviceRecord
from contrascope.records.diagnosis import DiagnosisRecord
from contrascope.records.entry import as_tree
from contrascope.records.gallery import GalleryRecord, PolicyGalleryRecord
from contrascope.records.geometry import GeometryRecord
from contrascope.records.kinds import BestRecord, EnvironmentRecord, EvaluationRecord
from contrascope.records.suites import AugmentedRecord, TransferRecord
from contrascope.records.typed import read_record, record_of
from contrascope.reports import page as pages
from contrascope.reports.notebook import run_html
from contrascope.reports.page import render

FOLDER = Path(__file__).parent / "format0"
RUNS = ("digits-simclr", "digits-moco", "digits-byol")
KINDS = (
    EnvironmentRecord,
    EvaluationRecord,
    BestRecord,
    DiagnosisRecord,
    GeometryRecord,
    GalleryRecord,
    AugmentedRecord,
    TransferRecord,
)


@pytest.fixture(autouse=True)
def _light(monkeypatch):
    monkeypatch.setattr(pages, "_plotly", lambda: "/* plotly */")


def files():
    held = [(kind, FOLDER / run / kind.FILE) for run in RUNS for kind in KINDS]
    held += [(kind, FOLDER / "advice" / kind.FILE) for kind in (AdviceRecord, PolicyGalleryRecord)]
    return [one for one in held if one[1].exists()]


@pytest.mark.parametrize(("kind", "path"), files(), ids=lambda one: getattr(one, "name", ""))
def test_every_old_file_is_read_whole_and_is_the_same_once_written_anew(kind, path):
    found = read_record(kind, path)
    assert (found.format, found.missing, found.wrong, found.record.extra) == (0, (), (), {})
    again = record_of(kind, json.loads(json.dumps(as_tree(found.record))), path)
    assert again.format == 1
    assert again.record == found.record


def test_old_runs_have_their_pages_with_every_part(monkeypatch):
    text = unescape(render([FOLDER / "digits-simclr"]))
    assert "Not everything was found" not in text
    assert text.count('class="notice"') == 1
    assert 'An older version said "healthy"; that word is withdrawn.' in text
    for words in (
        "64.6 [60.0, 68.6]",
        "Robustness: risk gap of each copy and its bound",
        "Transfer: linear probe, score in %",
        "Nearest neighbours",
        "Operation by layer: whose directions are kept?",
    ):
        assert words in text, words


@pytest.mark.parametrize("run", RUNS)
def test_an_old_run_loads_and_shows_itself(run):
    from contrascope.runs.load import load_run, random_twin_of

    found = load_run(FOLDER / run)
    assert found.encoder(torch.rand(2, *(1, 8, 8))).shape == (2, 16)
    assert random_twin_of(found).encoder(torch.rand(2, 1, 8, 8)).shape == (2, 16)
    assert run in run_html(FOLDER / run)
    assert "unexpected form" not in unescape(render([FOLDER / run]))


def test_old_runs_are_compared():
    text = unescape(render([FOLDER / run for run in RUNS]))
    assert "One row a run" in text
    assert "unexpected form" not in text
    assert "older version" in text
    assert "healthy" not in text


def test_an_old_advice_has_a_page_of_its_own():
    text = unescape(render([FOLDER / "advice"]))
    assert "Not everything was found" not in text
    assert "usual without crop" in text
    assert "✗ destructive" in text
    assert "Views under usual without crop" in text


def test_an_old_run_goes_on_and_is_evaluated_as_before(tmp_path):
    from contrascope.jobs.train import train
    from contrascope.runs.load import load_run, settings_of

    run = Path(shutil.copytree(FOLDER / "digits-simclr", tmp_path / "run"))
    before = read_record(EvaluationRecord, run / records.EVALUATION).record.rows
    rows = len(records.read_metrics(run / records.METRICS))
    handed_back = train(settings_of(run), run, resume=True)
    assert [row["value"] for row in handed_back] == [row.value for row in before]
    assert read_record(EvaluationRecord, run / records.EVALUATION).format == 0
    (run / records.EVALUATION).unlink()  # as after a kill in the assessment
    train(settings_of(run), run, resume=True)
    found = read_record(EvaluationRecord, run / records.EVALUATION)
    assert (found.format, found.record.step) == (1, load_run(run).step)
    assert len(records.read_metrics(run / records.METRICS)) == rows
    kept = {"trained encoder", "raw pixels"}
    old = {(row.of, row.name): row.value for row in before if row.of in kept}
    assert {(row.of, row.name): row.value for row in found.record.rows if row.of in kept} == pytest.approx(
        old, abs=0.01
    )
