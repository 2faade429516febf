"""Whether a built page asks another host for anything: scripts, styles, fonts, pictures, frames, connections."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

ASKS = {
    "script": ("src",),
    "img": ("src", "srcset"),
    "iframe": ("src",),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
    "audio": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "use": ("href",),
    "image": ("href",),
    "form": ("action",),
}
"""Attributes by which a page loads something, or sends it, by their tag; those of `link` are `LOADED`."""
LOADED = {
    "stylesheet",
    "preconnect",
    "dns-prefetch",
    "preload",
    "prefetch",
    "modulepreload",
    "icon",
    "manifest",
}
ELSEWHERE = re.compile(r"^\s*(?:[a-z]+:)?//", flags=re.IGNORECASE)
STYLE = re.compile(r"""(?:url\(\s*|@import\s+)['"]?((?:https?:)?//[^'")\s]+)""", flags=re.IGNORECASE)
CALL = re.compile(
    r"""(?:fetch|import|importScripts|WebSocket|EventSource|sendBeacon|open)\(\s*["'`](?:GET["'`],\s*["'`])?"""
    r"""((?:https?|wss?):)?//""",
    flags=re.IGNORECASE,
)
ADDRESS = re.compile(
    r"""["'`]((?:https?:)?//(?!www\.w3\.org/)[a-z0-9.-]+\.[a-z]{2,}[^"'`\s]*)["'`]""", flags=re.IGNORECASE
)
"""Addresses in scripts; those of w3.org are names of languages, of which nothing is fetched."""


class _Page(HTMLParser):
    """Collects what one page asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Looks at the attributes that load."""
        given = {name: value or "" for name, value in attrs}
        names = ASKS.get(tag, ())
        if tag == "link" and LOADED & set(given.get("rel", "").lower().split()):
            names = ("href",)
        self.asked += [given[name] for name in names if ELSEWHERE.match(given.get(name, ""))]
        self.asked += STYLE.findall(given.get("style", ""))
        self._inside = tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        """Leaves a script or style."""
        del tag
        self._inside = ""

    def handle_data(self, data: str) -> None:
        """Looks into scripts and styles of the page itself."""
        if self._inside == "style":
            self.asked += STYLE.findall(data)
        elif self._inside == "script":
            self.asked += [found[0] for found in CALL.finditer(data)]


def asked_of_others(path: Path) -> list[str]:
    """What one file asks other hosts for; a link that a reader may follow is none of it."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".html":
        page = _Page()
        page.feed(text)
        return page.asked
    if path.suffix in (".css", ".svg"):
        return STYLE.findall(text)
    return [found[0] for found in CALL.finditer(text)] + ADDRESS.findall(text)


def other_hosts(folder: Path) -> list[str]:
    """A line for each thing that some file below the folder asks another host for."""
    return [
        f"{path.relative_to(folder)} asks for {one}"
        for path in _files(folder)
        for one in asked_of_others(path)
    ]


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".html", ".css", ".js", ".mjs", ".svg"):
            yield path
