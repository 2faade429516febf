"""A diagnosis as text for a terminal: the verdict, the signals beside their reference, factors, bounds."""

import json
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from contrascope import records
from contrascope.diagnosis.diagnosis import PSEUDO
from contrascope.diagnosis.factors import Factors
from contrascope.diagnosis.signals import LayerSignals
from contrascope.diagnosis.verdict import Verdict
from contrascope.intervals import Estimate
from contrascope.settings import to_json
from contrascope.subjects.diagnose import Diagnosed
from contrascope.theory.bounds.bound import Bound

Row = tuple[str, str]

SIGNALS: tuple[Row, ...] = (
    ("views.alignment", "alignment (0 best)"),
    ("views.augmentation_robust", "worst pair of views, squared"),
    ("views.retrieval", "view finds its image first"),
    ("views.confusion", "average confusion ratio"),
    ("uniformity", "uniformity (-4 best)"),
    ("wasserstein", "distance to the uniform law"),
    ("spread", "variance of unit rows"),
    ("participation_ratio", "participation ratio"),
    ("effective_rank", "effective rank (covariance)"),
    ("rankme", "RankMe (raw singular values)"),
    ("views.lidar", "LiDAR"),
    ("alpha", "alpha-ReQ exponent"),
    ("modes", "variance between 8 clusters"),
    ("shortcut.explained", "explained by trivial statistics"),
)
"""Path in `LayerSignals` and what it is called."""


def show_diagnosis(found: Diagnosed, written: Path | None, *, as_json: bool = False) -> str:
    """The summary, or everything as JSON."""
    if as_json:
        return _json(found)
    text = StringIO()
    console = Console(file=text, width=110)
    console.print(Text(f"{found.thing}: {found.data}"))
    _print_verdict(console, found.diagnosis.verdict)
    console.print(_signal_table(found))
    console.print(Text(f"Reference: {found.diagnosis.signals.reference}."))
    if found.diagnosis.needs_views:
        console.print(Text(f"Needs views: {', '.join(found.diagnosis.needs_views)}."))
    for table in _factor_tables(found.diagnosis.factors):
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
    value = {"thing": found.thing, "data": found.data, **to_json(found.diagnosis)}
    return json.dumps(records.finite(value), indent=2, allow_nan=False) + "\n"


def _print_verdict(console: Console, verdict: Verdict) -> None:
    style = {"healthy": "bold green", "undecided": "bold yellow"}.get(verdict.word, "bold red")
    console.print(Text.assemble("Verdict: ", (verdict.word, style)))
    for sentence in verdict.evidence:
        console.print(Text(f"  - {sentence}"))
    if verdict.cause:
        console.print(Text(f"Likely cause: {verdict.cause}"))
    if verdict.next:
        console.print(Text(f"Next: {verdict.next}"))


def _signal_table(found: Diagnosed) -> Table:
    signals = found.diagnosis.signals
    columns = {
        "encoder h": signals.h,
        "its reference": signals.reference_h,
        "projector z": signals.z,
        "reference of z": signals.reference_z,
    }
    shown = {title: layer for title, layer in columns.items() if layer is not None}
    table = Table(title="label-free signals, with 95 % intervals over images")
    table.add_column("")
    for title in shown:
        table.add_column(title, justify="right")
    for path, words in SIGNALS:
        values = [_at(layer, path) for layer in shown.values()]
        if any(value is not None for value in values):
            table.add_row(words, *map(_number, values))
    return table


def _at(layer: LayerSignals, path: str) -> Estimate | float | None:
    value: Any = layer
    for part in path.split("."):
        value = None if value is None else getattr(value, part)
    return value


def _number(value: Estimate | float | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, Estimate):
        return f"{value.value:.3g} [{value.low:.3g}, {value.high:.3g}]"
    return f"{value:.3g}"


FACTORS: tuple[Row, ...] = (
    ("error", "nearest-centre error"),
    ("max_cosine", "largest cosine of two centres"),
    ("mean_cosine", "mean cosine of two centres"),
    ("cdnv", "class-distance normalised variance"),
    ("directional_cdnv", "the same along the centres' line"),
    ("simplex_distance", "distance to the simplex"),
)


def _factor_tables(factors: Mapping[str, Factors]) -> Iterator[Table]:
    """One table a labelling, encoder and projector side by side; pseudo-classes only where there is nothing else."""
    labellings = dict.fromkeys(name.split(" ", 1)[1] for name in factors)
    if len(labellings) > 1:
        labellings.pop(PSEUDO, None)
    for labelling in labellings:
        layers = {layer: factors[key] for layer in "hz" if (key := f"{layer} {labelling}") in factors}
        yield _factor_table(labelling, layers)


def _factor_table(labelling: str, layers: Mapping[str, Factors]) -> Table:
    first = next(iter(layers.values()))
    about = first.labels if first.pseudo else f"{labelling}, {first.classes} classes"
    table = Table(title=f"beside the verdict: {about}")
    table.add_column("")
    for layer in layers:
        table.add_column({"h": "encoder h", "z": "projector z"}[layer], justify="right")
    for name, words in FACTORS:
        table.add_row(words, *(_number(getattr(one, name)) for one in layers.values()))
    table.add_section()
    for bounds in zip(*(one.bounds for one in layers.values()), strict=True):
        sign = ">=" if bounds[0].lower else "<="
        table.add_row(Text(f"{bounds[0].name} {sign}"), *map(_bound, bounds))
    return table


def _bound(bound: Bound) -> str:
    return f"{bound.value:.4g} ({bound.word})" if bound.holds else "no bound (vacuous: a condition fails)"
