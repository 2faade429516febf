"""How trials are started, started again and kept, by an engine that trains nothing."""

import json
from dataclasses import replace

import pytest
from sweep_cases import PlayedEngine, grid, settings

from contrascope.errors import InputError
from contrascope.records.sweeps import (
    DIVERGED,
    FINISHED,
    LOST,
    REFUSED,
    WAITING,
    OutcomeRecord,
    SweepRecord,
)
from contrascope.records.typed import write_record
from contrascope.sweeps.grid import label
from contrascope.sweeps.kept import grid_of, recorded
from contrascope.sweeps.run import failed, sweep

FIRST, SECOND = "seed=0-temperature=0.1", "seed=0-temperature=0.2"


def states(folder):
    return {one.name: one.state for one in recorded(folder).trials}


def test_trials_are_started_in_order_and_no_more_at_a_time_than_jobs(tmp_path):
    engine = PlayedEngine()
    sweep(grid(), tmp_path / "s", engine=engine, jobs=3)
    assert [name for name, _ in engine.started] == [one.name for one in grid().trials]
    assert engine.most == 3
    assert set(states(tmp_path / "s").values()) == {FINISHED}


def test_a_worker_that_is_killed_is_started_again_at_once_and_so_often(tmp_path):
    engine = PlayedEngine(scripts={FIRST: [-9, -9]})
    record = sweep(grid(), tmp_path / "s", engine=engine, restarts=2)
    assert [name for name, _ in engine.started][:4] == [FIRST, FIRST, FIRST, SECOND]
    assert record.trials[0].starts == 3
    assert record.trials[0].state == FINISHED
    engine = PlayedEngine(scripts={FIRST: [-9, -9, -9]})
    record = sweep(grid(), tmp_path / "t", engine=engine, restarts=2)
    assert [one.name for one in failed(record)] == [FIRST]
    assert record.trials[0].state == LOST
    assert "its worker ended with code -9 after 3 starts" in record.trials[0].why
    sweep(grid(), tmp_path / "t", engine=engine)  # asked again, it is tried again
    assert states(tmp_path / "t")[FIRST] == FINISHED


def test_an_outcome_of_an_earlier_start_is_not_taken_for_this_one(tmp_path):
    engine = PlayedEngine(scripts={FIRST: [None, 0]})
    sweep(grid(), tmp_path / "s", engine=engine, halving=True, restarts=0)
    assert states(tmp_path / "s")[FIRST] == LOST
    play = PlayedEngine()
    play.end = lambda task, part: 0  # says that all is well, and writes nothing
    record = sweep(grid(seeds=("0",)), tmp_path / "t", engine=play, restarts=0)
    assert {one.state for one in record.trials} == {LOST}


def test_what_is_finished_is_read_and_what_its_user_deleted_is_made_anew(tmp_path):
    engine, folder = PlayedEngine(), tmp_path / "s"
    sweep(grid(), folder, engine=engine)
    sweep(grid(), folder, engine=engine)
    assert len(engine.started) == 4
    (folder / SECOND).rmdir()
    sweep(grid(), folder, engine=engine)
    assert [name for name, _ in engine.started[4:]] == [SECOND]


def test_a_sweep_grows_by_values_and_its_old_trials_stay(tmp_path):
    engine, folder = PlayedEngine(), tmp_path / "s"
    sweep(grid(), folder, engine=engine)
    sweep(grid(("0.1", "0.2", "0.3"), ("0", "1", "2")), folder, engine=engine)
    assert len(engine.started) == 4 + 5
    order = [(one.seed, label(one.values)) for one in recorded(folder).trials]
    assert order == sorted(order)
    with pytest.raises(InputError, match=r"which this grid lacks. Values may be added"):
        sweep(grid(("0.1",)), folder, engine=engine)


def test_another_sweep_in_the_folder_is_refused_by_what_differs(tmp_path):
    sweep(grid(), tmp_path / "s", engine=PlayedEngine())
    before = (tmp_path / "s" / SweepRecord.FILE).read_bytes()
    base = replace(settings(), optim=replace(settings().optim, lr=0.5))
    with pytest.raises(InputError, match=r"optim\.lr: 0\.06 -> 0\.5"):
        sweep(grid(base=base), tmp_path / "s", engine=PlayedEngine())
    assert (tmp_path / "s" / SweepRecord.FILE).read_bytes() == before


def test_a_sweep_that_somebody_holds_is_refused(tmp_path, hold_elsewhere):
    import fcntl

    sweep(grid(), tmp_path / "s", engine=PlayedEngine())
    with (tmp_path / "s" / "sweep.lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="is held by"):
            sweep(grid(), tmp_path / "s", engine=PlayedEngine())


def test_a_refusal_of_the_first_trial_ends_the_sweep_and_a_later_one_does_not(tmp_path):
    refused = OutcomeRecord(state=REFUSED, why="there is no folder x")
    engine = PlayedEngine(scripts={FIRST: [refused]})
    with pytest.raises(InputError, match="there is no folder x"):
        sweep(grid(), tmp_path / "s", engine=engine)
    assert len(engine.started) == 1
    assert list(tmp_path.iterdir()) == []  # what was refused leaves nothing behind
    mine = tmp_path / "mine" / "work" / "notes.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("kept")
    with pytest.raises(InputError, match="there is no folder x"):
        sweep(grid(), tmp_path / "mine", engine=PlayedEngine(scripts={FIRST: [refused]}))
    assert [path.name for path in mine.parents[1].rglob("*")] == ["work", "notes.txt"]
    engine = PlayedEngine(scripts={SECOND: [refused]})
    record = sweep(grid(), tmp_path / "t", engine=engine)
    assert [one.name for one in failed(record)] == [SECOND]
    assert len(engine.started) == 4


def test_a_trial_that_diverged_is_not_tried_again(tmp_path):
    engine = PlayedEngine(scripts={FIRST: [OutcomeRecord(state=DIVERGED, why="nan")]})
    (tmp_path / "s" / FIRST).mkdir(parents=True)
    sweep(grid(), tmp_path / "s", engine=engine)
    sweep(grid(), tmp_path / "s", engine=engine)
    assert len(engine.started) == 4
    assert states(tmp_path / "s")[FIRST] == DIVERGED


def test_a_stop_asks_every_worker_to_save_and_waits(tmp_path):
    scripts = {FIRST: ["hangs"], SECOND: ["ctrl-c"]}
    engine = PlayedEngine(scripts=scripts)
    with pytest.raises(KeyboardInterrupt):
        sweep(grid(), tmp_path / "s", engine=engine, jobs=2)
    assert sorted(engine.stopped) == [FIRST, SECOND]
    assert set(states(tmp_path / "s").values()) == {WAITING}
    sweep(grid(), tmp_path / "s", engine=engine)
    assert set(states(tmp_path / "s").values()) == {FINISHED}


def change(folder, **fields):
    path = folder / SweepRecord.FILE
    tree = json.loads(path.read_text())
    tree["trials"][0] |= fields
    path.write_text(json.dumps(tree))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "../elsewhere"}, "a trial is called '../elsewhere'"),
        ({"name": "seed=0/../../elsewhere"}, "a trial is called"),
        ({"name": SECOND}, "two of one name"),
        ({"state": "burgled"}, "a trial is 'burgled'"),
        ({"settings": 3}, r"trials\[0\]\.settings has an unexpected form"),
        ({"starts": -1}, r"trials\[0\]\.starts"),
    ],
)
def test_a_record_of_another_form_is_refused(fields, said, tmp_path):
    folder = tmp_path / "s"
    sweep(grid(), folder, engine=PlayedEngine())
    change(folder, **fields)
    with pytest.raises(InputError, match=said):
        recorded(folder)
    with pytest.raises(InputError, match=said):
        sweep(grid(), folder, engine=PlayedEngine())


def test_settings_of_a_record_are_read_strictly_and_import_nothing(tmp_path):
    folder = tmp_path / "s"
    sweep(grid(), folder, engine=PlayedEngine())
    tree = recorded(folder).trials[0].settings
    change(folder, settings={**tree, "encoder": {**tree["encoder"], "name": "burglar:Thing"}})
    assert grid_of(recorded(folder)).trials[0].settings.encoder.name == "burglar:Thing"
    change(folder, settings={**tree, "optim": {"kind": "OptimSettings", "rate": 1}})
    with pytest.raises(InputError, match=r"settings\.optim\.rate is not a setting"):
        grid_of(recorded(folder))


def test_a_link_in_place_of_a_run_is_refused_before_anything_starts(tmp_path):
    folder, engine = tmp_path / "s", PlayedEngine()
    (tmp_path / "outside").mkdir()
    folder.mkdir()
    (folder / SECOND).symlink_to(tmp_path / "outside")
    with pytest.raises(InputError, match="is a link"):
        sweep(grid(), folder, engine=engine)
    assert engine.started == []


def test_a_written_outcome_of_another_form_counts_as_none(tmp_path):
    play = PlayedEngine()
    plain = play.end

    def torn(task, part):
        plain(task, part)
        (task.place / OutcomeRecord.FILE).write_text("{")
        return 0

    play.end = torn
    record = sweep(grid(seeds=("0",)), tmp_path / "s", engine=play, restarts=1)
    assert {one.state for one in record.trials} == {LOST}
    write_record(tmp_path / "x.json", OutcomeRecord(state=FINISHED))
