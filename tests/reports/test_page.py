import base64
import hashlib
import itertools
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from report_records import (
    IMAGE,
    SCRIPT,
    advice,
    answer,
    bound,
    diagnosis,
    environment,
    estimate,
    gallery,
    layer,
    metrics,
    robustness,
    settings,
    sheet,
    shortcut,
    transfer,
)

from contrascope.errors import InputError
from contrascope.reports import page as pages
from contrascope.reports.comparison.curves import own_range
from contrascope.reports.page import render, write_report
from contrascope.reports.sections import SECTIONS

RECORDS = ("settings", "environment", "evaluation", "diagnosis", "gallery")
VOID = {"meta", "img", "input", "br", "link", "hr"}


class Page(HTMLParser):
    """Elements, attributes, text and headings of a page, without running it."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.text, self.scripts = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append([dict(attrs), ""])

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1][1] += data
        elif self.open and self.open[-1] != "style":
            self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def said(self):
        return " ".join(" ".join(self.text).split())

    @property
    def data(self):
        return json.loads(next(text for attributes, text in self.scripts if attributes.get("id") == "data"))


@pytest.fixture
def real_plotly():
    """For tests that look at Plotly's own code; the others do without its 5 MB."""


@pytest.fixture(autouse=True)
def _light(request, monkeypatch):
    if "real_plotly" not in request.fixturenames:
        monkeypatch.setattr(pages, "_plotly", lambda: "/* plotly */")


def page(*runs):
    return Page(render(runs))


def assert_inert(found, scripts=3):
    assert len(found.scripts) == scripts
    for tag, attributes in found.elements:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        assert not any("javascript:" in (value or "") for value in attributes.values())
    assert {tag for tag, _ in found.elements} & {"img", "iframe", "object", "embed", "link"} == set()


def test_a_whole_run_shows_every_section_in_order_and_nothing_is_missing(make_run):
    found = page(make_run())
    headings = [attributes["id"] for attributes in found.all("h2")]
    assert headings == [f"{section.key}-title" for section in SECTIONS]
    assert "Not everything was found" not in found.said
    assert "a record has an unexpected form" not in found.said
    assert not [a for tag, a in found.elements if a.get("class") == "notice"]
    assert found.open == []


def test_hostile_names_are_shown_as_text_and_make_no_element(make_run):
    hostile = settings()
    hostile["data"]["source"] = IMAGE
    hostile[SCRIPT] = {"kind": SCRIPT, IMAGE: SCRIPT}
    told = {**diagnosis(), "data": SCRIPT}
    told["verdict"] = {
        name: answer(IMAGE, SCRIPT, [SCRIPT], IMAGE, SCRIPT) for name in ("sound", "learning", "useful")
    }
    told["factors"] = {f"h {SCRIPT}": told["factors"]["h label"]}
    shown = gallery(classes=(SCRIPT, IMAGE))
    shown["views"][0] |= {"name": IMAGE}
    shown["views"][0]["views"][0]["parameters"] = [SCRIPT]
    shown["policy"], shown["map"]["pseudo_rule"], shown["map"]["splits"] = IMAGE, SCRIPT, [IMAGE]
    shown["map"]["names"] = [IMAGE] * 40
    rows = metrics(judged=lambda e: {"sound": IMAGE, "learning": SCRIPT, "reason": IMAGE, "verdict": SCRIPT})
    bad = {"count": 1, "images": [{"name": IMAGE, "reason": SCRIPT}]}
    scores = {
        "rows": [{"of": SCRIPT, "name": IMAGE, **estimate(0.5), "n": 3, "split": SCRIPT, "protocol": IMAGE}]
    }
    run = make_run(
        SCRIPT.replace("/", "_"),
        settings=hostile,
        diagnosis=told,
        gallery=shown,
        metrics=rows,
        bad_images=bad,
        evaluation=scores,
        environment={**environment(), "command": [SCRIPT, IMAGE]},
    )
    found = page(run)
    assert_inert(found)
    assert found.said.count(SCRIPT) > 8
    assert found.said.count(IMAGE) > 5
    assert found.open == []


def test_hostile_names_in_suites_and_advice_are_text(make_run):
    robust, moved, told = robustness(), transfer(), advice()
    robust["rows"] = [{**row, "of": SCRIPT, "copy": IMAGE} for row in robust["rows"]]
    moved["sets"]["pets"] |= {"name": IMAGE, "not_available": {SCRIPT: IMAGE}}
    told |= {"data": SCRIPT, "policy": IMAGE, "policies": [{"name": SCRIPT, "ops": [{"kind": IMAGE}]}]}
    told["verdicts"] = [{**one, "name": SCRIPT, "word": IMAGE, "reason": SCRIPT} for one in told["verdicts"]]
    told["ranking"] = [{**one, "name": SCRIPT, "reason": IMAGE} for one in told["ranking"]]
    records = {"evaluation-augmented": robust, "evaluation-transfer": moved, "advice": told}
    found = page(make_run(**records))
    assert_inert(found)
    assert found.said.count(SCRIPT) > 8
    assert found.said.count(IMAGE) > 8


def test_suites_show_gaps_with_bounds_and_name_what_is_not_available(make_run):
    said = page(make_run()).said
    assert "trained encoder crop +0.123 [+0.100, +0.150] 2.5 +0.123 [+0.100, +0.150] 2.5 0.321" in said
    assert "SimCLR, CIFAR-10, batch 256 (published) 83.21 86.76" in said
    assert "trained encoder noise 80.0 [75.0, 85.0] 80.0 [75.0, 85.0] 0.123 / 2.5" in said
    assert "shapes top1 test 51.2 [50.0, 53.0], C 3.16" in said
    assert "pets the set no network here" in said
    assert "mean of the 1 available of 2 51.20" in said


def test_an_advice_shows_its_words_with_their_signs_and_its_ranking(make_run):
    said = page(make_run()).said
    assert "crop ✓ useful 0.92 17 % of the views find their image." in said
    assert "flip ✗ destructive – Left and right differ." in said
    assert "1 usual RandomResizedCrop, ColorJitter 0.9 [0.88, 0.92] concentration 0.9" in said
    assert "Ranked without training" in said


def test_suites_and_advice_are_left_out_where_there_are_none(make_run):
    none = {"evaluation-augmented": None, "evaluation-transfer": None, "advice": None}
    found = page(make_run(**none))
    assert {"suites-title", "advice-title"} & {a["id"] for a in found.all("h2")} == set()
    assert not [a for tag, a in found.elements if a.get("class") == "notice"]


def test_numbers_without_a_word_are_shown_under_their_path(make_run):
    told = diagnosis()
    told["signals"]["h"]["brand"] = {"new": estimate(0.25)}
    told["factors"]["h label"]["other.one"] = 0.375
    rows = [{**row, "h_brand_new": 0.125} for row in metrics()]
    said = page(make_run(diagnosis=told, metrics=rows)).said
    assert "brand.new 0.25 [0.23, 0.27] –" in said
    assert "other.one" in said
    assert "h_brand_new 0.125 0.125 8" in said


def test_a_part_that_is_missing_and_a_newer_format_are_named(make_run):
    told = {key: value for key, value in diagnosis().items() if key != "factors"}
    newer = {**robustness(), "format": 9}
    said = page(make_run(diagnosis=told, **{"evaluation-augmented": newer})).said
    assert "diagnosis.json lacks factors." in said
    assert "evaluation-augmented.json has format 9, written by a newer version" in said
    assert "SimCLR, CIFAR-10" in said


def test_hostile_names_in_figures_are_escaped_for_plotly_too(make_run):
    run = make_run(evaluation={"rows": [{"of": "<b>x</b>", "name": SCRIPT, **estimate(0.5)}]})
    drawn = json.dumps(page(run).data["figures"])
    assert "&lt;b&gt;x" in drawn
    assert "<" not in drawn.replace("<br>", "")


def test_a_comparison_with_hostile_folder_names_is_inert(make_run):
    runs = [make_run(name) for name in ("<script>x<_script>", '"><img onerror=x>')]
    found = page(*runs)
    assert_inert(found)
    assert "<script>x<_script>" in found.said
    assert "<" not in json.dumps(found.data["figures"])


def test_a_sheet_that_is_no_base64_cannot_leave_the_style_element(make_run):
    shown = gallery()
    shown["sheets"][0]["data"] = "A);}</style><script>alert(1)</script>"
    found = page(make_run(gallery=shown))
    assert_inert(found)
    assert "gallery.json is damaged and was left out" in found.said


def test_the_policy_allows_exactly_the_scripts_of_the_page_and_no_network(make_run, real_plotly):
    found = page(make_run())
    policy = next(a["content"] for a in found.all("meta") if "http-equiv" in a)
    ours = [text for attributes, text in found.scripts if "type" not in attributes]
    hashes = {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in ours}
    assert len(ours) == 2
    assert set(re.findall(r"'sha256-([^']+)'", policy)) == hashes
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy
    assert "\r" not in "".join(ours)


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize(
    "text", [None, "", "{", "[1, 2]", '"text"', "{}", "\x00\xff", '{"a": ' * 3000], ids=range(8)
)
def test_a_missing_or_damaged_record_costs_its_parts_and_not_the_page(make_run, name, text):
    found = page(make_run(**{name: text}))
    assert len(found.all("h2")) == len(SECTIONS)
    if text != "{}":
        assert f"{name}.json is {'missing' if text is None else 'damaged'}" in found.said


STRANGE = (
    ("evaluation", {"rows": "no"}),
    ("evaluation", {"rows": [{"of": 3, "value": "x"}, None]}),
    ("diagnosis", {"verdict": "healthy", "signals": [], "factors": 3}),
    ("diagnosis", {"verdict": {"sound": "sound", "learning": {"word": 3}, "useful": {}, "word": 3}}),
    ("diagnosis", {"verdict": {"sound": {"word": "sound", "evidence": 3}, "learning": {"word": ""}}}),
    ("diagnosis", {"verdict": {"word": 3}, "signals": {"h": "x"}, "factors": {"h": {"bounds": [3, {}]}}}),
    ("diagnosis", {"factors": {"h": {"bounds": [{"conditions": [1], "terms": []}]}}}),
    ("gallery", {"sheets": 3, "views": [{"tile": 99}], "map": {"pca": {"x": [1], "y": []}}}),
    ("gallery", {"views": [{"tile": "x"}], "spectra": {"h": "abc"}, "r_epsilon": [1], "map": {"pca": 3}}),
    ("gallery", {**gallery(), "map": {"pca": {"x": [None], "y": ["a"]}, "label": [None]}}),
    ("settings", {"data": 3, "training": [], "method": None}),
    ("environment", {"versions": [], "image_shape": 3, "images": "many"}),
    ("evaluation-augmented", {"rows": [{}, {"severity": 3}], "robustness": [{}], "published": [{}]}),
    (
        "evaluation-transfer",
        {"sets": {"a": {"rows": [{}]}, "b": 3}, "asked": ["c", "a"], "summary": {"x": {}}},
    ),
    (
        "advice",
        {"survey": {"known": {}}, "verdicts": [{}], "ranking": [{}, 3], "plan": {"rounds": [[1], [2, 3]]}},
    ),
    ("geometry", {"trained": {"features": {}, "operations": [{"layers": {"h": {}}}]}, "reference": None}),
)


BESIDE = "the pictures of the shortcut are damaged and were left out"


def test_a_shortcut_is_shown_first_and_its_thumbnails_are_not_those_of_the_gallery(make_run):
    found = page(make_run(diagnosis={**diagnosis(), "shortcut": shortcut()}))
    assert_inert(found)
    assert found.said.count("What the shortcut looks like") == 2  # the link and the heading
    assert "In 60 of 100 images a view lies at least as near to its own pixels in random order" in found.said
    tiles = [a for a in found.all("span") if a.get("role") == "img"]
    assert [a["class"] for a in tiles[:2]] == ["tile sheet-0"] * 2  # the row of the first screen
    tiles = tiles[2:]
    assert [a["class"] for a in tiles[:6]] == ["tile sheet-1"] * 6
    assert {a["class"] for a in tiles[6:]} == {"tile sheet-0"}
    assert tiles[4]["aria-label"] == "shuffled 0.65: image 1"
    assert tiles[4]["style"] == "--column: 4; --row: 0"
    assert [one["first"] for one in found.data["sheets"]] == [0, 2**32]


def test_a_record_without_pictures_of_a_shortcut_has_neither_the_section_nor_the_link(make_run):
    for name, held in (("old", diagnosis()), ("none", {**diagnosis(), "shortcut": None})):
        found = page(make_run(name, diagnosis=held))
        assert "What the shortcut looks like" not in found.said
        assert "lacks" not in found.said
        assert [a for a in found.all("a") if a["href"] == "#shortcut-pictures"] == []


def test_pictures_of_a_shortcut_stand_without_a_gallery_and_hostile_names_are_text(make_run):
    shown = shortcut(
        "brightness, contrast or sharpness", {"mean": [0.25], "contrast": [None], "sharpness": 0}
    )
    shown["rows"][0]["view"]["name"] = IMAGE
    shown["rows"][1]["decoy"]["name"] = SCRIPT
    found = page(make_run(gallery=None, diagnosis={**diagnosis(), "shortcut": shown}))
    assert_inert(found, scripts=3)
    assert IMAGE in found.said
    assert f"{SCRIPT} mean 0.25 contrast – sharpness 0" in found.said
    assert "No pictures: gallery.json is missing" not in found.said


def damaged(**changed):
    return {**diagnosis(), "shortcut": {**shortcut(), **changed}}


def lost(place, **changed):
    held = shortcut()["rows"]
    held[1][place] = None if not changed else {**held[1][place], **changed}
    return damaged(rows=held)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (damaged(sheets=[{**sheet(6), "data": "A);}</style><script>alert(1)</script>"}]), BESIDE),
        (damaged(sheets=[{**sheet(6), "columns": 0}]), BESIDE),
        (damaged(sheets=[{**sheet(6), "first": None}]), BESIDE),
        (damaged(sheets=[]), BESIDE),
        (damaged(reason=SCRIPT), BESIDE),
        (damaged(sheets=3), "diagnosis.json: shortcut.sheets has an unexpected form"),
        (lost("decoy"), BESIDE),
        (lost("other", tile=6), BESIDE),
        (lost("view", tile=-1), BESIDE),
        (damaged(rows="no"), "diagnosis.json: shortcut.rows has an unexpected form"),
        ({**diagnosis(), "shortcut": [3]}, "diagnosis.json: shortcut has an unexpected form"),
        ({**diagnosis(), "shortcut": {}}, "diagnosis.json lacks shortcut.reason"),
    ],
    ids=range(12),
)
def test_damaged_pictures_of_a_shortcut_cost_themselves_alone(make_run, told, said):
    found = page(make_run(diagnosis=told))
    assert_inert(found)
    assert said in found.said
    assert "What the shortcut looks like" not in found.said
    assert "Images and their views under the policy" in found.said
    assert "✓ learning" in found.said


def test_a_damaged_gallery_leaves_the_pictures_of_a_shortcut(make_run):
    shown = gallery()
    shown["sheets"][0]["columns"] = 0
    told = {**diagnosis(), "shortcut": shortcut()}
    found = page(make_run(gallery=shown, diagnosis=told))
    assert "gallery.json is damaged and was left out" in found.said
    assert [a["class"] for a in found.all("span") if a.get("role") == "img"] == ["tile sheet-0"] * 6
    without = page(make_run("without", gallery={**gallery(), "sheets": []}, diagnosis=told))
    assert "“views” was left out" in without.said  # not shown with a picture of the shortcut


@pytest.mark.parametrize(("name", "value"), STRANGE, ids=range(len(STRANGE)))
def test_records_of_an_unexpected_form_never_end_in_an_error(make_run, name, value):
    found = page(make_run(**{name: value}))
    assert len(found.all("h2")) == len(SECTIONS)
    assert_inert(found)
    compared = page(make_run("a", **{name: value}), make_run("b"))
    assert_inert(compared)


def test_torn_and_foreign_lines_of_the_metrics_are_counted_and_left_out(make_run):
    lines = [json.dumps(row) for row in metrics(steps=4)]
    text = "\n".join([*lines[:2], '{"kind": "st', "3", *lines[2:], '{"kind": "step", "step": 9, "lo'])
    assert "metrics.jsonl: 3 of 11 lines are damaged" in page(make_run(metrics=text)).said


def test_an_empty_folder_gives_a_page_that_names_what_is_missing(tmp_path):
    found = page(tmp_path)
    for name in ("settings.json", "metrics.jsonl", "gallery.json", "diagnosis.json", "evaluation.json"):
        assert f"{name} is missing" in found.said
    assert "contrascope diagnose RUN" in found.said
    assert_inert(found, scripts=2)


def test_a_path_that_is_no_folder_and_no_path_at_all_are_refused(tmp_path):
    with pytest.raises(InputError, match="is no folder; expected the folder of a run"):
        render([tmp_path / "nothing"])
    with pytest.raises(InputError, match="no run was named"):
        render([])


def test_an_old_run_without_probes_diagnosis_and_gallery_still_shows_its_training(make_run):
    run = make_run(diagnosis=None, gallery=None, metrics=metrics(probes=0))
    found = page(run)
    assert found.said.count("– not diagnosed") == 3
    assert "Nobody has asked: contrascope diagnose RUN" in found.said
    assert "No map: gallery.json is missing" in found.said
    assert [key for key in found.data["figures"] if key.startswith("training")]
    assert "Loss by halves" in found.said


def test_every_figure_has_a_text_alternative_a_name_for_each_axis_and_a_table(make_run):
    text = render([make_run()])
    found = Page(text)
    plots = [a for a in found.all("div") if "plot" in a.get("class", "").split()]
    assert len(plots) == len(found.data["figures"]) + len(found.data["maps"]) >= 10
    assert all(len(a["aria-label"]) > 20 and a["role"] == "img" for a in plots)
    for figure in found.data["figures"].values():
        assert all(figure["layout"][axis]["title"]["text"] for axis in ("xaxis", "yaxis"))
    for part in re.findall(r"<figure.*?</figure>", text, flags=re.S):
        assert "<details>" in part
        assert part.count("<tr>") >= 2
        assert re.search(r"<figcaption>\s*\S", part)


def test_figures_are_told_apart_by_more_than_colour(make_run):
    figures = page(make_run()).data["figures"]
    for key, figure in figures.items():
        looks = [
            json.dumps([t.get("line", {}).get("dash"), t.get("marker"), t["type"]])
            for t in figure["data"]
            if t.get("showlegend", True)
        ]
        assert len(set(looks)) == len(looks), key


def test_plotly_takes_every_figure(make_run):
    from plotly.graph_objects import Figure

    for figure in page(make_run()).data["figures"].values():
        assert Figure(figure).data


def test_headings_go_down_one_level_at_a_time_and_every_tile_says_what_it_is(make_run):
    found = page(make_run())
    levels = [int(tag[1]) for tag, _ in found.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    tiles = [a for a in found.all("span") if a.get("role") == "img"]
    assert tiles
    assert all(a["aria-label"] for a in tiles)
    assert any("random resized crop: box 0 0 4 4" in a["aria-label"] for a in tiles)


def test_the_bounds_say_vacuous_or_informative_and_show_the_true_error(make_run):
    said = page(make_run()).said
    assert "error, good ≤ 0.4 at 2 views an image ≤ 0.41 0.25 ● informative (trivial value 0.9)" in said
    assert "error, poor ≤ 0.95 at 2 views an image ≤ 0.96 0.25 ○ vacuous (trivial value 0.9)" in said
    assert "error, fails no bound – 0.25 ○ vacuous (fails: rho <= 1/2)" in said
    assert "1 of 3 bounds are informative" in said


def told_of_one_bound(one, **factors):
    told = diagnosis()
    told["factors"]["h label"] |= {"bounds": [one]} | factors
    return told


def test_a_lower_bound_is_informative_above_the_trivial_value(make_run):
    one = bound("L_2", 1.0, lower=True, trivial=-0.3, terms={}, limit=None)
    assert (
        "L_2 ≥ 1 at 2 views an image – – ● informative"
        in page(make_run(diagnosis=told_of_one_bound(one))).said
    )


def test_the_limit_on_new_images_decides_on_the_word(make_run):
    one = bound("error", 0.4, limit=0.95)
    assert (
        "≤ 0.95 0.25 ○ vacuous (trivial value 0.9)" in page(make_run(diagnosis=told_of_one_bound(one))).said
    )


def test_bounds_over_pseudo_classes_are_circular(make_run):
    told = told_of_one_bound(bound("error", 0.1), pseudo=True)
    assert (
        "○ vacuous (circular: the classes were made from this embedding)"
        in page(make_run(diagnosis=told)).said
    )


def test_a_bound_of_an_older_version_is_not_judged_and_its_error_is_not_shown(make_run):
    one = {
        key: value for key, value in bound("error", 0.1).items() if key not in ("limit", "scope", "circular")
    }
    said = page(make_run(diagnosis=told_of_one_bound(one))).said
    assert "error ≤ 0.1 – – ○ not judged (by a version that did not look at other images)" in said
    assert "0 of 1 bounds are informative" in said


def test_every_resolved_setting_and_the_command_that_repeats_the_run_are_there(make_run):
    run = make_run("a run")
    found = page(run)
    for words in ("method.temperature 0.5", "encoder.mean 0.5", "policy.strength none"):
        assert words in found.said
    assert f"contrascope train '{run}' --out '{run}-again'" in found.said
    assert len([a for a in found.all("button") if "data-copy" in a]) == 2


def test_each_sheet_of_thumbnails_is_embedded_once(make_run):
    text = render([make_run()])
    assert text.count("data:image/webp;base64,") == 1


def test_several_runs_give_one_row_a_run_overlaid_curves_and_marked_differences(make_run):
    runs = [
        make_run(f"run{i}", settings=settings(seed=i), diagnosis=None if i else diagnosis()) for i in range(6)
    ]
    found = page(*runs)
    assert [a["id"] for a in found.all("h2")] == ["runs-title", "curves-title", "settings-title"]
    assert "1 of" in found.said
    assert "training.seed 0 ≠ 1 ≠ 2 ≠ 3 ≠ 4 ≠ 5" in found.said
    assert len([a for a in found.all("td") if a.get("class") == "differs"]) == 5
    lengths = {key: len(figure["data"]) for key, figure in found.data["figures"].items()}
    assert lengths.pop("runs-1") == 7  # six runs and their random encoders
    assert set(lengths.values()) == {6}
    assert "90.0 [89.0, 91.0]" in found.said
    assert [a for a in found.all("table") if a.get("class") == "sortable"]
    steps = found.data["figures"]["curves-0"]["data"][0]["x"]
    assert steps == [s / 2 for s in range(1, 9)]


def test_losses_of_different_methods_share_no_axis(make_run):
    other = settings()
    other["method"] = {"kind": "BarlowTwinsSettings"}
    large = [{**row, "loss": 100 * row["loss"]} if row["kind"] == "step" else row for row in metrics()]
    one, two = make_run("one"), make_run("two", settings=other, metrics=large)
    same = make_run("same")
    assert "share of each run's own range" not in page(one, same).said
    mixed = page(one, two).said
    assert "Loss, as a share of each run's own range" in mixed
    assert "A view finds its image, encoder h, as a share" not in mixed
    assert own_range([5.0, None, 4.0, 3.0]) == [1.0, None, 0.5, 0.0]
    assert own_range([2.0, 2.0]) == [0.0, 0.0]


def test_runs_of_the_same_name_are_told_apart(make_run):
    found = page(make_run("a/run"), make_run("b/run"))
    names = [trace["name"] for trace in found.data["figures"]["curves-0"]["data"]]
    assert len(set(names)) == 2


@pytest.mark.slow
def test_a_page_of_20_000_points_and_a_long_run_stays_within_12_megabytes(make_run, real_plotly):
    shown = gallery(points=20_000)
    shown["sheets"].append({**sheet(1), "first": 20_002, "data": "A" * 5_000_000})
    run = make_run(gallery=shown, metrics=metrics(steps=20_000, probes=10))
    out = write_report([run], run / "report.html")
    assert out.stat().st_size <= 12_000_000
    curve = Page(out.read_text()).data["figures"]["training-0"]["data"][0]
    assert len(curve["x"]) <= 1200
    assert curve["x"][0] == 1
    assert curve["x"][-1] == 20_000


def test_writing_replaces_the_old_page_whole_and_makes_its_folder(make_run, tmp_path):
    out = tmp_path / "new" / "page.html"
    write_report([make_run()], out)
    write_report([make_run("other")], out)
    assert "other: contrascope report" in out.read_text()
    assert [path.name for path in out.parent.iterdir()] == ["page.html"]


def test_a_lone_surrogate_in_a_name_does_not_stop_the_page(make_run, tmp_path):
    told = {**settings(), "data": {"source": "\ud800 name"}}
    out = write_report([make_run(settings=told)], tmp_path / "page.html")
    assert "? name" in out.read_text()


def test_a_page_needs_neither_torch_nor_numpy(make_run):
    code = (
        "import sys; from pathlib import Path; from contrascope.reports.page import render; "
        "text = render([Path(sys.argv[1])]); "
        "print(sorted({'torch', 'numpy', 'jaxtyping', 'contrascope.training'} & set(sys.modules)))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(make_run())], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "[]"


def test_signals_stand_beside_their_reference_with_intervals(make_run):
    said = page(make_run()).said
    assert "0.4 [0.38, 0.42] 0.02 [0, 0.04]" in said
    none = {**diagnosis(), "signals": {"h": {**layer(), "views": None}}}
    assert "a view finds its image first (share)" in said
    assert "a view finds its image first (share)" not in page(make_run("other", diagnosis=none)).said


def test_gains_over_random_weights_stand_in_a_table_of_their_own(make_run):
    told = diagnosis()
    gain = {"odds": estimate(1.5), "trained": estimate(0.8), "random": estimate(0.4)}
    told["signals"]["learning"] = {"own": gain, "standard": {"crop": gain}, "residual": {}, "bait": None}
    said = page(make_run(diagnosis=told)).said
    assert "own views (log odds) 1.5 [1.48, 1.52]" in said
    assert "standard views: crop, random encoder (share of galleries of 100) 0.4 [0.38, 0.42]" in said
    assert "own views without trivial statistics (log odds)" not in said
    assert "Better than random weights?" not in page(make_run("other")).said
