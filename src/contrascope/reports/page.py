"""One self-contained HTML page from the records of one run or of several."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from contrascope import records
from contrascope.errors import InputError
from contrascope.records.entry import empty
from contrascope.records.gallery import GalleryRecord, PolicyGalleryRecord
from contrascope.reports.blocks import Figure, Map
from contrascope.reports.comparison.runs import compare
from contrascope.reports.imagery import sheets, shortcut
from contrascope.reports.load import RunRecords, load
from contrascope.reports.sections import SECTIONS, WRONG, Filled, fill
from contrascope.reports.sentences import texts
from contrascope.reports.settings_view import run_line

SCRIPTS = ("figures.js", "map.js", "tables.js", "filter.js", "page.js")
"""Parts of the page's own script."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """What the template shows."""

    title: str
    about: str
    sections: list[Filled]
    notices: tuple[str, ...]
    sheets: list[dict[str, Any]]


def write_report(paths: Sequence[Path], out: Path) -> Path:
    """Writes the page of these runs' folders to `out`, whole or not at all; returns the file."""
    content = render(paths).encode("utf-8", "replace")
    out.parent.mkdir(parents=True, exist_ok=True)
    records.write_atomic(out, content)
    return out


def render(paths: Sequence[Path]) -> str:
    """The page as text: one run's report, or a comparison. Raises `InputError` for a path that is no folder."""
    if not paths:
        raise InputError("no run was named; expected one folder or several: contrascope report RUN...")
    runs = [load(path) for path in paths]
    advised = [run.path for run in runs if run.advised]
    if advised and len(runs) > 1:
        raise InputError(
            f"{advised[0]} is the folder of an advice, and a comparison is of runs. Name it alone: "
            f"contrascope report {advised[0]}"
        )
    return _html(_one(runs[0]) if len(runs) == 1 else _several(runs))


def _one(run: RunRecords) -> Page:
    run, notices = _with_whole_pictures(run)
    sections = (
        [one for one in SECTIONS if one.key == "advice"]
        if run.advised
        else texts.without_pictures(run, SECTIONS)
    )
    return Page(
        title=f"{run.name}: contrascope report",
        about=". ".join(
            filter(None, [run_line(run), f"{'Advice' if run.advised else 'Run'} folder {run.path}"])
        ),
        sections=[part for section in sections if (part := fill(section, run)).blocks or part.notices],
        notices=(*run.notices, *notices),
        sheets=sheets(run),
    )


def _with_whole_pictures(run: RunRecords) -> tuple[RunRecords, list[str]]:
    """The run without pictures that are damaged, and a sentence on each record that lost them."""
    said = []
    try:
        alone = replace(run, gallery=empty(GalleryRecord))
        sheets(alone)
        shortcut(alone)
    except WRONG as error:
        run = replace(run, diagnosis=replace(run.diagnosis, shortcut=None))
        said.append(
            f"{records.DIAGNOSIS}: the pictures of the shortcut are damaged and were left out ({error})."
        )
    try:
        sheets(run)
    except WRONG as error:
        run = replace(run, gallery=empty(GalleryRecord), policies=empty(PolicyGalleryRecord))
        said.append(f"{records.GALLERY} is damaged and was left out ({error}).")
    return run, said


def _several(runs: Sequence[RunRecords]) -> Page:
    return Page(
        title=f"{len(runs)} runs compared: contrascope report",
        about=", ".join(run.path for run in runs),
        sections=compare(runs),
        notices=(),
        sheets=[],
    )


def _html(page: Page) -> str:
    figures, maps = {}, {}
    for part in page.sections:
        for place, block in enumerate(part.blocks):
            key = f"{part.key}-{place}"
            if isinstance(block, Figure):
                figures[key] = {"data": block.data, "layout": block.layout}
            elif isinstance(block, Map):
                maps[key] = block.points
    shapes = [{key: s[key] for key in ("first", "count", "columns")} for s in page.sheets]
    script = _script()
    plotly = _plotly() if figures or maps else ""
    return (
        environment()
        .get_template("page.html")
        .render(
            page=page,
            style=Markup(template_text("page.css")),
            data=script_json({"figures": figures, "maps": maps, "sheets": shapes}),
            scripts=[Markup(text) for text in (plotly, script) if text],
            policy=content_policy([text for text in (plotly, script) if text]),
        )
    )


def script_json(value: Any) -> Markup:
    r"""JSON that may stand inside a script element: no character of it can end the element.

    >>> str(script_json("</script>"))
    '"\\u003c/script\\u003e"'
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def content_policy(scripts: Sequence[str]) -> str:
    """What the browser lets the page do: run these scripts, show embedded images, and reach nothing else."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


@cache
def environment() -> Environment:
    """The templates of this room; what is put into them is escaped."""
    return Environment(
        loader=PackageLoader("contrascope.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def template_text(name: str) -> str:
    """A style or a script as it is."""
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")


@cache
def _script() -> str:
    """The page's own script, of its parts in order; none of their names is seen outside."""
    return "\n".join(['"use strict";', "(() => {", *map(template_text, SCRIPTS), "})();", ""])


@cache
def _plotly() -> str:
    """Plotly's basic bundle, of which the licence and the version stand beside it."""
    text = template_text("vendor/plotly-basic.min.js")
    assert "</script" not in text.lower()
    return text
