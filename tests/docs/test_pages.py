"""Every Python block of every page runs, and every link of every page leads somewhere."""

import ast
import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from run_page import is_doctest, main, parts_of

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
PARTS = {page: list(parts_of(page.read_text(encoding="utf-8"))) for page in PAGES}
WITH_CODE = [page for page, parts in PARTS.items() if any(part.shown and not part.why_not for part in parts)]
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+(?:\([^()\s]*\)[^()\s]*)?)\)")
FENCED = re.compile(r"^(```|~~~).*?^\1", flags=re.DOTALL | re.MULTILINE)
FROM_INDEX = re.compile(r"pip install\b(?:(?![`\n]).)*[ '\"]contrascope\b(?!/)")
"""An install line that asks a package index for contrascope, which is on none yet."""
MOST_NOT_RUN = 0.25
"""Share of the blocks that may ask for what a test has not."""


def name(page):
    return page.relative_to(ROOT).as_posix()


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_CODE, ids=name)
def test_every_block_of_a_page_runs(page, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(Path(__file__).with_name("run_page.py")), str(page)],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def test_every_block_is_python_and_few_do_not_run():
    shown = [(page, part) for page, parts in PARTS.items() for part in parts if part.shown]
    counted = sum(page.read_text().count("```python\n") for page in PAGES)
    assert len(shown) == counted > 25, "a block is not seen: does its fence end?"
    for page, parts in PARTS.items():
        for part in parts:
            if is_doctest(part):
                assert doctest.DocTestParser().get_examples(part.code), name(page)
            else:
                ast.parse(part.code, filename=f"{name(page)}:{part.line}")
    left = [(name(page), part.line, part.why_not) for page, part in shown if part.why_not]
    assert all(why.startswith("needs ") and len(why.split()) > 2 for _, _, why in left), left
    assert len(left) <= MOST_NOT_RUN * len(shown), left


def test_a_mark_that_nothing_understands_is_refused():
    for page in PAGES:
        said = re.findall(r"^<!-- *((?:not )?run\b.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert len(said) == sum(not part.shown or bool(part.why_not) for part in PARTS[page]), name(page)


def anchors(page):
    """Names of a page's headings, as GitHub makes them."""
    found = set()
    for line in FENCED.sub("", page.read_text(encoding="utf-8")).splitlines():
        if heading := re.match(r"#{1,6} +(.*)", line):
            words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).strip().lower()
            slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
            found.add(slug if slug not in found else f"{slug}-1")
    return found


def dead(page):
    """Links of a page that lead nowhere."""
    for target in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        file, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", file):
            continue
        there = (page.parent / file).resolve() if file else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page):
    assert list(dead(page)) == []


def test_install_lines_are_those_of_a_checkout():
    """What an error says works too, but only where contrascope is installed: pages that quote it say so."""
    asking = {name(page) for page in PAGES if FROM_INDEX.search(page.read_text(encoding="utf-8"))}
    assert asking <= {"docs/your-trainer.md", "docs/tried.md", "CHANGELOG.md"}
    assert FROM_INDEX.search("`pip install -q 'contrascope[text]'`")
    assert not FROM_INDEX.search("pip install -e '.[text]'` brings what contrascope needs")


def test_a_dead_link_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# One `two`\n[a](#one-two) [b](#three) [c](none.md) [d](https://x.org)\n```\n[e](f)\n```\n"
    )
    assert list(dead(page)) == ["#three", "none.md"]


def test_a_page_whose_block_raises_or_prints_something_else_fails(tmp_path):
    for code in (
        "raise ValueError('no')",
        ">>> 1 + 1\n3",
        "x = 1\n```\n<!-- run:\nassert x == 2\n-->\n```python\ny = 1",
    ):
        page = tmp_path / "page.md"
        page.write_text(f"# P\n```python\n{code}\n```\n")
        with pytest.raises((ValueError, AssertionError)):
            main(page)
