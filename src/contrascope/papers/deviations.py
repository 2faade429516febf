"""How the runs of a table differ from the paper's, from the settings alone."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from contrascope.records.entry import Tree
from contrascope.settings import differences

BESIDE = (
    *("data.source", "data.workers", "data.memory_budget_mb", "protocol", "monitor", "geometry"),
    *("training.threads", "training.log_every", "training.checkpoint_every", "training.keep_last"),
    *("training.keep_every", "training.probe_every", "training.seed", "format"),
)
"""Settings that decide no number of a table: where images lie, what is looked at and kept meanwhile."""


def deviations(paper: Mapping[str, Tree], ours: Mapping[str, Tree]) -> list[str]:
    """Lines `path: the paper's -> here`, those of all cells first and once, then those of some, with their cells.

    >>> deviations({"a": {"x": 1}, "b": {"x": 1}}, {"a": {"x": 2}, "b": {"x": 2}})
    ['`x`: 1 -> 2']
    """
    cells: dict[str, list[str]] = defaultdict(list)
    both = [name for name in ours if name in paper]
    for name in both:
        for line in differences(_deciding(paper[name]), _deciding(ours[name])):
            cells[line].append(name)
    lines = sorted(cells.items(), key=lambda item: -len(item[1]))
    return [_said(line, named, len(both)) for line, named in lines]


def _deciding(tree: Tree) -> Tree:
    """The settings without what decides no number."""
    kept: Any = dict(tree)
    for path in BESIDE:
        group, _, last = path.rpartition(".")
        if not group:
            kept.pop(path, None)
        elif isinstance(kept.get(group), dict):
            kept[group] = {key: value for key, value in kept[group].items() if key != last}
    return kept


def _said(line: str, cells: Sequence[str], count: int) -> str:
    path, _, change = line.partition(": ")
    said = f"`{path}`: {change}"
    if len(cells) == count:
        return said
    listed = ", ".join(cells[:4]) + (f" and {len(cells) - 4} more" if len(cells) > 4 else "")
    return f"{said} ({listed})"
