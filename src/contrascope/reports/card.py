"""The model card of an exported encoder: Markdown with the hub's front matter, from the records of its run."""

import html
import json
import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from contrascope.records.answers import ShownAnswer
from contrascope.records.lookup import probe_title, value_at
from contrascope.reports.answers import judgement
from contrascope.reports.blocks import Figure, Judgement, Table, short
from contrascope.reports.gains import gain_sentences
from contrascope.reports.load import RunRecords, estimate
from contrascope.reports.measured import accuracy, scores
from contrascope.reports.sections import guarded
from contrascope.reports.settings_view import leaves

SIGNS = re.compile(r"([\\`*_\[\]|~#])")
"""What Markdown would take for markup."""
SUPERVISED = "Supervised"
"""How the kinds of methods begin that learn from labels; tests/methods/test_sup_con.py holds them to it."""
TRAINING = ("policy", "method", "training", "optim", "schedule")
"""Settings that the card lists."""


@dataclass(frozen=True, kw_only=True)
class ExportedEncoder:
    """What was exported, in words and numbers."""

    library: str
    """Name of the library as the hub writes it."""
    code: str
    """Python that loads the folder and turns `images` into `h`."""
    remark: str
    """What the user must do or know besides."""
    checked: str
    """What the weights were compared with, and by how much they differ."""
    step: int
    """Training step of the checkpoint."""
    newest: bool
    """Whether it is the run's newest checkpoint, the one that was evaluated."""
    encoder: str
    """Name of the network."""
    channels: int
    """Channels of an image."""
    size: int
    """Side of the images in px."""
    resize: int | None
    """Side in px to which the network's input is brought; None: as the images are."""
    mean: tuple[float, ...]
    """Subtracted from images in [0, 1], a channel each."""
    std: tuple[float, ...]
    """Divided by, a channel each."""
    dim: int
    """Numbers of an output."""
    normalises: bool
    """Whether the exported network normalises images itself."""
    gray: bool = False
    """Whether images are turned to gray ones of their lightness first."""


def model_card(run: RunRecords, exported: ExportedEncoder) -> str:
    """The card as text; what no record knows is said to be unknown. Names are escaped, paths of data cut."""
    parts = [
        front_matter(run, exported),
        f"# {escaped(run.name)}",
        _about(run, exported),
        "## Does it work?",
        *_answers(run, exported),
        "## Accuracy on frozen features",
        *_accuracy(run, exported),
        "## How to load it",
        f"With `images` as float32 [batch, {exported.channels}, {exported.size}, {exported.size}] in [0, 1], in this "
        "folder:",
        f"```python\n{exported.code}\n```",
        *([escaped(exported.remark)] if exported.remark else []),
        escaped(exported.checked),
        "## What it takes and gives",
        _input(exported),
        "## How it was trained",
        *_training(run, exported),
        "## Limits",
        "The answers speak of the images and views that they were measured on; on other images measure again: "
        "`contrascope diagnose RUN DATA`. The licence of weights and data is for their owner to state; no record "
        "of the run knows it.",
    ]
    return "\n\n".join(parts) + "\n"


def escaped(value: Any) -> str:
    r"""Text on one line in which nothing is markup.

    >>> print(escaped("<b>a|b</b>"))
    &lt;b&gt;a\|b&lt;/b&gt;
    """
    words = " ".join(str(value).split())
    return SIGNS.sub(r"\\\1", html.escape(words, quote=False))


def front_matter(run: RunRecords, exported: ExportedEncoder) -> str:
    """The hub's YAML: every value is written as JSON, which YAML reads, so that no name can end it."""
    method = str(value_at(run.settings, "method.kind") or "").removesuffix("Settings").lower()
    kind = "supervised-learning" if method.startswith(SUPERVISED.lower()) else "self-supervised-learning"
    tags = [kind, "contrascope", *([method] if method else [])]
    lines = [
        f"library_name: {json.dumps(exported.library)}",
        'pipeline_tag: "image-feature-extraction"',
        f"tags: {json.dumps(tags)}",
    ]
    results = _results(run) if exported.newest else []
    if results:
        lines.append(f"model-index: {json.dumps([{'name': run.name, 'results': results}])}")
    return "\n".join(["---", *lines, "---"])


def _results(run: RunRecords) -> list[dict[str, Any]]:
    data = data_name(run)
    found = []
    for row in scores(run):
        value = estimate(row)
        if row.of != "trained encoder" or value is None:
            continue
        metric = {"type": "accuracy", "name": probe_title(row.name), "value": round(value[0], 6)}
        args = {"protocol": row.protocol, "interval": [round(end, 6) for end in value[1:]]}
        found.append(
            {
                "task": {"type": "image-classification", "name": "classification of frozen features"},
                "dataset": {"type": data, "name": data, "split": row.split},
                "metrics": [{**metric, "args": args}],
            }
        )
    return found


def data_name(run: RunRecords) -> str:
    """What the images are called; of a path its last part alone, since a card is read by others.

    >>> data_name(RunRecords(path="r", name="r", settings={"data": {"source": "/home/me/birds"}}))
    'birds'
    """
    source = value_at(run.settings, "data.source")
    if not isinstance(source, str) or not source:
        return "unknown"
    local = source.startswith(("/", ".", "~", "\\")) or source.count("/") > 1 or "\\" in source
    return (PurePath(source.replace("\\", "/")).name or "unknown") if local else source


def _about(run: RunRecords, exported: ExportedEncoder) -> str:
    method = str(value_at(run.settings, "method.kind") or "an unknown method").removesuffix("Settings")
    version = run.environment.versions.get("contrascope")
    made = f"contrascope {version}" if isinstance(version, str) else "contrascope"
    how = "with" if method.startswith(SUPERVISED) else "without"
    return (
        f"An image encoder, {escaped(exported.encoder)}, trained {how} labels by {escaped(method)} on "
        f"{escaped(data_name(run))} with {escaped(made)}; weights of step {exported.step:,}."
    )


def answer_lines(answer: ShownAnswer) -> list[str]:
    """An answer, and its evidence as a list."""
    evidence = "\n".join(f"- {escaped(sentence)}" for sentence in answer.evidence)
    return [f"**{escaped(answer.line)}**", *([evidence] if evidence else [])]


def _answers(run: RunRecords, exported: ExportedEncoder) -> list[str]:
    found, notice = guarded(judgement, run)
    if not isinstance(found, Judgement):
        return [escaped(notice or "Not diagnosed.")]
    parts = []
    for answer in found.answers:
        parts += answer_lines(answer)
        told = (*answer.sentences[len(answer.evidence) :], answer.about)
        parts += [escaped(_without_folders(text)) for text in told if text]
    parts += [escaped(found.remark)] if found.remark else []
    step = re.search(r"step (\d+)", found.about)
    if step and int(step[1]) != exported.step:
        parts.append(
            f"These answers are of step {int(step[1]):,}, the weights are of step {exported.step:,}."
        )
    return parts


def _without_folders(text: str) -> str:
    """Paths in a sentence cut to their last part."""
    return re.sub(r"(?<!\S)(?:[~.]{0,2}/)(?:[^\s,;/]+/)*([^\s,;/]+)", r"\1", text)


def _accuracy(run: RunRecords, exported: ExportedEncoder) -> list[str]:
    found, notice = guarded(accuracy, run)
    table = found.table if isinstance(found, Figure) else found
    if not isinstance(table, Table):
        return [escaped(notice or "Not measured: that needs labels.")]
    parts = [
        markdown_table(table),
        f"{escaped(table.note)}. In brackets: 95 % intervals over images.",
        *map(escaped, gain_sentences(run.evaluation.rows)),
    ]
    if not exported.newest:
        parts.append("These scores are of the run's last checkpoint, not of the one that is exported here.")
    return parts


def _input(exported: ExportedEncoder) -> str:
    side = exported.resize or exported.size
    colours = f"{exported.channels} channel{'s' * (exported.channels > 1)}"
    rows = [
        ("images", f"{colours}, {exported.size} x {exported.size} px, values in [0, 1]"),
        ("size seen by the network", f"{side} x {side} px"),
        ("mean", ", ".join(map(str, exported.mean))),
        ("standard deviation", ", ".join(map(str, exported.std))),
        (
            "normalisation",
            "inside the network" if exported.normalises else "before it, as the lines above do",
        ),
        ("output", f"{exported.dim} numbers an image (h, before the projector)"),
    ]
    if exported.gray:
        where = "inside the network" if exported.normalises else "before it, as the lines above do"
        rows.insert(1, ("colours", f"turned to gray of the same lightness, {where}"))
    return markdown_table(Table(title="", head=("what", "value"), rows=rows))


def _training(run: RunRecords, exported: ExportedEncoder) -> list[str]:
    known = run.environment
    facts = [
        ("data", data_name(run)),
        ("images", short(known.images)),
        ("step", f"{exported.step:,}"),
        *(
            (name, value)
            for name, value in (("time", known.time), ("device", known.device), ("commit", known.commit))
            if value
        ),
    ]
    listed = [
        (name, value)
        for name, value in leaves(run.settings)
        if name.partition(".")[0] in TRAINING and (name == "method.kind" or not name.endswith(".kind"))
    ]
    return [markdown_table(Table(title="", head=("setting", "value"), rows=[*facts, *listed]))]


def markdown_table(table: Table) -> str:
    r"""A table in Markdown; every cell is escaped.

    >>> print(markdown_table(Table(title="", head=("a",), rows=[("x|y",)])))
    | a |
    | --- |
    | x\|y |
    """
    lines = [table.head, ("---",) * len(table.head)]
    rows = [tuple(map(escaped, row)) for row in table.rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (*lines, *rows))
