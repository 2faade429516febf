"""A diagnosis as text for a terminal: the three answers, the signals beside their reference, factors, bounds."""

import json
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from contrascope.diagnosis.diagnosis import PSEUDO
from contrascope.diagnosis.factors import Factors
from contrascope.diagnosis.signals import LayerSignals
from contrascope.intervals import Estimate
from contrascope.records.entry import as_tree
from contrascope.records.files import finite
from contrascope.records.forgetting import shown_forgetting
from contrascope.records.vocabulary import FACTORS, LAYERS, SIGNALS
from contrascope.subjects.diagnose import Diagnosed, diagnosis_record
from contrascope.terminal.answers import print_answer, print_answers
from contrascope.theory.bounds.bound import Bound


def show_diagnosis(found: Diagnosed, written: Path | None, *, as_json: bool = False) -> str:
    """The summary, or everything as JSON."""
    if as_json:
        return _json(found)
    text = StringIO()
    console = Console(file=text, width=110)
    console.print(Text(f"{found.thing}: {found.data}"))
    print_answers(console, found.diagnosis.verdict)
    if found.start is not None:
        print_answer(console, shown_forgetting(found.start))
    console.print(_signal_table(found))
    console.print(Text(_of(found, f"Reference: {found.diagnosis.signals.reference}.")))
    if found.diagnosis.needs_views:
        console.print(Text(f"Needs views: {', '.join(found.diagnosis.needs_views)}."))
    for table in _factor_tables(found):
        console.print(table)
    slope = found.diagnosis.lipschitz
    if slope is not None:
        console.print(
            Text(f"Lipschitz constant of the encoder's unit rows: at least {slope.value:.3g} (from below).")
        )
    if written is not None:
        console.print(Text(f"All numbers: {written}"))
    return text.getvalue()


def _json(found: Diagnosed) -> str:
    record = diagnosis_record(found)
    return json.dumps(finite(as_tree(record)), indent=2, allow_nan=False) + "\n"


def _signal_table(found: Diagnosed) -> Table:
    signals = found.diagnosis.signals
    shown = {title: layer for name, title in LAYERS.items() if (layer := getattr(signals, name)) is not None}
    title = "label-free signals, with 95 % intervals over images (↑ higher is better, ↓ lower is better)"
    table = Table(title=_of(found, title))
    table.add_column("")
    for title in shown:
        table.add_column(title, justify="right")
    for one in SIGNALS:
        values = [_at(layer, one.path) for layer in shown.values()]
        if any(value is not None for value in values):
            table.add_row(_of(found, one.brief), *map(_number, values))
    return table


def _of(found: Diagnosed, words: str) -> str:
    """The same words of what was looked at."""
    if found.item == "image":
        return words
    return words.replace("an image", f"a {found.item}").replace("image", found.item)


def _at(layer: LayerSignals, path: str) -> Estimate | float | int | None:
    value: Any = layer
    for part in path.split("."):
        value = None if value is None else getattr(value, part)
    return value


def _number(value: Estimate | float | int | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, Estimate):
        return f"{value.value:.3g} [{value.low:.3g}, {value.high:.3g}]"
    return f"{value:.3g}"


def _factor_tables(found: Diagnosed) -> Iterator[Table]:
    """One table a labelling, encoder and projector side by side; pseudo-classes only where there is nothing else."""
    factors = found.diagnosis.factors
    labellings = dict.fromkeys(name.split(" ", 1)[1] for name in factors)
    if len(labellings) > 1:
        labellings.pop(PSEUDO, None)
    for labelling in labellings:
        layers = {layer: factors[key] for layer in "hz" if (key := f"{layer} {labelling}") in factors}
        yield _factor_table(found, labelling, layers)


def _factor_table(found: Diagnosed, labelling: str, layers: Mapping[str, Factors]) -> Table:
    first = next(iter(layers.values()))
    about = first.labels if first.pseudo else f"{labelling}, {first.classes} classes"
    table = Table(title=f"beside the answers: {about}")
    table.add_column("")
    for layer in layers:
        table.add_column(LAYERS[layer], justify="right")
    for one in FACTORS:
        table.add_row(
            _of(found, one.brief), *(_number(getattr(layer, one.path)) for layer in layers.values())
        )
    table.add_section()
    for bounds in zip(*(one.bounds for one in layers.values()), strict=True):
        table.add_row(
            Text(f"{bounds[0].name} {_sign(bounds[0])}"), *(_of(found, _bound(one)) for one in bounds)
        )
    return table


def _sign(bound: Bound) -> str:
    return ">=" if bound.lower else "<="


def _bound(bound: Bound) -> str:
    if not bound.holds:
        return f"no bound {bound.scope}".rstrip() + " (vacuous: a condition fails)"
    value = f"{bound.value:.4g} {bound.scope}".rstrip()
    if bound.circular:
        return f"{value} (vacuous: circular)"
    new = "" if bound.limit is None else f", {_sign(bound)} {bound.limit:.4g} on new images"
    return f"{value} ({bound.word}{new})"
