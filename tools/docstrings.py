# pyright: reportMissingImports=false
"""Docstrings as Markdown: examples become code blocks, and brackets in a row are no links."""

import re
from typing import Any

import griffe

BRACKETS = re.compile(r"\]\[")


class Examples(griffe.Extension):
    """Readies every docstring for the reference before it is parsed."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Of modules, classes, functions and attributes alike."""
        del kwargs
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(text: str) -> str:
    """Lines from `>>>` to the next blank line stand in a fence; `][` elsewhere is escaped."""
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        if not inside and line.lstrip().startswith(">>>"):
            lines += ["", "```pycon"] if lines and lines[-1].strip() else ["```pycon"]
            inside = True
        elif inside and not line.strip():
            lines.append("```")
            inside = False
        lines.append(line if inside else BRACKETS.sub(r"]\\[", line))
    return "\n".join([*lines, "```"] if inside else lines)
