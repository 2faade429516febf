"""The page on ArCL says what the code does."""

import doctest
from pathlib import Path

from contrascope.losses import LOSSES
from contrascope.methods.settings import PositivesName

PAGE = Path(__file__).parents[2] / "docs" / "arcl.md"


def test_the_examples_of_the_page_run():
    result = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")
    assert (result.failed, result.attempted) == (0, 13)


def test_the_page_names_every_loss_and_every_word():
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in (*LOSSES, *PositivesName.__args__))
