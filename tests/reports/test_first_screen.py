"""The first screen and the order of the page: four numbers beside their references, next steps, folds, the grid."""

import re

import pytest
from report_records import answer as said_of
from report_records import diagnosis, gallery, verdict

from contrascope.reports import page as pages
from contrascope.reports.blocks import Copy, Facts, Table
from contrascope.reports.headline.numbers import numbers, share_reading
from contrascope.reports.headline.parts import Steps
from contrascope.reports.headline.steps import NOTHING, next_steps
from contrascope.reports.imagery import alike, neighbours
from contrascope.reports.load import load
from contrascope.reports.page import render
from contrascope.reports.sections import SECTIONS, fill, placed


@pytest.fixture(autouse=True)
def _light(monkeypatch):
    monkeypatch.setattr(pages, "_plotly", lambda: "/* plotly */")


def test_four_numbers_stand_beside_their_references(make_run):
    found = numbers(load(make_run())).numbers
    assert [one.title for one in found] == [
        "Accuracy, kNN",
        "Accuracy, 1 label a class",
        "A view finds its image first",
        "Directions in use (participation ratio)",
    ]
    assert (found[0].value, found[0].interval) == ("90.0 %", "89.0 to 91.0")
    assert found[0].references == (("reference", "random encoder 60.0 %"), ("pixels", "raw pixels 70.0 %"))
    assert [(mark.role, mark.at) for mark in found[0].marks] == [
        ("reference", 60.0),
        ("pixels", 70.0),
        ("encoder", 90.0),
    ]
    assert (found[0].marks[-1].low, found[0].marks[-1].wide) == (89.0, 2.0)
    assert found[2].references == (("reference", "random weights 2.0 %"),)


def test_without_labels_the_numbers_are_those_that_need_none(make_run):
    told = diagnosis()
    share = {"value": 0.5, "low": 0.4, "high": 0.6}
    told["signals"]["learning"] = {
        "own": {"trained": share, "random": {**share, "value": 0.25}},
        "standard": {"all": {"odds": {"value": 0.0, "low": -1.0, "high": 1.0}}},
    }
    told["signals"]["h"]["effective_rank"], told["signals"]["reference_h"]["effective_rank"] = 8.0, 24.0
    found = numbers(load(make_run(evaluation=None, diagnosis=told))).numbers
    assert [(one.title, one.value, one.interval, one.references) for one in found] == [
        (
            "A view finds its image among 100",
            "50.0 %",
            "40.0 to 60.0",
            (("reference", "random weights 25.0 %"),),
        ),
        ("Directions in use (effective rank)", "8", "of 32", (("reference", "random weights 24"),)),
        ("Odds under standard views", "x 1", "0.37 to 2.7", (("reference", "random weights x 1"),)),
        ("Alignment of two views", "0.3", "0.28 to 0.32", (("reference", "random weights 0.3"),)),
    ]
    assert [mark.at for mark in found[1].marks] == [75.0, 25.0]


def test_nothing_measured_gives_no_numbers_and_a_mark_stays_on_its_scale(make_run):
    assert numbers(load(make_run(evaluation=None, diagnosis=None))) is None
    assert share_reading("x", None, []) is None
    reading = share_reading("x", (1.2, 0.9, 1.5), [("reference", "chance", (-0.1, -0.1, -0.1))])
    assert [(mark.at, mark.low, mark.wide) for mark in reading.marks] == [
        (0.0, 0.0, 0.0),
        (100.0, 90.0, 10.0),
    ]


def test_next_steps_are_named_once_in_the_order_of_the_answers(make_run):
    one = said_of("unsound", next="Stop.")
    two = said_of("cannot be told", next="Stop.")
    told = diagnosis(sound=one, learning=two, useful=said_of("label more", next="Label."))
    assert next_steps(load(make_run("a", diagnosis=told))).steps == ("Stop.", "Label.")
    none = {name: {**answer, "next": ""} for name, answer in verdict().items()}
    assert next_steps(load(make_run("b", diagnosis=diagnosis(**none)))).steps == (NOTHING,)
    asked = next_steps(load(make_run("c", diagnosis=None, evaluation=None, metrics=None))).steps
    assert asked[0] == "Ask whether it is sound and learning: contrascope diagnose RUN"
    assert asked[-1].endswith("contrascope evaluate RUN DATA")


def test_the_row_of_pictures_pairs_random_images_with_their_nearest(make_run):
    shown = gallery()
    row = shown["neighbours"][0]
    shown["neighbours"] = [
        *({**row, "name": f"plain {i}", "confusing": False} for i in range(6)),
        *({**row, "name": f"hard {i}"} for i in range(2)),
    ]
    run = load(make_run(gallery=shown))
    found = alike(run)
    assert [[tile.name for tile in strip.tiles] for strip in found.rows] == [
        [f"plain {i}", "image 0"] for i in range(4)
    ]
    assert "drawn at random" in found.read
    assert [strip.heading.split(" (")[0] for strip in neighbours(run).rows[:4]] == [
        "plain 0",
        "hard 0",
        "plain 1",
        "hard 1",
    ]
    shown["neighbours"] = [row]
    assert "drawn at random" not in alike(load(make_run("other", gallery=shown))).read


def test_rows_of_pictures_carry_class_and_cluster_for_the_filter(make_run):
    shown = gallery()
    shown["map"]["pseudo"] = [7, *shown["map"]["pseudo"][1:]]
    (strip,) = neighbours(load(make_run(gallery=shown))).rows
    assert (strip.label, strip.cluster) == ("zero", "pseudo-class 7")
    text = render([make_run("b", gallery=shown)])
    assert 'data-label="zero" data-cluster="pseudo-class 7"' in text
    (bare,) = neighbours(load(make_run("c", gallery={**shown, "map": None}))).rows
    assert bare.cluster == ""


def test_pictures_training_and_map_come_first_and_theory_is_folded_behind_its_line(make_run):
    keys = [section.key for section in SECTIONS]
    assert keys[:4] == ["verdict", "images", "training", "map"]
    run = load(make_run())
    folded = {section.key: fill(section, run).line for section in SECTIONS if section.line}
    assert list(folded) == ["suites", "advice", "theory", "geometry", "settings"]
    assert folded["theory"] == (
        "1 of 3 bounds are informative. R_eps: encoder h: half of the images have a pair of views farther apart than "
        "1. sigma(delta): encoder h, mean over classes: sigma reaches one half at delta 1."
    )
    assert folded["suites"] == (
        "Accuracy 80.0 % on the originals, 80.0 % on the copy that costs most (crop); transfer to 1 of 2 sets."
    )
    assert folded["advice"] == "1 of 2 operations are useful; best policy usual."
    text = render([make_run("b")])
    inside = re.findall(r'<details class="fold">.*?</details>\s*</section>', text, flags=re.S)
    assert len(inside) == 5
    assert "Bounds of the theory" in "".join(inside)
    assert "Map of embeddings" not in "".join(inside)


def test_every_function_of_the_page_stands_in_one_section():
    names = [
        (function.__module__, function.__name__) for section in SECTIONS for function in section.functions
    ]
    assert len(names) == len(set(names))


def test_blocks_fill_every_row_of_the_grid():
    small = Table(title="t", head=("a", "b"), rows=[("1", "2")])
    large = Table(title="t", head=("a",) * 7, rows=[])
    copy, facts = Copy(title="c", text="x"), Facts(title="f", pairs=())
    assert [span for span, _ in placed([small, copy, large, small, facts, copy])] == [6, 6, 12, 12, 12, 12]
    assert placed([]) == []
    assert [span for span, _ in placed([Steps(title="s", steps=()), small])] == [4, 8]
