# pyright: reportMissingImports=false
"""Builds the site into build/docs/site: `make docs`, or `python tools/build_docs.py` with the extra `docs` installed.

Strictly (a warning ends it) and offline: it asks no host for anything, and neither does a page that it makes.
"""

import argparse
import html
import re
import subprocess
import sys
from pathlib import Path

import docs_pages
from docs_hosts import other_hosts

ROOT = docs_pages.ROOT
WORK = ROOT / "build" / "docs"
MADE = WORK / "site"
FORMULA = re.compile(r'<(span|div) class="arithmatex">(?:\\\((.*?)\\\)|\\\[(.*?)\\\])</\1>', flags=re.DOTALL)

FETCHED = re.compile(r"https://(?:unpkg\.com|cdn\.jsdelivr\.net|api\.github\.com)/")
"""Where the theme's script would fetch diagrams, editors and counts of stars, of which no page here has any."""


def main(words: list[str] | None = None) -> int:
    """Stages, builds, finishes and checks; says in one sentence what is wrong."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--no-reference", action="store_true", help="leave out the reference (quick looks)")
    told = asked.parse_args(words)
    docs_pages.stage(WORK / "docs")
    if told.no_reference:
        _without_reference(WORK / "docs")
    (WORK / "zensical.toml").write_text(_configuration(WORK / "docs"), encoding="utf-8")
    builder = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(builder, cwd=WORK, check=False)
    if done.returncode:
        print(f"build_docs: the builder ended with status {done.returncode}; what it said stands above.")
        return done.returncode
    finish(MADE)
    wrong = other_hosts(MADE)
    for line in wrong:
        print(f"build_docs: {line}")
    print(f"{MADE}/index.html")
    return 1 if wrong else 0


def _without_reference(pages: Path) -> None:
    for page in (pages / "api").glob("*.md"):
        page.unlink()


def _configuration(pages: Path) -> str:
    """The settings with every page in its section."""
    base = (ROOT / "tools" / "zensical.toml").read_text(encoding="utf-8")
    base = base.replace("SOURCE", str(ROOT / "src")).replace(
        "EXTENSION", str(ROOT / "tools" / "docstrings.py")
    )
    names = [page.relative_to(pages).as_posix() for page in sorted(pages.rglob("*.md"))]
    parts = [f"{{ {_word('Home')} = {_word('index.md')} }}"]
    for section, taken in docs_pages.ordered(names).items():
        inside = ", ".join(f"{{ {_word(docs_pages.title(pages / one))} = {_word(one)} }}" for one in taken)
        parts.append(f"{{ {_word(section)} = [{inside}] }}")
    top = "\n".join((f"nav = [{', '.join(parts)}]", 'site_dir = "site"', 'docs_dir = "docs"'))
    return base.replace("[project]\n", f"[project]\n{top}\n", 1)


def _word(text: str) -> str:
    """A string as TOML writes it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def finish(made: Path) -> None:
    """Formulas become MathML, which browsers show by themselves; nothing is fetched; `llms.txt` lists the pages."""
    for page in sorted(made.rglob("*.html")):
        text = page.read_text(encoding="utf-8")
        page.write_text(FORMULA.sub(_formula, text), encoding="utf-8")
    for script in sorted(made.rglob("*.js")):
        text = script.read_text(encoding="utf-8")
        script.write_text(FETCHED.sub("./not-here/", text), encoding="utf-8")
    pages = docs_pages.ordered(
        one.relative_to(WORK / "docs").as_posix() for one in (WORK / "docs").rglob("*.md")
    )
    lines = [
        "# contrascope",
        "",
        "> Train self-supervised image encoders, and know, without labels, whether they work.",
    ]
    for section, taken in pages.items():
        lines += ["", f"## {section}", ""]
        lines += [f"- [{docs_pages.title(WORK / 'docs' / one)}]({one[:-3]}.html)" for one in taken]
    (made / "llms.txt").write_text("\n".join([*lines, ""]), encoding="utf-8")


def _formula(found: re.Match[str]) -> str:
    from latex2mathml.converter import convert

    inline = found[2] is not None
    return convert(html.unescape(found[2] if inline else found[3]), display="inline" if inline else "block")


if __name__ == "__main__":
    sys.exit(main())
