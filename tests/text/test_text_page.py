"""The page on sentences says what the code does."""

import doctest
from pathlib import Path

from contrascope.runs.text_recipes import TEXT_RECIPES
from contrascope.text.policy import KNOWN

PAGE = Path(__file__).parents[2] / "docs" / "text.md"


def test_the_examples_of_the_page_run():
    result = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")
    assert (result.failed, result.attempted) == (0, 10)


def test_the_page_names_every_recipe_and_every_operation():
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in TEXT_RECIPES if f"`{name}`" not in text] == []
    assert [name for name in KNOWN if f"`{name}" not in text] == []
