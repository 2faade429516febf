"""A small page of pictures in rows: neighbours, duplicates, outliers, clusters."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from contrascope import records
from contrascope.reports.page import content_policy, environment, template_text


@dataclass(frozen=True, kw_only=True)
class PictureTile:
    """A picture of the page."""

    name: str
    """The file."""
    note: str
    """What is said of it; may be empty."""
    picture: str
    """The thumbnail as a data address."""


@dataclass(frozen=True, kw_only=True)
class PictureRow:
    """Pictures that belong together."""

    title: str
    """What they are."""
    tiles: tuple[PictureTile, ...]
    """In the order in which they are shown."""


def write_pictures_page(
    rows: Sequence[PictureRow], out: Path, *, title: str, about: str, notes: Sequence[str]
) -> Path:
    """Writes the page, whole or not at all; nothing is loaded or sent, and no script runs."""
    page = (
        environment()
        .get_template("pictures.html")
        .render(
            title=title,
            about=about,
            notes=notes,
            rows=rows,
            style=Markup(template_text("page.css")),
            policy=content_policy([]),
        )
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    records.write_atomic(out, page.encode("utf-8", "replace"))
    return out
