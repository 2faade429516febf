import json
import re
import xml.etree.ElementTree as ET

import pytest
from report_records import IMAGE, SCRIPT, gallery, geometry, geometry_probe, metrics, settings

from contrascope.errors import InputError
from contrascope.reports.static import shown, write_figure
from contrascope.reports.static_panels import NAMES, panels

pytest.importorskip("matplotlib")


def with_probes(rows):
    for row in rows:
        if row["kind"] == "probe":
            row |= {"h_max_cosine": 0.9 - 0.1 * row["epoch"], "h_mean_cosine": 0.1, "z_max_cosine": 0.95}
            row |= geometry_probe(row["epoch"])
    return rows


def texts(path):
    return [
        element.text for element in ET.fromstring(path.read_text()).iter("{http://www.w3.org/2000/svg}text")
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_is_an_svg_with_named_axes_and_a_legend(make_run, tmp_path, name):
    run = make_run(metrics=with_probes(metrics()), geometry=geometry())
    out = write_figure([run], name, tmp_path / "f.svg")
    said = texts(out)
    assert len([text for text in said if text and re.search(r"[a-z]{3}", text)]) >= 3
    for panel in panels(name, [run]):
        assert panel.x in said
        assert panel.y in said


def test_curves_hold_the_numbers_of_the_records(make_run):
    run = make_run(metrics=with_probes(metrics()))
    (loss,) = panels("loss", [run])
    assert [curve.label for curve in loss.curves] == ["loss", "alignment half", "spread half"]
    assert loss.curves[0].x == list(range(1, 9))
    assert loss.curves[0].y == pytest.approx([5 - s / 10 for s in range(1, 9)])
    alignment, largest, mean, knn = panels("alignment-divergence", [run])
    assert alignment.curves[0].y == [0.1 * e for e in range(1, 5)]
    assert largest.curves[0].y == [0.9 - 0.1 * e for e in range(1, 5)]
    assert [curve.label for curve in largest.curves] == ["encoder h", "projector z"]
    assert mean.curves[0].y == [0.1] * 4
    assert knn.curves[0].y == [0.2 * e for e in range(1, 5)]
    (spectrum,) = panels("spectrum", [run])
    assert spectrum.log_x
    assert spectrum.log_y
    assert sum(spectrum.curves[0].y) == pytest.approx(1, rel=1e-5)


def test_intervals_of_r_epsilon_become_bands(make_run):
    (panel,) = panels("r-epsilon", [make_run()])
    (curve,) = panel.curves
    assert (curve.low, curve.high) == ([1, 0.4, 0], [1, 0.6, 0])
    assert curve.y == [1.0, 0.5, 0.0]


def test_without_class_centres_uniformity_stands_in(make_run):
    bare = [{key: row[key] for key in row if "cosine" not in key} for row in metrics()]
    titles = [panel.title for panel in panels("alignment-divergence", [make_run(metrics=bare)])]
    assert titles == ["Alignment of views (0: fall together)", "Are images kept apart?", "Does it learn?"]


def test_several_runs_share_a_panel_told_apart_by_colour_and_dash(make_run, tmp_path):
    runs = [make_run(name) for name in ("one", "two", "three")]
    (loss,) = panels("loss", runs)
    assert len(loss.curves) == 9
    assert loss.curves[4].label == "two: alignment half"
    assert [(curve.colour, curve.dash) for curve in loss.curves] == [
        (r, p) for r in range(3) for p in range(3)
    ]
    (spectrum,) = panels("spectrum", runs)
    assert [curve.label for curve in spectrum.curves] == [
        f"{run}: encoder h" for run in ("one", "two", "three")
    ]
    assert len(panels("map", runs)) == 3
    assert "two: loss" in texts(write_figure(runs, "loss", tmp_path / "f.svg"))


def test_a_file_of_the_benchmark_is_drawn_with_its_intervals(tmp_path):
    rows = [
        {"run": run, "epoch": epoch, "kNN": 0.1 * epoch}
        | {"h alignment": [0.5, 0.4, 0.6], "h largest cosine of centres": [0.9, 0.8, 0.95]}
        for run in ("a", "b")
        for epoch in (1, 2)
    ]
    (tmp_path / "curves.json").write_text(json.dumps(rows))
    alignment, largest, knn = panels("alignment-divergence", [tmp_path / "curves.json"])
    assert [curve.label for curve in alignment.curves] == ["a: encoder h", "b: encoder h"]
    assert alignment.curves[0].low == [0.4, 0.4]
    assert largest.curves[1].high == [0.95, 0.95]
    assert knn.curves[0].y == [0.1, 0.2]
    assert knn.curves[0].low is None
    with pytest.raises(InputError, match=r"only 'alignment-divergence' is drawn from one"):
        panels("loss", [tmp_path / "curves.json"])


def test_operations_of_several_runs_stand_side_by_side_with_every_number(make_run, tmp_path):
    runs = [make_run(name, geometry=geometry()) for name in ("one", "two")]
    first, second = panels("operations", runs)
    assert (first.title, second.title) == ("one", "two")
    assert first.columns == ["random encoder h", "encoder h", "random projector z", "projector z"]
    assert first.rows == ["crop", "flip"]
    assert first.values == [[0.1, 0.6, 0.05, 0.3], [0.05, 0.25, 0.025, 0.125]]
    said = texts(write_figure(runs, "operations", tmp_path / "f.svg", width=14.0))
    assert said.count("0.6 (0.2)") == 2
    assert {"one", "two", "crop", "flip", "random", "encoder h"} <= set(said)
    assert any("in brackets how far" in (text or "") for text in said)


def test_an_entry_that_was_not_measured_is_left_blank(make_run, tmp_path):
    record = geometry()
    record["trained"]["operations"][0]["layers"]["h"] = None
    run = make_run(geometry=record)
    (cells,) = panels("operations", [run])
    assert cells.values[0] == [0.1, None, 0.05, 0.3]
    assert write_figure([run], "operations", tmp_path / "f.png").stat().st_size > 1000


def test_png_and_pdf_begin_as_such_files_do(make_run, tmp_path):
    run = make_run()
    assert write_figure([run], "map", tmp_path / "f.png").read_bytes()[:4] == b"\x89PNG"
    pdf = write_figure([run], "loss", tmp_path / "deep" / "f.pdf").read_bytes()
    assert pdf[:5] == b"%PDF-"
    assert b"/Type3" not in pdf


def test_equal_records_give_equal_bytes(make_run, tmp_path):
    run = make_run()
    one = write_figure([run], "loss", tmp_path / "a.svg").read_bytes()
    assert write_figure([run], "loss", tmp_path / "b.svg").read_bytes() == one


def test_hostile_names_are_text_in_the_figure(make_run, tmp_path):
    record = gallery(classes=(SCRIPT, "_$x^2$"))
    run = make_run("_" + "$a$", gallery=record)
    out = write_figure([run], "map", tmp_path / "f.svg")
    said = texts(out)
    assert SCRIPT in said
    assert "<script" not in out.read_text()
    assert any("$x^2$" in (text or "") for text in said)
    assert any("$a$" in (text or "") for text in said)
    assert shown(f"\x00{IMAGE}\n") == IMAGE


def test_many_classes_share_a_sign_after_the_twelfth(make_run, tmp_path):
    record = gallery(classes=[f"class {i}" for i in range(40)])
    record["map"]["label"] = list(range(40))
    run = make_run(gallery=record)
    said = texts(write_figure([run], "map", tmp_path / "f.svg"))
    assert "class 11" in said
    assert "class 12" not in said
    assert "other classes" in said


def test_an_unknown_name_offers_the_known_ones(make_run, tmp_path):
    with pytest.raises(
        InputError, match=r"no figure 'los'\. Did you mean 'loss'\? Known: alignment-divergence, "
    ):
        write_figure([make_run()], "los", tmp_path / "f.svg")
    with pytest.raises(InputError, match="no run was named"):
        write_figure([], "loss", tmp_path / "f.svg")


def test_a_missing_record_is_named_with_what_could_be_drawn(make_run, tmp_path):
    run = make_run(gallery=None)
    with pytest.raises(InputError) as caught:
        write_figure([run], "map", tmp_path / "f.svg")
    assert "run has no record of 'map'. gallery.json is missing." in str(caught.value)
    assert "These records can draw: alignment-divergence, loss" in str(caught.value)
    assert not (tmp_path / "f.svg").exists()
    bare = make_run("bare", gallery=None, metrics=None, diagnosis=None)
    with pytest.raises(InputError, match="These records can draw no figure"):
        write_figure([bare], "loss", tmp_path / "f.svg")


def test_numbers_that_are_measured_when_asked_for_are_named_with_the_command(make_run, tmp_path):
    for name, said in (("operations", "contrascope geometry RUN"), ("bound", "--probe geometry")):
        with pytest.raises(InputError, match=said):
            write_figure([make_run(name)], name, tmp_path / "f.svg")


def test_a_damaged_record_is_named(make_run, tmp_path):
    record = gallery()
    record["map"]["pca"]["x"] = record["map"]["pca"]["x"][1:]
    with pytest.raises(InputError, match=r"run has no record of 'map'\. .*gallery\.json: .*map\.pca\.x"):
        write_figure([make_run(gallery=record)], "map", tmp_path / "f.svg")


def test_a_figure_that_lacks_a_damaged_part_says_so(make_run, tmp_path):
    record, said = gallery(), []
    record["map"]["label"].pop()
    write_figure([make_run(gallery=record)], "map", tmp_path / "f.svg", say=said.append)
    assert [line for line in said if "map.label" in line]
    assert not [line for line in said if "is missing" in line]


@pytest.mark.parametrize(
    ("out", "width", "said"),
    [
        ("f.jpg", 7.0, "cannot draw .jpg"),
        ("f", 7.0, "a file without suffix"),
        ("f.svg", 0.5, "0.5 inches wide"),
    ],
)
def test_a_wrong_file_or_size_is_refused(make_run, tmp_path, out, width, said):
    with pytest.raises(InputError, match=said):
        write_figure([make_run()], "loss", tmp_path / out, width=width)


def test_losses_of_different_methods_have_a_panel_each(make_run):
    other = settings()
    other["method"]["kind"] = "BYOLSettings"
    one, two = panels("loss", [make_run("one"), make_run("two", settings=other)])
    assert (one.title, two.title) == ("one", "two")
    assert [curve.label for curve in one.curves] == ["loss", "alignment half", "spread half"]


def test_powers_of_ten_are_plain_numbers(make_run, tmp_path):
    said = texts(write_figure([make_run()], "spectrum", tmp_path / "f.svg"))
    assert {"1", "0.1"} <= set(said)
    assert not any("$" in (text or "") for text in said)
