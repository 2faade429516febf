"""Small HTML for the output of a notebook cell: self-contained, escaped, readable on light and dark."""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

CELL = "padding:2px 14px 2px 0;text-align:left;border:0"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a cell shows."""

    title: str
    """What it is of."""
    answers: tuple[tuple[str, tuple[str, ...]], ...]
    """A line each, and what stands below it: evidence, cause, advice."""
    head: tuple[str, ...]
    """Names of the columns of numbers; empty where there are none."""
    rows: Sequence[tuple[str, ...]]
    """Numbers as text."""
    note: str = ""
    """What the numbers are of."""


def summary_html(summary: Summary) -> str:
    """One block of HTML without scripts, links or pictures; every text is escaped.

    >>> shown = summary_html(Summary(title="<b>", answers=(("Is it sound? ✓ sound", ()),), head=(), rows=[]))
    >>> "<b>" in shown, "&lt;b&gt;" in shown
    (False, True)
    """
    parts = [f'<div style="opacity:0.75">{_text(summary.title)}</div>']
    for line, sentences in summary.answers:
        parts.append(f'<div style="font-size:1.15em;font-weight:600">{_text(line)}</div>')
        if sentences:
            items = "".join(f"<li>{_text(sentence)}</li>" for sentence in sentences)
            parts.append(f'<ul style="margin:4px 0">{items}</ul>')
    if summary.rows:
        body = "".join(_row("td", row) for row in summary.rows)
        parts.append(
            f'<table style="border-collapse:collapse"><thead>{_row("th", summary.head)}</thead>'
            f"<tbody>{body}</tbody></table>"
        )
    if summary.note:
        parts.append(f'<div style="opacity:0.75">{_text(summary.note)}</div>')
    return f'<div style="border-left:4px solid currentColor;padding-left:10px">{"".join(parts)}</div>'


def _row(tag: str, cells: Iterable[str]) -> str:
    style = f'style="{CELL}"'
    return "<tr>" + "".join(f"<{tag} {style}>{_text(cell)}</{tag}>" for cell in cells) + "</tr>"


def _text(value: object) -> str:
    return html.escape(str(value))
