"""The site's pages: all there, each once, as the builder wants them; and what asks another host is seen."""

import pytest

from docs_hosts import other_hosts
from docs_pages import DOCS, SOURCE, ordered, public_names, rooms, stage


@pytest.fixture(scope="module")
def staged(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    stage(out)
    return out


def names(folder):
    return sorted(page.relative_to(folder).as_posix() for page in folder.rglob("*.md"))


def test_every_page_stands_in_the_navigation_once(staged):
    placed = [page for pages in ordered(names(staged)).values() for page in pages]
    assert sorted([*placed, "index.md"]) == names(staged)
    assert {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")} <= set(names(staged))


def test_a_new_page_needs_no_edit():
    found = ordered(["papers/2026.md", "methods/new.md", "methods/index.md", "new.md", "new/page.md"])
    assert found == {
        "Methods": ["methods/index.md", "methods/new.md"],
        "Papers": ["papers/2026.md"],
        "More": ["new.md", "new/page.md"],
    }


def test_the_reference_has_every_module_with_something_public(staged):
    listed = [module for room in rooms() for module in room.modules]
    assert len(listed) == len(set(listed))
    for path in SOURCE.rglob("*.py"):
        module = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)
        assert (module in listed) == bool(public_names(path) and not path.stem.startswith("_")), module
    said = "".join(page.read_text() for page in (staged / "api").glob("*.md"))
    assert all(f"\n::: {module}\n" in said for module in listed)


def test_lists_begin_after_an_empty_line_and_hidden_code_is_gone(tmp_path, monkeypatch):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "page.md").write_text(
        "# P\nwords\n- one\n  more\n- two\n\n<!-- run:\nx = 1\n-->\n```\na\n- b\n```\n"
    )
    monkeypatch.setattr("docs_pages.DOCS", docs)
    stage(tmp_path / "out")
    assert (
        tmp_path / "out" / "page.md"
    ).read_text() == "# P\nwords\n\n- one\n  more\n- two\n\n```\na\n- b\n```\n"


def test_links_out_of_the_site_become_words_and_others_lead_there(tmp_path, monkeypatch):
    docs = tmp_path / "docs"
    (docs / "deep").mkdir(parents=True)
    (docs / "page.md").write_text("[a](https://example.org) [b](#here) [c](../Makefile)")
    (docs / "deep" / "page.md").write_text("[up](../page.md#one) [log](../../CHANGELOG.md)")
    for name in ("Makefile", "CHANGELOG.md"):
        (tmp_path / name).write_text("# all\n")
    monkeypatch.setattr("docs_pages.DOCS", docs)
    monkeypatch.setattr("docs_pages.ROOT", tmp_path)
    stage(tmp_path / "out")
    assert (tmp_path / "out" / "page.md").read_text() == "[a](https://example.org) [b](#here) c"
    assert (
        tmp_path / "out" / "deep" / "page.md"
    ).read_text() == "[up](../page.md#one) [log](../changelog.md)"


ASKING = {
    "a.html": '<script src="https://cdn.example/x.js"></script>',
    "b.html": '<link rel="preconnect" href="//fonts.example">',
    "c.html": '<p style="background: url(https://example.org/p.png)">',
    "d.html": '<script>fetch("https://example.org/count")</script>',
    "e.css": "@import 'https://fonts.example/css';",
    "f.js": 'load("https://unpkg.example/mermaid.js")',
    "g.html": '<img src="https://example.org/badge.svg">',
}


@pytest.mark.parametrize("name", ASKING)
def test_what_asks_another_host_is_named(name, tmp_path):
    (tmp_path / name).write_text(ASKING[name])
    assert len(other_hosts(tmp_path)) == 1


def test_a_link_to_follow_and_files_beside_it_ask_nobody(tmp_path):
    (tmp_path / "a.html").write_text(
        '<a href="https://arxiv.org/abs/1502.07943">paper</a><link rel="stylesheet" href="assets/main.css">'
        '<script src="assets/a.js"></script><link rel="canonical" href="https://example.org">'
    )
    (tmp_path / "a.js").write_text('document.createElementNS("http://www.w3.org/2000/svg", "svg")')
    assert other_hosts(tmp_path) == []
