"""The page of several runs: accuracy and answers first, what is the same told once, only the comparable overlaid."""

import pytest
from report_records import answer, diagnosis, evaluation, metrics, settings

from contrascope.reports.comparison.accuracy import accuracies
from contrascope.reports.comparison.curves import OVERLAID, overlays, own_range
from contrascope.reports.comparison.runs import compare, overview
from contrascope.reports.load import load


def with_policy(strength=None, source="digits"):
    held = settings()
    held["policy"] = {**held["policy"], "strength": strength}
    held["data"] = {**held["data"], "source": source}
    return held


def figures(runs, key):
    return overlays([run.name for run in runs], runs, key, OVERLAID[key])


def names(figure):
    return [curve["name"] for curve in figure.data]


def test_accuracy_and_answers_are_the_first_columns_and_what_is_the_same_is_told_once(make_run):
    runs = [load(make_run("a", settings=settings(seed=0))), load(make_run("b", settings=settings(seed=1)))]
    table = overview(["a", "b"], runs)
    assert table.head[:4] == ("run", "kNN (%)", "sound?", "learning?")
    assert table.read.startswith("The same in all 2 runs: method SimCLR, policy digits, data digits, ")
    assert "protocol 0123456789ab" in table.read
    assert "seed" in table.head
    assert not {"method", "policy", "data", "encoder", "protocol"} & set(table.head)
    assert [row[table.head.index("seed")] for row in table.rows] == ["0", "1"]
    assert all(set(column) != {"–"} for column in zip(*table.rows, strict=True))


def test_a_long_reason_leaves_the_word_and_a_short_one_stands_beside_it(make_run):
    short, long = answer("unsound", "cluster collapse"), answer("unsound", "x" * 41)
    runs = [
        load(make_run(name, diagnosis=diagnosis(sound=told))) for name, told in (("a", short), ("b", long))
    ]
    table = overview(["a", "b"], runs)
    place = table.head.index("sound?")
    assert [row[place] for row in table.rows] == ["✗ unsound: cluster collapse", "✗ unsound"]


def test_runs_of_another_policy_or_of_other_images_share_no_figure(make_run):
    held = {"a": with_policy(), "b": with_policy(0.5), "c": with_policy(), "d": with_policy(source="photos")}
    runs = [load(make_run(name, settings=tree)) for name, tree in held.items()]
    retrieval = figures(runs, "h_retrieval")
    assert [names(figure) for figure in retrieval] == [["a", "c"], ["b"], ["d"]]
    assert [figure.title.split(": ")[1] for figure in retrieval] == [
        "images digits, policy digits",
        "images digits, policy digits (settings 2)",
        "images photos, policy digits",
    ]
    assert "another policy have a figure of their own" in retrieval[0].read
    assert [names(figure) for figure in figures(runs, "knn_held_out")] == [["a", "b", "c"], ["d"]]
    looks = [(curve["meta"], curve["line"]["dash"]) for figure in retrieval for curve in figure.data]
    assert looks == [("run 0", "solid"), ("run 2", "dot"), ("run 1", "dash"), ("run 3", "dashdot")]


def test_runs_of_one_policy_share_a_figure_without_a_word_on_it(make_run):
    runs = [load(make_run(name)) for name in "ab"]
    (figure,) = figures(runs, "loss")
    assert figure.title == "Loss"
    assert "figure of their own" not in figure.read


def test_a_run_without_a_curve_does_not_change_the_colours_of_the_others(make_run):
    runs = [load(make_run("a", metrics=metrics(probes=0))), load(make_run("b"))]
    (figure,) = figures(runs, "h_retrieval")
    assert [curve["meta"] for curve in figure.data] == ["run 1"]


def test_accuracies_stand_beside_one_another_with_intervals_and_their_random_encoders(make_run):
    runs = [load(make_run(name)) for name in "ab"]
    (figure,) = accuracies(["a", "b"], runs)
    assert names(figure) == ["a", "b", "random encoders"]
    first, second, random = figure.data
    assert first["x"] == pytest.approx([-0.075, 0.925])
    assert second["x"] == pytest.approx([0.075, 1.075])
    assert first["y"] == [90.0, 90.0]
    assert first["error_y"]["array"] == pytest.approx([1.0, 1.0])
    assert random["y"] == [60.0] * 4
    assert figure.layout["xaxis"]["ticktext"] == ["1 label a class", "kNN"]


def test_runs_of_another_protocol_share_no_figure_of_accuracies(make_run):
    other = {"rows": [{**row, "protocol": "other"} for row in evaluation()["rows"]]}
    runs = [load(make_run("a")), load(make_run("b", evaluation=other)), load(make_run("c", evaluation=None))]
    found = accuracies(["a", "b", "c"], runs)
    assert [figure.title for figure in found] == [
        "Accuracy under protocol 0123456789ab",
        "Accuracy under protocol other",
    ]
    assert [names(figure)[0] for figure in found] == ["a", "b"]
    assert accuracies(["c"], runs[2:]) == []


def test_the_page_of_runs_without_any_number_still_stands(make_run):
    nothing = {"evaluation": None, "diagnosis": None, "metrics": None, "settings": None}
    sections = compare([load(make_run(name, **nothing)) for name in "ab"])
    assert [section.key for section in sections] == ["runs", "curves", "settings"]
    assert sections[0].blocks[0].rows[0][0] == "a"


def test_a_range_without_width_is_zero():
    assert own_range([2.0, 2.0]) == [0.0, 0.0]
