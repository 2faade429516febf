"""The pages of the site: those of docs/, a reference from docstrings, and their order."""

import ast
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
DOCS, SOURCE = ROOT / "docs", ROOT / "src" / "contrascope"
STYLE = Path(__file__).with_name("site.css")
"""The few rules of ours beside the theme's."""
TAKEN = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
"""Pages from beside docs/, and what they are called on the site."""
SECTIONS: dict[str, tuple[str, ...]] = {
    "Start": ("start.md", "your-images.md", "your-trainer.md", "coming-from.md", "next-steps.md"),
    "Notebooks": ("notebooks/*.md",),
    "Does it work?": ("symptoms.md", "diagnose.md", "few-labels.md", "metrics.md", "report.md", "ci.md"),
    "Train": ("advise.md", "sweeps.md", "large-batches.md", "speed.md", "store.md", "scale.md", "gpu.md"),
    "Data and files": ("data.md", "folders.md", "subjects.md", "records.md", "compatibility.md", "export.md"),
    "Measure": ("robustness.md", "transfer.md", "geometry.md", "concentration.md", "arcl.md"),
    "Methods": ("methods/*.md", "text.md"),
    "Theory": ("theory/*.md",),
    "Papers": ("reproduce.md", "papers/*.md"),
    "Reference": ("commands.md", "api/*.md"),
    "Results": ("results.md", "tried.md", "log.md"),
    "Take part": ("contributing.md", "adding.md", "releasing.md", "changelog.md", "decisions/*.md"),
}
"""Sections of the navigation, with their pages in order; a pattern takes all that no earlier word took."""
REST = "More"
"""The section of pages that no word above takes, so that a new page is on the site at once."""
HIDDEN = re.compile(r"^<!-- run:\n.*?^-->\n", flags=re.DOTALL | re.MULTILINE)
"""Code that only the test of the pages runs."""
ITEM = re.compile(r"\s*([-*]|\d+\.) ")
FENCE = re.compile(r"\s*(```|~~~)")
LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\]]*\])*\])\(([^()\s]+)\)")


@dataclass(frozen=True)
class Room:
    """One folder of the package, or the modules beside the folders."""

    name: str
    """As it is imported."""
    about: str
    """The first line of its docstring."""
    modules: tuple[str, ...]
    """Its modules that have something public."""

    @property
    def page(self) -> str:
        """Its page on the site."""
        return f"api/{self.name.removeprefix('contrascope.')}.md"


def public_names(path: Path) -> list[str]:
    """Classes and functions of a module that are public: no underscore before, a docstring inside."""
    nodes = ast.parse(path.read_text(encoding="utf-8")).body
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    found = [one for one in nodes if isinstance(one, kinds) and not one.name.startswith("_")]
    return [one.name for one in found if ast.get_docstring(one)]


def rooms() -> list[Room]:
    """Every folder of the package with what is public in it."""
    found: dict[Path, list[str]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        if not path.stem.startswith("_") and public_names(path):
            found.setdefault(path.parent, []).append(_dotted(path.with_suffix("")))
    return [
        Room(name=_dotted(folder), about=_about(folder / "__init__.py"), modules=tuple(modules))
        for folder, modules in sorted(found.items())
    ]


def _dotted(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE.parent).parts)


def _about(path: Path) -> str:
    said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return said.partition("\n")[0]


def stage(out: Path) -> None:
    """Copies the pages with their pictures to `out`, ready for the builder, and writes the reference beside them."""
    shutil.rmtree(out, ignore_errors=True)
    for path in sorted(DOCS.rglob("*")):
        if path.suffix in (".md", ".svg", ".png"):
            _place(path, out / path.relative_to(DOCS))
    shutil.copyfile(STYLE, out / STYLE.name)
    for name, page in TAKEN.items():
        if (ROOT / name).is_file():
            _place(ROOT / name, out / page)
    for room in rooms():
        page = out / room.page
        page.parent.mkdir(parents=True, exist_ok=True)
        blocks = "\n\n".join(f"::: {module}" for module in room.modules)
        page.write_text(f"# {room.name}\n\n{room.about}\n\n{blocks}\n", encoding="utf-8")


def _place(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix != ".md":
        shutil.copyfile(path, target)
        return
    text = HIDDEN.sub("", path.read_text(encoding="utf-8"))
    target.write_text("\n".join(_spaced(_relinked(text, path))), encoding="utf-8")


def _relinked(text: str, page: Path) -> str:
    """Links to what is on the site lead there; those to other files of the repository become their words."""
    here = PurePosixPath(_address(page) or "")

    def one(found: re.Match[str]) -> str:
        words, target = found.groups()
        if "://" in target or target.startswith(("#", "mailto:")):
            return found[0]
        file, _, anchor = target.partition("#")
        address = _address((page.parent / file).resolve())
        if address is None:
            return words.strip("![]")
        anchor = (
            "" if address == "index.md" else anchor
        )  # the README's headings are not those of the site's first page
        up = "../" * (len(here.parts) - 1)
        return f"{words}({up}{address}{'#' if anchor else ''}{anchor})"

    return LINK.sub(one, text)


def _address(path: Path) -> str | None:
    """Where a file of the repository lies on the site; None: nowhere."""
    if path.is_relative_to(DOCS) and path.is_file():
        return path.relative_to(DOCS).as_posix()
    if path == ROOT / "README.md":
        return "index.md"
    return TAKEN.get(path.name) if path.parent == ROOT and path.is_file() else None


def _spaced(text: str) -> Iterator[str]:
    """A list begins after an empty line, as this Markdown wants it and GitHub's does not."""
    before, fenced = "", False
    for line in text.split("\n"):
        fenced ^= bool(FENCE.match(line))
        starts = ITEM.match(line) and before.strip() and not before.startswith(" ") and not ITEM.match(before)
        if starts and not fenced:
            yield ""
        yield line
        before = line


def title(page: Path) -> str:
    """The first heading of a page, without marks; a room of the reference without the package before it."""
    found = re.search(r"^# (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return found[1].replace("`", "").removeprefix("contrascope.").strip() if found else page.stem


def ordered(pages: Iterable[str]) -> dict[str, list[str]]:
    """Every page in its section; what none asks for stands in the last.

    >>> ordered(["index.md", "new.md", "theory/bounds.md", "start.md"])
    {'Start': ['start.md'], 'Theory': ['theory/bounds.md'], 'More': ['new.md']}
    """
    left = sorted(set(pages) - {"index.md"})
    found: dict[str, list[str]] = {}
    for section, words in SECTIONS.items():
        for word in words:
            taken = [
                page
                for page in left
                if PurePosixPath(page).match(word) and page.count("/") == word.count("/")
            ]
            taken.sort(key=lambda page: (not page.endswith("/index.md"), page.removesuffix(".md")))
            found.setdefault(section, []).extend(taken)
            left = [page for page in left if page not in taken]
    found[REST] = left
    return {section: taken for section, taken in found.items() if taken}
