"""The model card of an exported encoder of sentences."""

import json
from dataclasses import dataclass

from contrascope.records.lookup import value_at
from contrascope.reports.answers import judgement
from contrascope.reports.blocks import Judgement, Table
from contrascope.reports.card import SUPERVISED, answer_lines, data_name, escaped, markdown_table
from contrascope.reports.load import RunRecords
from contrascope.reports.sections import guarded

CODE = """\
from sentence_transformers import SentenceTransformer

model = SentenceTransformer(".")
h = model.encode(["A sentence.", "Another one."])"""


@dataclass(frozen=True, kw_only=True)
class ExportedText:
    """What was exported, in words and numbers."""

    step: int
    """Training step of the checkpoint."""
    dim: int
    """Numbers of an output."""
    pool: str
    """How tokens become one vector."""
    max_length: int
    """Tokens of a sentence that it sees, special ones included."""
    checked: str
    """What the weights were compared with, and by how much they differ."""


def text_card(run: RunRecords, exported: ExportedText) -> str:
    """The card as text, with the hub's front matter; what no record knows is said to be unknown."""
    kind = str(value_at(run.settings, "method.kind") or "an unknown method").removesuffix("Settings")
    how = "with" if kind.startswith(SUPERVISED) else "without"
    tags = ["sentence-transformers", "contrascope"]
    facts = [
        ("output", f"{exported.dim} numbers a sentence (h, before the head of training)"),
        ("pooling", exported.pool),
        ("longest sentence", f"{exported.max_length} tokens, special ones included; the rest is cut off"),
        ("data", data_name(run)),
        ("method", kind),
        ("step", f"{exported.step:,}"),
    ]
    parts = [
        "---\n"
        'library_name: "sentence-transformers"\n'
        'pipeline_tag: "sentence-similarity"\n'
        f"tags: {json.dumps(tags)}\n"
        "---",
        f"# {escaped(run.name)}",
        f"An encoder of sentences, trained {how} labels by {escaped(kind)} on {escaped(data_name(run))}.",
        "## Does it work?",
        *_answers(run),
        "## How to load it",
        f"```python\n{CODE}\n```",
        escaped(exported.checked),
        "## What it takes and gives",
        markdown_table(Table(title="", head=("what", "value"), rows=facts)),
        "## Limits",
        "The answers speak of the sentences that they were measured on. The licence of weights and data is for their "
        "owner to state; no record of the run knows it.",
    ]
    return "\n\n".join(parts) + "\n"


def _answers(run: RunRecords) -> list[str]:
    found, notice = guarded(judgement, run)
    if not isinstance(found, Judgement):
        return [escaped(notice or "Not diagnosed.")]
    return [line for answer in found.answers for line in answer_lines(answer)]
