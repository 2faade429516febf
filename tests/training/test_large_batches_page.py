"""The examples of docs/large-batches.md run as they stand."""

import doctest
from pathlib import Path


def test_every_example_of_the_page_runs():
    page = Path(__file__).resolve().parents[2] / "docs" / "large-batches.md"
    found = doctest.testfile(str(page), module_relative=False)
    assert found.attempted > 5
    assert found.failed == 0
