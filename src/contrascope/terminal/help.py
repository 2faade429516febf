"""The short help of a command: the settings that people use, with their defaults, in plain text."""

import dataclasses
import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MOST = 100
"""Columns of the help, at most."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A setting that people use."""

    flag: str
    """As it is typed, such as `--training.epochs`."""
    about: str
    """One line, in plain words."""
    default: str = ""
    """What stands for the value; empty: it is looked up."""


def shown(flag: str, about: str, default: str = "") -> Shown:
    """A line of the short help.

    >>> shown("--out", "file to write").flag
    '--out'
    """
    return Shown(flag=flag, about=about, default=default)


def help_text(
    name: str,
    *,
    words: str,
    about: str,
    arguments: Any,
    shown: Sequence[Shown],
    examples: Sequence[str],
) -> str:
    """Usage, what it does, the settings with their defaults, examples, and how to see everything.

    `arguments` is the dataclass of the arguments, or one with the defaults at hand.
    """
    width = min(MOST, shutil.get_terminal_size().columns)
    rows = [(one.flag, one.about, one.default or said(value_of(arguments, one.flag))) for one in shown]
    rows += [
        ("-q, --quiet", "only results on stdout, errors on stderr", ""),
        ("--help-all", "every setting, explained", ""),
    ]
    column = max(len(flag) for flag, _, _ in rows) + 4
    lines = [_row(flag, text, default, column=column, width=width) for flag, text, default in rows]
    paragraphs = [textwrap.fill(" ".join(part.split()), width) for part in about.split("\n\n")]
    return "\n".join(
        [
            " ".join(filter(None, ("usage:", name, words, "[--setting VALUE ...]\n"))),
            "\n\n".join(paragraphs),
            "",
            *lines,
            "\nexamples:",
            *(f"  {line}" for line in examples),
            "",
        ]
    )


def value_of(arguments: Any, flag: str) -> Any:
    """The default of a flag in a dataclass or an instance of one; `MISSING` where it must be given.

    A part that has no field of that name is looked for in the settings that stand in a command without a prefix; a
    flag that turns something off (`no-`) has no value.

    >>> import dataclasses
    >>> inner = dataclasses.make_dataclass("Inner", [("batch_size", int, 8)], frozen=True)
    >>> outer = dataclasses.make_dataclass("Outer", [("training", inner, inner()), ("out", str)], kw_only=True)
    >>> value_of(outer, "--training.batch-size"), value_of(outer, "--out") is dataclasses.MISSING
    (8, True)
    """
    value = arguments
    for part in flag.removeprefix("--").replace("-", "_").split("."):
        values = _defaults(value)
        inner = [one for one in values.values() if dataclasses.is_dataclass(one)]
        holders = [values, *map(_defaults, inner)]
        found = next((held for held in holders if part.removeprefix("no_") in held), None)
        if found is None:
            raise KeyError(f"no setting {flag} in {arguments}")
        value = found.get(part)
    return value


def _defaults(value: Any) -> dict[str, Any]:
    if not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return {
        field.name: field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        for field in dataclasses.fields(value)
    }


def said(value: Any) -> str:
    """A default as people read it.

    >>> said(None), said(True), said((1, 5)), said(dataclasses.MISSING)
    ('', 'on', '1 5', 'required')
    """
    if value is None or value is False:
        return ""
    if value is dataclasses.MISSING:
        return "required"
    if value is True:
        return "on"
    if dataclasses.is_dataclass(value):
        return type(value).__name__.removesuffix("Settings")
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return str(value)


def _row(flag: str, about: str, default: str, *, column: int, width: int) -> str:
    text = f"{about} ({default})" if default else about
    lines = textwrap.wrap(text, max(20, width - column)) or [""]
    return "\n".join([f"  {flag:<{column - 2}}{lines[0]}", *(" " * column + line for line in lines[1:])])
