import pytest
from sweep_cases import PlayedEngine, grid, mark, settings

from contrascope.errors import InputError
from contrascope.records.sweeps import DROPPED, FINISHED
from contrascope.sweeps.halving import choose, common_epochs
from contrascope.sweeps.kept import recorded
from contrascope.sweeps.run import sweep

TEMPERATURES = ("0.1", "0.2", "0.3", "0.4", "0.5")


def test_the_better_half_by_the_mean_over_seeds_goes_on():
    marks = {
        "a": [mark(knn=0.9), mark(knn=0.1)],
        "b": [mark(knn=0.6), mark(knn=0.6)],
        "c": [mark(knn=0.4), mark(knn=0.7)],
    }
    found = choose(marks, unlike=False)
    assert (found.by, found.kept, found.dropped) == ("knn_held_out", ("b", "c"), ("a",))


def test_without_labels_the_label_free_score_decides_and_what_has_none_comes_last():
    marks = {"a": [mark(free=None, sound="unsound")], "b": [mark(free=0.1)], "c": [mark(free=0.5)]}
    found = choose(marks, unlike=False)
    assert (found.by, found.kept) == ("label_free", ("b", "c"))
    nothing = choose(marks, unlike=True)
    assert (nothing.by, nothing.kept, nothing.dropped) == (None, ("a", "b", "c"), ())


def test_a_setting_that_broke_comes_last_and_is_no_hindrance():
    marks = {"a": [mark(knn=0.9), None], "b": [mark(knn=0.2), mark(knn=0.2)]}
    assert choose(marks, unlike=False).kept == ("b",)
    assert choose({"a": [None], "b": [mark(free=None)]}, unlike=False).dropped == ("a",)


def test_trials_of_other_lengths_are_refused():
    with pytest.raises(InputError, match=r"one number of epochs; this grid has 5, 10"):
        common_epochs([10, 5])


def test_rungs_leave_half_and_pause_the_others_in_the_order_of_the_sweep(tmp_path):
    engine = PlayedEngine(scores={f"temperature={one}": float(one) for one in TEMPERATURES})
    sweep(grid(TEMPERATURES), tmp_path / "s", engine=engine, halving=True)
    rung = [(f"seed={seed}-temperature={one}", 2) for seed in (0, 1) for one in TEMPERATURES]
    assert engine.started[:10] == rung
    second = [(f"seed={seed}-temperature={one}", 4) for seed in (0, 1) for one in ("0.3", "0.4", "0.5")]
    assert engine.started[10:16] == second
    assert [until for _, until in engine.started[16:]] == [None] * 4
    record = recorded(tmp_path / "s")
    assert [(one.epoch, one.by, one.dropped) for one in record.rungs] == [
        (2, "knn_held_out", ("temperature=0.1", "temperature=0.2")),
        (4, "knn_held_out", ("temperature=0.3",)),
    ]
    ended = {one.name: (one.state, [at.epoch for at in one.marks]) for one in record.trials}
    assert ended["seed=1-temperature=0.5"] == (FINISHED, [2, 4, 8])
    assert ended["seed=0-temperature=0.1"] == (DROPPED, [2])


def test_a_sweep_that_stopped_between_rungs_runs_nothing_twice(tmp_path):
    engine = PlayedEngine(
        scores={"temperature=0.2": 0.9}, scripts={"seed=1-temperature=0.2": [None, "ctrl-c"]}
    )
    with pytest.raises(KeyboardInterrupt):
        sweep(grid(base=settings(epochs=8)), tmp_path / "s", engine=engine, halving=True)
    assert len(engine.started) == 6
    sweep(grid(base=settings(epochs=8)), tmp_path / "s", engine=engine, halving=True)
    assert engine.started[6:] == [("seed=1-temperature=0.2", None)]
    assert len(recorded(tmp_path / "s").rungs) == 1


def test_a_halving_sweep_takes_no_more_values(tmp_path):
    sweep(grid(), tmp_path / "s", engine=PlayedEngine(), halving=True)
    with pytest.raises(InputError, match=r"settings\.grid\.method\.temperature"):
        sweep(grid(TEMPERATURES), tmp_path / "s", engine=PlayedEngine(), halving=True)
    with pytest.raises(InputError, match=r"settings\.halving: True -> False"):
        sweep(grid(), tmp_path / "s", engine=PlayedEngine())
