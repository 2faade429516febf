"""Figures of settings.json, environment.json and bad_images.json: what was run, on what, and how to repeat it."""

import json
import shlex
from collections.abc import Iterator
from typing import Any

from contrascope.records.entry import as_tree
from contrascope.records.lookup import value_at
from contrascope.reports.blocks import Copy, Facts, Table, short
from contrascope.reports.load import RunRecords
from contrascope.reports.measured import scores

NAMED = (
    ("data", "data.source"),
    ("policy", "policy.name"),
    ("method", "method.kind"),
    ("encoder", "encoder.name"),
    ("epochs", "training.epochs"),
    ("batch size", "training.batch_size"),
    ("seed", "training.seed"),
)
MOST_BAD = 50
NOT_SHOWN = ("format", "kind", "classes")
"""Parts of the environment that say nothing about the machine."""


def facts(run: RunRecords) -> Facts | None:
    """Data, method, encoder, protocol hash, time, versions: what every number depends on."""
    pairs = [
        (name, words(value).removesuffix("Settings"))
        for name, path in NAMED
        if (value := value_at(run.settings, path)) is not None
    ]
    hashes = {row.protocol for row in scores(run) if row.protocol}
    known = run.environment
    found = {
        "images": None if known.images is None else short(known.images),
        "image (channels, height, width)": words(list(known.image_shape)),
        "protocol": ", ".join(sorted(hashes)),
        "started": known.time,
        "device": known.device,
        "commit": known.commit,
        "pictures and map": f"of step {short(run.gallery.step)}" if run.gallery.step else None,
        "best label-free checkpoint": f"step {short(run.best.step)}" if run.best.step else None,
        "pictures left out": short(run.bad_images.count) if run.bad_images.count else None,
    }
    named = (name for name in ("contrascope", "torch") if known.versions.get(name))
    found["versions"] = ", ".join(f"{name} {known.versions[name]}" for name in named)
    pairs += [(name, str(value)) for name, value in found.items() if value]
    return Facts(title="What was run", pairs=tuple(pairs)) if pairs else None


def run_line(run: RunRecords) -> str:
    """What was run, in one line below the title; empty where no setting is known."""
    found = [(name, value_at(run.settings, path)) for name, path in NAMED]
    said = [
        words(value).removesuffix("Settings") if name == "method" else f"{name} {words(value)}"
        for name, value in found
        if value is not None
    ]
    return ", ".join(said)


def settings_line(run: RunRecords) -> str:
    """What the fold of the settings says."""
    count = sum(1 for _ in leaves(run.settings))
    known = run.environment
    said = [f"{count} settings and the command that repeats the run"] if count else []
    said += [
        f"{word} {value}" for word, value in (("device", known.device), ("started", known.time)) if value
    ]
    return ", ".join(said)


def every_setting(run: RunRecords) -> Table | None:
    """Every resolved value."""
    rows = list(leaves(run.settings))
    if not rows:
        return None
    return Table(title="Every resolved setting", head=("setting", "value"), rows=rows, sortable=True)


def machine(run: RunRecords) -> Table | None:
    """Everything that was noted of the machine and the versions."""
    if not (run.environment.time or run.environment.device or run.environment.versions):
        return None
    kept = {key: value for key, value in as_tree(run.environment).items() if key not in NOT_SHOWN}
    rows = list(leaves(kept))
    return Table(title="Machine, versions and data", head=("name", "value"), rows=rows)


def repeat(run: RunRecords) -> Copy | None:
    """The command that repeats the run."""
    if not run.settings:
        return None
    again = run.path.rstrip("/") + "-again"
    command = shlex.join(["contrascope", "train", run.path, "--out", again])
    return Copy(
        title="Repeat the run",
        text=command,
        read="The folder's settings.json holds every value, so this starts the same run anew; on one machine, with "
        "the same versions, it gives the same numbers.",
    )


def as_json(run: RunRecords) -> Copy | None:
    """The settings as JSON, to repeat the run where its folder is not at hand."""
    if not run.settings:
        return None
    return Copy(
        title="The settings as JSON",
        text=json.dumps(run.settings, indent=1, ensure_ascii=False),
        read="Without the folder: save this as settings.json in an empty folder F, then contrascope train F --out G.",
    )


def bad_images(run: RunRecords) -> Table | None:
    """Pictures that could not be read."""
    rows = run.bad_images.images
    if not rows:
        return None
    count = run.bad_images.count or len(rows)
    return Table(
        title="Pictures that were left out",
        head=("file or row", "reason"),
        rows=[(row.name or "?", row.reason or "?") for row in rows[:MOST_BAD]],
        read=f"{count:,.0f} pictures could not be read and took no part.",
        note=f"The first {MOST_BAD}; bad_images.json names all." if len(rows) > MOST_BAD else "",
    )


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Path and value of every leaf, in the order of the record.

    >>> list(leaves({"a": {"b": 1, "c": [1, 2]}}))
    [('a.b', '1'), ('a.c', '1, 2')]
    """
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            yield from leaves(value, f"{path}.{key}" if path else str(key))
    elif path:
        yield path, words(tree)


def words(value: Any) -> str:
    """A setting's value as text."""
    if value is None:
        return "none"
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(words(item) for item in value)
    return json.dumps(value, ensure_ascii=False)
