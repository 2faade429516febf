"""A page on which a person gives images their classes and saves the table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from contrascope import records
from contrascope.reports.page import content_policy, environment, template_text


@dataclass(frozen=True, kw_only=True)
class ToLabel:
    """An image of the page."""

    name: str
    """What it is called."""
    cell: str
    """The same as it stands in the table."""
    word: str
    """Its class, where it is known; empty otherwise."""
    picture: str
    """The thumbnail as a data address."""


def write_label_page(rows: Sequence[ToLabel], out: Path, *, about: str, file: str, command: str) -> Path:
    """Writes the page; `file` is what the table is saved as, `command` what reads it. Nothing is loaded or sent."""
    script = template_text("label.js")
    page = (
        environment()
        .get_template("label.html")
        .render(
            title=f"{len(rows)} images to label",
            about=about,
            rows=rows,
            file=file,
            command=command,
            style=Markup(template_text("page.css")),
            script=Markup(script),
            policy=content_policy([script]),
        )
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    records.write_atomic(out, page.encode("utf-8", "replace"))
    return out
