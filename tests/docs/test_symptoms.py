"""docs/symptoms.md has every word that an answer may hold, as it is printed."""

import ast
import re
from pathlib import Path

import pytest
from said import fragments, parts, spoken

from contrascope.diagnosis.checks.expected_input import OTHERS
from contrascope.records.shortcut import COLOURS, STATISTICS
from contrascope.records.vocabulary import ANSWERS, OPERATION_WORDS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "symptoms.md"


def plain(text):
    """Without marks and line breaks, so that a sentence is found however it is set."""
    return re.sub(r"\s+", " ", re.sub(r"[*`]", "", text)).lower()


@pytest.fixture(scope="module")
def page():
    return plain(PAGE.read_text(encoding="utf-8"))


def test_every_sentence_of_an_answer_stands_on_the_page(page):
    found = list(fragments())
    assert len(found) > 200
    missing = [(file, line, part) for file, line, part in found if plain(part).strip(" .,:;()[") not in page]
    assert missing == []


def test_every_word_stands_on_the_page(page):
    words = [one.word for one in (*ANSWERS, *OPERATION_WORDS)]
    assert [word for word in (*words, COLOURS, STATISTICS, *OTHERS) if plain(word) not in page] == []


def test_every_reason_is_a_heading():
    headings = re.findall(r"^### (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    checks = Path(__file__).resolve().parents[2] / "src" / "contrascope" / "diagnosis" / "checks"
    said = "".join(path.read_text() for path in checks.glob("*.py"))
    reasons = re.findall(r'(?:reason=|^DIMENSIONAL = )"([^"]+)"', said, flags=re.MULTILINE)
    assert len(set(reasons)) == 15
    assert set(reasons) <= set(headings)


def test_the_search_for_sentences_finds_them(tmp_path):
    assert parts(ast.parse("f\"A {x:g} b {'c' if x else 'd'}.\"", mode="eval").body)[0] == ["A ", " b ", "."]
    file = tmp_path / "causes.py"
    file.write_text('def f():\n    cause = f"One {x}."\n    print("no")\n    return Flaw(next="Two.")\n')
    said = [piece for found in spoken(file).values() for one in found for piece in one]
    assert sorted(said) == [".", "One ", "Two.", "Two."]
