"""The table of every bound in diagnosis.json, with the word that says what it is worth."""

from contrascope.records.diagnosis import BoundEntry, FactorsEntry
from contrascope.records.lookup import value_at
from contrascope.reports.blocks import Table, interval, short
from contrascope.reports.load import RunRecords
from contrascope.reports.measured import factors_of


def bounds(run: RunRecords) -> Table | None:
    """Every bound with its terms, its value, the true error where known, and its word."""
    rows = [_bound_row(name, tree, bound) for name, tree in factors_of(run).items() for bound in tree.bounds]
    if not rows:
        return None
    informative = sum("informative" in row[4] for row in rows)
    return Table(
        title="Bounds of the theory",
        head=("layer, labelling", "bound", "value", "true error", "word", "terms", "source"),
        rows=rows,
        read=f"{informative} of {len(rows)} bounds are informative: all their conditions hold and they say more than "
        "the trivial value. On real images expect vacuous from most; that is a fact about the bounds.",
        sortable=True,
    )


def _bound_row(name: str, factors: FactorsEntry, bound: BoundEntry) -> tuple[str, ...]:
    sign = "≥" if bound.lower else "≤"
    terms = "; ".join(f"{key} {short(value)}" for key, value in bound.terms.items())
    failing = [key for key, holds in bound.conditions.items() if not holds]
    value = f"{sign} {short(bound.value)}" if not failing else "no bound"
    why = f"fails: {', '.join(failing)}" if failing else f"trivial value {short(bound.trivial)}"
    word = f"{'○ vacuous' if _vacuous(bound, failing) else '● informative'} ({why})"
    return name, bound.name or "?", value, _true_error(factors, bound), word, terms, bound.source


def _vacuous(bound: BoundEntry, failing: list[str]) -> bool:
    if failing or bound.value is None or bound.trivial is None:
        return True
    return bound.value <= bound.trivial if bound.lower else bound.value >= bound.trivial


def _true_error(factors: FactorsEntry, bound: BoundEntry) -> str:
    if bound.terms.get("error") is not None:
        return short(bound.terms["error"])
    return interval(value_at(factors, "error")) if "exact centres" in bound.name else "–"
