"""What `make docs` built: whole, and silent; it is built first where nothing is built yet and the builder is here."""

import importlib.util
import re

import pytest

from build_docs import MADE, main
from docs_hosts import other_hosts
from docs_pages import SOURCE, public_names, rooms

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built():
    if not (MADE / "api").is_dir():
        if importlib.util.find_spec("zensical") is None:
            pytest.skip("the site's builder is not installed: make docs")
        assert main([]) == 0
    return MADE


def test_no_page_asks_another_host_for_anything(built):
    assert other_hosts(built) == []


def test_every_formula_is_shown_without_a_script(built):
    said = "".join(page.read_text() for page in built.rglob("*.html"))
    assert said.count("<math ") > 100
    assert "arithmatex" not in said


def test_every_public_name_has_its_place_in_the_reference(built):
    places = set()
    for page in (built / "api").glob("*.html"):
        places |= set(re.findall(r'id="(contrascope[\w.]*)"', page.read_text()))
    assert len(places) > 1500
    for room in rooms():
        for module in room.modules:
            path = SOURCE.parent / (module.replace(".", "/") + ".py")
            assert {f"{module}.{name}" for name in public_names(path)} <= places, module


def test_every_page_is_listed_for_programs(built):
    listed = re.findall(r"\]\((.*?\.html)\)", (built / "llms.txt").read_text())
    assert set(listed) | {"index.html", "404.html"} == {
        page.relative_to(built).as_posix() for page in built.rglob("*.html")
    }


def test_examples_of_docstrings_stand_in_fences_and_brackets_are_no_links():
    as_markdown = pytest.importorskip("docstrings").as_markdown
    assert as_markdown("A sum.\n\n>>> 1 + 1\n2\n\nThat is [a][b].") == (
        "A sum.\n\n```pycon\n>>> 1 + 1\n2\n```\n\nThat is [a]\\[b]."
    )
    assert as_markdown("Words:\n>>> [1][0]") == "Words:\n\n```pycon\n>>> [1][0]\n```"
