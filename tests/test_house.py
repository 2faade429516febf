"""What the house promises of itself: sizes of rooms and files, one name a class, nothing twice."""

import ast
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "contrascope"
FILES = sorted(SOURCE.rglob("*.py"))
MOST_FILES, MOST_LINES, BLOCK = 25, 310, 12
LONGER: dict[str, str] = {}
"""Files above the budget, with the cause."""


def spoken(path):
    """Line number and text of what counts: no blank lines, comments or imports."""
    lines = ((place, line.strip()) for place, line in enumerate(path.read_text().splitlines(), start=1))
    return [(place, line) for place, line in lines if line and not line.startswith(("#", "import ", "from "))]


def blocks_twice(texts):
    """Places where the same lines stand a second time, as (name, line) pairs."""
    seen, twice = {}, []
    for name, lines in texts.items():
        for start in range(len(lines) - BLOCK + 1):
            block = tuple(line for _, line in lines[start : start + BLOCK])
            place = (name, lines[start][0])
            if block in seen and seen[block] != place:
                twice.append((seen[block], place))
            seen.setdefault(block, place)
    return twice


def test_no_room_has_more_than_25_files():
    rooms = defaultdict(int)
    for path in FILES:
        rooms[path.parent.relative_to(SOURCE)] += 1
    assert {str(room): count for room, count in rooms.items() if count > MOST_FILES} == {}


def test_no_file_is_longer_than_its_budget_without_a_cause():
    lengths = {str(path.relative_to(SOURCE)): len(path.read_text().splitlines()) for path in FILES}
    assert {
        name: length for name, length in lengths.items() if length > MOST_LINES and name not in LONGER
    } == {}
    assert all(lengths.get(name, 0) > MOST_LINES for name in LONGER), (
        "a file has become shorter: take it off the list"
    )


def test_no_two_classes_have_one_name():
    homes = defaultdict(list)
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(str(path.relative_to(SOURCE)))
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}


def test_no_block_of_12_lines_stands_twice():
    assert blocks_twice({str(path.relative_to(SOURCE)): spoken(path) for path in FILES}) == []


def test_the_search_for_blocks_finds_a_copy():
    lines = [(place, f"line {place}") for place in range(20)]
    assert blocks_twice({"a": lines, "b": lines[3:18]})


@pytest.mark.parametrize("word", ["utils", "helpers", "common", "misc"])
def test_no_file_has_a_name_that_says_nothing(word):
    assert [path for path in FILES if path.stem == word] == []


def test_no_room_has_the_name_of_something_public():
    # else what `import contrascope.name` loads takes its place
    public = set(re.findall(r"import (\w+) as \1", (SOURCE / "__init__.py").read_text())) - {"imports"}
    assert "diagnose" in public
    assert public & {path.stem for path in SOURCE.iterdir()} == set()


@pytest.mark.slow
def test_no_slow_test_begins_after_the_deadline_of_a_slow_machine():
    words = [sys.executable, "-m", "pytest", "-rs", "-m", "slow", "-p", "no:cacheprovider"]
    late = os.environ | {"SLOW_TESTS_BEGIN_BEFORE": "1"}
    said = subprocess.run(
        [*words, "tests/evaluation/test_centres.py"],
        env=late,
        capture_output=True,
        text=True,
        cwd=SOURCE.parents[1],
        check=True,
    ).stdout
    assert "too slow to come to it" in said
    assert "passed" not in said
