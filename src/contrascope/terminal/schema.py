"""The JSON Schema of a record, from its types: what other programs may rely on."""

import ast
import functools
import inspect
import json
import sys
import textwrap
import types
import typing
from typing import Annotated, Any

from contrascope.records.diagnosis import DiagnosisRecord, VerdictEntry
from contrascope.records.entry import FORMAT, Entry, Record, Tree, Within, fields_of
from contrascope.records.vocabulary import LearningWord, SoundWord, UsefulWord

DIALECT = "https://json-schema.org/draft/2020-12/schema"
PLAIN = {float: "number", int: "integer", str: "string", bool: "boolean", types.NoneType: "null"}
WORDS = {"sound": SoundWord, "learning": LearningWord, "useful": UsefulWord}
"""Answers of a verdict, and the words that each may say."""


def diagnosis_schema() -> Tree:
    """What `contrascope diagnose --json` prints and diagnosis.json holds.

    >>> diagnosis_schema()["$defs"]["VerdictEntry"]["properties"]["sound"]["properties"]["word"]["enum"]
    ['sound', 'unsound', 'cannot be told']
    """
    found = schema_of(DiagnosisRecord)
    answers = found["$defs"][VerdictEntry.__name__]["properties"]
    for name, words in WORDS.items():
        answers[name] = {**answers[name], "properties": {"word": {"enum": list(typing.get_args(words))}}}
    return found


def schema_of(kind: type[Record]) -> Tree:
    """The schema of a record: parts without a default are required, further keys are allowed everywhere.

    >>> sorted(schema_of(DiagnosisRecord)["properties"])[:4]
    ['data', 'details', 'factors', 'few_labels']
    """
    parts: dict[str, Tree] = {}
    whole = _object(kind, parts)
    head = {"format": {"const": FORMAT}, "kind": {"const": kind.KIND}}
    return {
        "$schema": DIALECT,
        "title": kind.FILE,
        **whole,
        "required": [*head, *whole["required"]],
        "properties": {**head, **whole["properties"]},
        "$defs": dict(sorted(parts.items())),
    }


def _object(kind: type[Entry], parts: dict[str, Tree]) -> Tree:
    known, said = fields_of(kind), _sentences(kind)
    return {
        "description": inspect.cleandoc(kind.__doc__ or ""),
        "type": "object",
        "required": [name for name, (_, needed) in known.items() if needed],
        "properties": {
            name: {"description": said.get(name, ""), **_of(hint, parts)} for name, (hint, _) in known.items()
        },
    }


def _of(hint: Any, parts: dict[str, Tree]) -> Tree:
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if hint in PLAIN:
        return {"type": PLAIN[hint]}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_of(one, parts) for one in inside]}
    if origin is Annotated:
        bounds: Within = inside[1]
        return {**_of(inside[0], parts), "minimum": bounds.low, "maximum": bounds.high}
    if origin in (tuple, list):
        return {"type": "array", "items": _of(inside[0], parts)}
    if origin is dict:
        values = {} if inside[1] is Any else {"additionalProperties": _of(inside[1], parts)}
        return {"type": "object", **values}
    if hint.__name__ not in parts:
        parts[hint.__name__] = {}
        parts[hint.__name__] = _object(hint, parts)
    return {"$ref": f"#/$defs/{hint.__name__}"}


@functools.cache
def _sentences(kind: type) -> dict[str, str]:
    """Field to the string below it."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for one, after in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(one, ast.AnnAssign)
            and isinstance(one.target, ast.Name)
            and isinstance(after, ast.Expr)
        ):
            found[one.target.id] = inspect.cleandoc(str(typing.cast(Any, after.value).value))
    return found


def main() -> None:
    """Print the schema: `python -m contrascope.terminal.schema`."""
    sys.stdout.write(json.dumps(diagnosis_schema(), indent=1) + "\n")


if __name__ == "__main__":
    main()
