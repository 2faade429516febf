import json
import shutil
from dataclasses import replace

import pytest
from paper_cases import DRY, TABLE, HereEngine, cells, numbers

from contrascope.errors import InputError
from contrascope.papers.collect import kept_table, measured
from contrascope.papers.measures.find import ALONE, MEASURES
from contrascope.papers.reproduce import TableRequest, grid_of_cells, precision_of, reproduce
from contrascope.records.sweeps import FINISHED
from contrascope.runs.load import settings_of
from contrascope.sweeps.engine import WORK
from contrascope.sweeps.kept import recorded
from contrascope.sweeps.slurm import SlurmEngine

COLD, WARM = "seed=0-cell=cold", "seed=0-cell=warm"


def asked(**changes):
    return replace(TableRequest(table=TABLE, scale="cpu", seeds=1, sources=DRY), **changes)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("papers") / "tiny"
    engine = HereEngine()
    return out, engine, reproduce(asked(), out, engine=engine, device="cpu")


def test_every_cell_is_a_run_and_is_measured(made):
    out, engine, record = made
    assert engine.started == [COLD, WARM]
    assert [(one.cell, one.seed, one.state) for one in record.cells] == [
        ("cold", "0", FINISHED),
        ("warm", "0", FINISHED),
        ("rotations", "", FINISHED),
    ]
    assert settings_of(out / COLD) == replace(
        cells("cpu", DRY)[0].settings, training=replace(cells("cpu", DRY)[0].settings.training, seed=0)
    )
    for one in record.cells[:2]:
        values = one.measures["scores"].values
        assert 0 <= values["knn"] <= values["knn_best"] <= 100
        assert one.measures["scores"].protocol == MEASURES["scores"].hash("scores")
    ranks = record.cells[2].measures["rotations"].curves["relative 1e-2"]
    assert len(ranks) == 8
    assert ranks[0] < ranks[-1]


def test_a_finished_table_is_read(made):
    out, _, record = made
    engine = HereEngine()
    before = (out / COLD / "measured.json").stat().st_mtime_ns
    again = reproduce(asked(), out, engine=engine, device="cpu")
    assert engine.started == []
    assert again.cells == record.cells
    assert (out / COLD / "measured.json").stat().st_mtime_ns == before


@pytest.mark.parametrize("fast", [True, False])
def test_a_table_computes_in_what_the_device_is_fast_at_and_goes_on_as_it_was_begun(
    made, monkeypatch, tmp_path, fast
):
    out, _, record = made
    monkeypatch.setattr("contrascope.papers.reproduce.multiplies_bf16", lambda kind: fast)
    assert precision_of(tmp_path / "new", None) == (None if fast else "float32")
    begun = next(iter(record.settings.values()))["training"]["precision"]
    assert precision_of(out, None) == begun
    cell = asked(precision="float32" if begun == "bf16" else "bf16").cells[0]
    assert cell.settings.training.precision != begun


def test_a_table_beside_it_copies_runs_with_the_same_settings(made):
    out, _, record = made
    engine = HereEngine()
    said = []
    beside = reproduce(asked(), out.with_name("other"), engine=engine, device="cpu", say=said.append)
    assert "seed=0-cell=cold: copied from tiny" in said
    assert not any("measuring scores" in line for line in said)  # what was measured is copied too
    assert beside.cells[0].measures == record.cells[0].measures
    assert (out / COLD).is_dir()


def test_a_table_without_its_weights_goes_on_elsewhere(made, tmp_path):
    out, _, record = made
    there = tmp_path / "there" / "tiny"
    shutil.copytree(out, there, ignore=shutil.ignore_patterns("checkpoints", WORK, "*.lock"))
    shutil.rmtree(there / WARM)
    engine = HereEngine()
    said = []
    again = reproduce(asked(), there, engine=engine, device="cpu", say=said.append)
    assert engine.started == [WARM]
    assert not any("cold: measuring" in line for line in said)
    assert numbers(again) == numbers(record)


def test_a_run_without_its_weights_is_copied_only_where_nothing_is_left_to_measure(made, tmp_path):
    out, _, _ = made
    there = tmp_path / "there" / "tiny"
    shutil.copytree(out, there, ignore=shutil.ignore_patterns("checkpoints"))
    (there / WARM / "measured.json").unlink()
    engine = HereEngine()
    said = []
    reproduce(asked(), there.with_name("other"), engine=engine, device="cpu", say=said.append)
    assert engine.started == [WARM]
    assert "seed=0-cell=cold: copied from tiny" in said


def test_what_other_settings_measured_is_measured_anew(made, monkeypatch):
    out, _, _ = made
    told = {**ALONE["rotations"].settings, "seeds": 6}
    monkeypatch.setitem(ALONE, "rotations", replace(ALONE["rotations"], settings=told))
    said = []
    reproduce(asked(only=("rotations",)), out, engine=HereEngine(), device="cpu", say=said.append)
    assert "rotations: measuring rotations" in said
    assert measured(out / "alone" / "rotations")["rotations"].protocol == ALONE["rotations"].hash(
        "rotations", dry=True
    )


def test_a_table_that_was_stopped_goes_on_and_a_cell_that_was_not_measured_is(made, tmp_path):
    out = tmp_path / "tiny"
    engine = HereEngine(hang="warm")
    said = []
    record = reproduce(asked(), out, engine=engine, minutes=0.02, device="cpu", say=said.append)
    assert any("minutes are over" in line for line in said)
    assert [one.state for one in record.cells if one.cell == "cold"] == [FINISHED]
    assert [one.state for one in record.cells if one.cell == "warm"] == ["waiting"]
    (out / COLD / "measured.json").unlink()
    engine = HereEngine()
    record = reproduce(asked(), out, engine=engine, device="cpu")
    assert engine.started == [WARM]
    assert all(one.measures for one in record.cells)


@pytest.mark.slow
def test_jobs_of_submitit_make_the_table_of_this_machine(made, tmp_path, monkeypatch):
    pytest.importorskip("submitit", reason="needs the extra: pip install 'contrascope[cluster]'")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    _, _, record = made
    out = tmp_path / "alone" / "tiny"
    engine = SlurmEngine(out, {"timeout_min": 3}, cluster="local")
    said = []
    theirs = reproduce(asked(), out, engine=engine, jobs=2, device="cpu", say=said.append)
    assert not any("copied" in line for line in said)
    assert numbers(theirs) == numbers(record)
    assert all(found for *_, found in numbers(theirs))


def test_all_cells_of_a_seed_come_before_the_next_and_fewer_seeds_take_none_away(made):
    out, _, _ = made
    grid = grid_of_cells(cells("cpu", DRY), 3, None)
    assert [one.seed for one in grid.trials] == ["0", "0", "1", "1", "2", "2"]
    assert len({one.settings.training.seed for one in grid.trials}) == 3
    again = grid_of_cells(cells("cpu", DRY)[:1], 1, recorded(out))
    assert [one.name for one in again.trials] == [COLD, WARM]
    with pytest.raises(InputError, match="0 seeds"):
        grid_of_cells(cells("cpu", DRY), 0, None)


def test_other_scales_words_and_folders_are_refused_before_anything_is_written(made, tmp_path):
    out, _, _ = made
    with pytest.raises(InputError, match="tiny at scale cpu, a dry run"):
        reproduce(asked(scale="gpu"), out, engine=HereEngine())
    with pytest.raises(InputError, match="no cell has hot in its name; they are cold, warm"):
        reproduce(asked(only=("hot",)), tmp_path / "new", engine=HereEngine())
    assert not (tmp_path / "new").exists()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("")
    with pytest.raises(InputError, match=r"holds cat\.jpg and no table"):
        reproduce(asked(), tmp_path / "photos", engine=HereEngine())
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.jpg"]


def test_a_damaged_measurement_is_made_anew(made):
    out, _, record = made
    (out / COLD / "measured.json").write_text("{")
    assert measured(out / COLD) == {}
    again = reproduce(asked(), out, engine=HereEngine(), device="cpu")
    assert again.cells[0].measures["scores"].values == record.cells[0].measures["scores"].values


def test_the_record_is_one_file(made):
    out, _, _ = made
    tree = json.loads((out / "table.json").read_text())
    assert tree["kind"] == "table"
    assert kept_table(out) == kept_table(out / "table.json")
