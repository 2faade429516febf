"""Figures of geometry.json: the numbers of the record reach the figure, its table and its text."""

import pytest
from report_records import geometry as record
from report_records import geometry_probe, parsed

from contrascope.records.geometry import GeometryRecord
from contrascope.records.metrics import MetricsRow
from contrascope.reports import curves, geometry, geometry_facts
from contrascope.reports.load import RunRecords
from contrascope.reports.sections import guarded

ALL = (
    geometry.operations,
    geometry.removed,
    geometry_facts.negatives,
    geometry_facts.facts,
    geometry_facts.spectrum,
    curves.followed("bound"),
    curves.followed("projector"),
    curves.followed("removed"),
)


def run(**changes):
    probes = [MetricsRow(kind="probe", epoch=e, step=e, values=geometry_probe(e)) for e in (1, 2)]
    known = {"geometry": parsed(GeometryRecord, changes.pop("geometry", record()))}
    return RunRecords(**{"path": "run", "name": "run", **known, "probes": probes, **changes})


def test_the_picture_has_an_entry_for_every_operation_and_layer():
    figure = geometry.operations(run())
    (heat,) = figure.data
    assert heat["x"] == ["random encoder h", "encoder h", "random projector z", "projector z"]
    assert heat["y"] == ["crop", "flip"]
    assert heat["z"] == [[0.1, 0.6, 0.05, 0.3], [0.05, 0.25, 0.025, 0.125]]
    assert figure.table.rows[0] == ("crop", "0.1 (0.2)", "0.6 (0.2)", "0.05 (0.05)", "0.3 (0.05)")
    assert "at most 10 of them" in figure.read


def test_what_is_removed_stands_beside_the_random_projector_and_chance():
    figure = geometry.removed(run())
    assert [(bar["name"], bar["y"]) for bar in figure.data] == [
        ("trained projector", [0.7, 0.4]),
        ("random projector", [0.5, 0.5]),
        ("chance for this rank", [0.5, 0.5]),
    ]
    assert figure.table.rows[0] == ("crop", "0.7", "0.5", "0.5", "1 to 80", "0.8", "0.9", "0.6", "0.2", "0.5")
    assert figure.table.rows[1][5:] == ("–", "–", "–", "–", "–")


def test_distances_are_shares_at_the_middle_of_their_bins():
    figure = geometry_facts.negatives(run())
    assert figure.data[0]["x"] == [0.25, 0.75, 1.25, 1.75]
    assert figure.data[0]["y"] == [0.0, 0.6, 0.4, 0.0]


def test_facts_name_the_chance_of_label_sharing():
    rows = dict((words, values) for words, *values in geometry_facts.facts(run()).rows)
    assert rows["InfoNCE, decoupled form"] == ["2", "3"]
    assert rows["nearest negative has its label (share; chance 0.1)"][0] == "0.4 [0.3, 0.5]"
    assert "activation patterns of the images" not in rows


def test_spectra_are_over_their_largest_and_without_zeros():
    figure = geometry_facts.spectrum(run())
    assert {line["name"]: line["y"] for line in figure.data}["h, clean"] == [1.0, 0.5]


def test_curves_follow_whatever_labels_and_operations_the_probe_wrote():
    names = [line["name"] for line in curves.followed("removed")(run()).data]
    assert names == [
        "displacements unexplained",
        "nearest negative shares label",
        "seen of the generator of crop",
    ]
    assert [line["y"] for line in curves.followed("bound")(run()).data] == [[2.0, 1.0], [3.0, 2.0]]


@pytest.mark.parametrize("function", ALL)
@pytest.mark.parametrize("tree", [{}, {"trained": 3}, {"trained": {"features": [], "operations": [4, {}]}}])
def test_a_missing_or_strange_record_leaves_the_figure_out(function, tree):
    block, notice = guarded(function, run(geometry=tree, probes=[]))
    assert block is None or notice == ""
    assert block is None
