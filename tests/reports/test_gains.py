"""What training gained and lost: two sentences, and nothing where intervals overlap."""

import pytest
import torch
from report_records import evaluation, parsed

from contrascope.intervals import share_interval
from contrascope.records.kinds import EvaluationRecord
from contrascope.reports.gains import differences, gain_sentences
from contrascope.reports.load import load
from contrascope.reports.measured import accuracy

ENDS = "The intervals are over test images: another seed of training is not in them."


def row(of, name, value, half=0.01, **more):
    return {
        "of": of,
        "name": name,
        "value": value,
        "low": value - half,
        "high": value + half,
        "n": 500,
    } | more


def test_gains_losses_and_noise_stand_in_three_sentences():
    rows = [
        row("trained encoder", "knn", 0.80),
        row("random encoder", "knn", 0.768),
        row("raw pixels", "knn", 0.805),
        row("trained encoder", "few_labels_1", 0.40),
        row("random encoder", "few_labels_1", 0.30),
        row("raw pixels", "few_labels_1", 0.43),
    ]
    assert gain_sentences(rows) == [
        "Gained by training: 1 label a class: 10.0 points above the random encoder; "
        "kNN: 3.2 points above the random encoder.",
        "LOST by training: 1 label a class: 3.0 points BELOW raw pixels.",
        "Within the noise of these 500 test images, so neither: kNN: -0.5 against raw pixels.",
        ENDS,
    ]


def test_one_probe_above_both_is_one_part():
    rows = [
        row("trained encoder", "linear", 0.9),
        row("random encoder", "linear", 0.5),
        row("raw pixels", "linear", 0.7),
    ]
    assert gain_sentences(rows)[0] == (
        "Gained by training: linear probe: 40.0 points above the random encoder, 20.0 above raw pixels."
    )
    assert len(gain_sentences(rows)) == 2


@pytest.mark.parametrize(("gap", "told"), [(0.02, False), (0.021, True), (-0.02, False), (-0.021, True)])
def test_intervals_that_touch_tell_nothing(gap, told):
    half = 1 / 128  # exact in binary
    gap = gap * half / 0.01
    rows = [row("trained encoder", "knn", 0.5 + gap, half), row("raw pixels", "knn", 0.5, half)]
    assert [one.told for one in differences(rows)] == [told]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [row("trained encoder", "knn", 0.9)],
        [row("h of file", "knn", 0.9), row("raw pixels", "knn", 0.2)],
        [row("trained encoder", "knn", 0.9), row("raw pixels", "linear", 0.2)],
        [row("trained encoder", "knn", 0.9, low=None), row("raw pixels", "knn", 0.2)],
        [
            row("trained encoder", "knn", 0.9),
            {**row("raw pixels", "knn", 0.2), "value": None, "not_defined": "one class"},
        ],
        [{"of": "trained encoder"}, {"name": "knn"}, {}],
        [row("trained encoder", "knn", 0.9, low="x"), row("raw pixels", "knn", 0.2)],
    ],
)
def test_nothing_is_said_where_there_is_nothing_to_compare(rows):
    assert gain_sentences(rows) == []


def test_the_record_and_the_plain_rows_say_the_same():
    tree = evaluation()
    found = gain_sentences(parsed(EvaluationRecord, tree).rows)
    assert found == gain_sentences(tree["rows"])
    assert found[0].startswith(
        "Gained by training: 1 label a class: 30.0 points above the random encoder, 20.0 above"
    )


def test_the_page_says_it_below_the_bars(make_run):
    tree = evaluation()
    for one in tree["rows"]:
        if one["of"] == "raw pixels" and one["name"] == "knn":
            one |= {"value": 0.95, "low": 0.94, "high": 0.96}
    read = accuracy(load(make_run(evaluation=tree))).read
    assert "LOST by training: kNN: 5.0 points BELOW raw pixels." in read
    assert "Gained by training:" in read


@pytest.mark.parametrize("common", [-1.0, 0.0, 1.0])
def test_equal_accuracies_are_seldom_called_different_whatever_they_have_in_common(common):
    """Right or wrong of two encoders on the same 400 images: opposed, independent, or mostly the same."""
    source = torch.Generator().manual_seed(int(common) + 7)
    claims = 0
    for _ in range(300):
        hits = (torch.rand(400, generator=source, dtype=torch.float64) < 0.5).double()
        other = (torch.rand(400, generator=source, dtype=torch.float64) < 0.5).double()
        same = torch.rand(400, generator=source, dtype=torch.float64) < 0.8
        beside = 1 - hits if common < 0 else torch.where(same, hits, other) if common > 0 else other
        ends = [share_interval(one) for one in (hits, beside)]
        rows = [
            {"of": of, "name": "knn", "value": one.mean().item(), "low": low, "high": high, "n": 400}
            for of, one, (low, high) in zip(
                ("trained encoder", "raw pixels"), (hits, beside), ends, strict=True
            )
        ]
        claims += differences(rows)[0].told
    assert claims / 300 <= 0.05 + 3 * (0.05 * 0.95 / 300) ** 0.5
