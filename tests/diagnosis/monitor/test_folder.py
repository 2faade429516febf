"""A monitor's folder is read by report, diagnose and the page that compares runs."""

import json

import monitor_cases
import pytest
import torch
from monitor_cases import Model

import contrascope
from contrascope import Monitor, records
from contrascope.cli import main
from contrascope.diagnosis.settings import DiagnosisSettings
from contrascope.errors import InputError
from contrascope.records.files import MONITORED
from contrascope.subjects.diagnose import diagnose_anything


@pytest.fixture
def folder(tmp_path):
    out = tmp_path / "theirs"
    monitor = Monitor(monitor_cases.views(), encoder="backbone", on_error="raise", out=out)
    for step, skill in enumerate((0.0, 0.9, 0.5), start=1):
        monitor(Model(skill=skill), step=10 * step, epoch=step, metrics={"loss": torch.tensor(1.0 / step)})
    monitor.close()
    return out


def probes(folder, kind="probe"):
    return [row for row in records.read_metrics(folder / records.METRICS) if row["kind"] == kind]


def test_rows_stand_as_those_of_a_run_with_the_callers_own_beside(folder):
    assert [row["step"] for row in probes(folder)] == [10, 20, 30]
    assert [row["epoch"] for row in probes(folder)] == [1, 2, 3]
    assert probes(folder)[1]["learning"] == "learning"
    assert [row["loss"] for row in probes(folder, "step")] == pytest.approx([1, 1 / 2, 1 / 3])
    best = records.read_json(folder / records.BEST)
    assert (best["step"], best["score"]) == (20, probes(folder)[1]["score"])


def test_a_page_and_a_comparison_show_it(folder, tmp_path):
    page = contrascope.report(folder, tmp_path / "page.html").read_text()
    assert "Ranks against epochs" in page
    assert "effective rank" in page
    assert "Loss by halves" in page
    other = tmp_path / "again"
    monitor = Monitor(monitor_cases.views(), encoder="backbone", out=other)
    monitor(Model(skill=0.9), step=1, epoch=1)
    both = contrascope.report([folder, other], tmp_path / "both.html").read_text()
    assert "theirs" in both
    assert "again" in both


def test_diagnose_opens_it_with_its_reference(folder, capsys):
    found = diagnose_anything(folder, settings=DiagnosisSettings(draws=100)).diagnosis
    assert found.signals.h.views.retrieval.value == probes(folder)[-1]["h_retrieval"]
    assert str(found.verdict.learning).startswith(probes(folder)[-1]["learning"])
    assert found.factors
    assert main(["diagnose", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"]["sound"]["word"] == "sound"


def test_a_monitor_that_is_made_anew_goes_on_and_forgets_what_comes_again(folder):
    again = Monitor(monitor_cases.views(), encoder="backbone", on_error="raise", out=folder)
    assert again.best == 20
    assert [row["contrascope/step"] for row in again.history] == [10, 20, 30]
    again(Model(skill=0.9), step=25)
    assert [row["step"] for row in probes(folder)] == [10, 20, 25]
    again(Model().collapse(), step=15)
    assert [row["step"] for row in probes(folder)] == [10, 15]
    assert records.read_json(folder / records.BEST)["step"] is None or again.best == 10


def test_values_that_are_no_numbers_are_recorded_as_a_fault(tmp_path):
    model = Model()
    with torch.no_grad():
        model.backbone[1].weight.fill_(torch.nan)
    monitor = Monitor(
        monitor_cases.views(), encoder="backbone", on_error="raise", out=tmp_path / "nan", on_alarm="stop"
    )
    row = monitor(model, step=1)
    assert (row["contrascope/sound"], row["contrascope/reason"]) == ("unsound", "numerical fault")
    assert monitor.should_stop
    assert records.read_json(tmp_path / "nan" / records.DIAGNOSIS)["verdict"]["sound"]["word"] == "unsound"


def test_rows_of_before_are_not_taken_for_those_that_are_no_numbers(folder):
    assert (folder / MONITORED).exists()
    monitor = Monitor(monitor_cases.views(), encoder="backbone", on_error="raise", out=folder)
    model = Model()
    with torch.no_grad():
        model.backbone[1].bias.fill_(torch.inf)
    monitor(model, step=40)
    assert not (folder / MONITORED).exists()


def test_a_folder_that_cannot_be_written_costs_the_folder_alone(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    monitor = Monitor(monitor_cases.views(), encoder="backbone", out=tmp_path / "file" / "run")
    assert monitor(Model(skill=0.9), step=1)["contrascope/sound"] == "sound"
    assert monitor.best == 1
    assert "this measurement failed" in capsys.readouterr().err


def test_rows_of_a_strangers_folder_are_not_read_through_a_link(folder, tmp_path):
    moved = (folder / MONITORED).rename(tmp_path / "elsewhere.safetensors")
    (folder / MONITORED).symlink_to(moved)
    with pytest.raises(InputError, match="link"):
        contrascope.diagnose(folder)


def test_a_monitors_folder_takes_no_images(folder):
    with pytest.raises(InputError, match="is a folder of embeddings"):
        contrascope.diagnose(folder, torch.rand(20, 1, 8, 8))
