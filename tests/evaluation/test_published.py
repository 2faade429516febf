"""Published numbers: every row is whole, means are those of their values, and pages show what the code has."""

from pathlib import Path

import pytest

from contrascope.data.transfer_sets import TRANSFER_SETS
from contrascope.evaluation.published import (
    AUGMENTED_COPIES,
    PUBLISHED_AUGMENTED,
    PUBLISHED_EPOCHS,
    PUBLISHED_MODIFIED,
    PUBLISHED_TRANSFER,
    PUBLISHED_TRANSFER_SETS,
)
from contrascope.records.suites import SetEntry, TransferEntry, TransferRecord
from contrascope.reports.suites import transfer_tables
from contrascope.suites.transfer import summary

RESULTS = Path(__file__).parents[2] / "docs" / "results.md"


def test_every_mode_has_every_method_on_all_nine_sets():
    assert PUBLISHED_TRANSFER_SETS.keys() == PUBLISHED_TRANSFER.keys()
    for mode, methods in PUBLISHED_TRANSFER_SETS.items():
        assert methods.keys() == PUBLISHED_TRANSFER[mode].keys()
        assert all(values.keys() == TRANSFER_SETS.keys() for values in methods.values())


def test_the_published_means_are_those_of_the_published_sets():
    """A wrong digit of a value or of a mean is seen here, from 0.09 points of a value on."""
    for mode, methods in PUBLISHED_TRANSFER_SETS.items():
        for method, values in methods.items():
            assert sum(values.values()) / 9 == pytest.approx(PUBLISHED_TRANSFER[mode][method], abs=0.0051)


def test_rows_of_copies_are_whole_and_distinct():
    assert all(len(values) == len(AUGMENTED_COPIES) for *_, values in PUBLISHED_AUGMENTED)
    assert len({row[:3] for row in PUBLISHED_AUGMENTED}) == len(PUBLISHED_AUGMENTED) == 12


def test_the_page_of_results_has_the_table_of_the_modified_loss():
    lines = RESULTS.read_text().splitlines()
    assert f"| loss | {' | '.join(map(str, PUBLISHED_EPOCHS))} |" in lines
    for name, values in PUBLISHED_MODIFIED.items():
        assert f"| {name} | {' | '.join(f'{value:.1f}' for value in values)} |" in lines


def entry(name, value=None):
    row = TransferEntry(
        of="trained encoder",
        mode="linear",
        metric="top1",
        value=value,
        low=value,
        high=value,
        n=9,
        train=9,
        classes=2,
        std=None,
        chosen="C 1",
    )
    return SetEntry(name=name, source=name, metric="top1", split="test", rows=[] if value is None else [row])


def test_a_table_of_published_scores_is_of_the_sets_that_were_asked_for():
    sets = {"pets": entry("pets", 0.5), "mine@label": entry("mine", 0.25), "cars": entry("cars")}
    found = summary(sets)
    assert found["linear"].published_sets["ArCL m=3"] == {"pets": 84.23, "cars": 42.11}
    record = TransferRecord(protocol="p", encoder="e", settings={}, sets=sets, summary=found)
    own, published = transfer_tables(record)
    assert "published" not in own.title
    assert published.head == ("method", "pets", "cars", "mean of all nine sets")
    assert ("MoCo (published)", "83.3", "39.31", "72.49") in published.rows
    assert len(published.rows) == 5


def test_where_no_set_is_published_there_is_no_such_table():
    sets = {"mine": entry("mine", 0.25)}
    found = summary(sets)
    assert found["linear"].published_sets == {}
    record = TransferRecord(protocol="p", encoder="e", settings={}, sets=sets, summary=found)
    assert [table.title for table in transfer_tables(record)] == ["Transfer: linear probe, score in %"]
