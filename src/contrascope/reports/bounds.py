"""The tables of every bound in diagnosis.json, with the word that says what it is worth, and the fold's line."""

from contrascope.records.diagnosis import BoundEntry, FactorsEntry
from contrascope.records.lookup import value_at
from contrascope.reports.blocks import Table, interval, short
from contrascope.reports.curves_of_views import concentration, r_epsilon
from contrascope.reports.load import RunRecords
from contrascope.reports.measured import factors_of


def bounds(run: RunRecords) -> Table | None:
    """Every bound with its value, the true error where known, and its word."""
    rows = _rows(run)
    if not rows:
        return None
    return Table(
        title="Bounds of the theory",
        head=("layer, labelling", "bound", "value", "on new images", "true error", "word"),
        rows=[row[:6] for row in rows],
        read=f"{_informative(rows)} of {len(rows)} bounds are informative: all their conditions hold, and they say "
        "more than the trivial value, on new images too where that column has a number (95 % confidence). Values are "
        "over as many views as they name; with more views an error is larger. True errors are of images that did not "
        "make the centres. On real images expect vacuous from most; that is a fact about the bounds.",
        sortable=True,
        whole=True,
    )


def terms(run: RunRecords) -> Table | None:
    """What each bound was made of, and where it is from."""
    rows = _rows(run)
    if not rows:
        return None
    return Table(
        title="Terms and sources of the bounds",
        head=("layer, labelling", "bound", "terms", "source"),
        rows=[(*row[:2], *row[6:]) for row in rows],
        folded=True,
    )


def theory_line(run: RunRecords) -> str:
    """How many bounds say something, and how far views and classes reach, for the fold."""
    rows = _rows(run)
    said = [f"{_informative(rows)} of {len(rows)} bounds are informative"] if rows else []
    for figure, name in ((r_epsilon(run), "R_eps"), (concentration(run), "sigma(delta)")):
        said += [f"{name}: {figure.alt.split('; ')[0]}"] if figure else []
    return ". ".join(said) + "." if said else ""


def _rows(run: RunRecords) -> list[tuple[str, ...]]:
    return [_bound_row(name, tree, bound) for name, tree in factors_of(run).items() for bound in tree.bounds]


def _informative(rows: list[tuple[str, ...]]) -> int:
    return sum("informative" in row[5] for row in rows)


def _bound_row(name: str, factors: FactorsEntry, bound: BoundEntry) -> tuple[str, ...]:
    sign = "≥" if bound.lower else "≤"
    terms = "; ".join(f"{key} {short(value)}" for key, value in bound.terms.items())
    holds = all(bound.conditions.values())
    scope = f" {bound.scope}" if bound.scope else ""
    value = f"{sign} {short(bound.value)}{scope}" if holds else "no bound"
    new = "–" if bound.limit is None or not holds else f"{sign} {short(bound.limit)}"
    error = _true_error(factors, bound)
    return name, bound.name or "?", value, new, error, _word(factors, bound), terms, bound.source


def _word(factors: FactorsEntry, bound: BoundEntry) -> str:
    """As `Bound.word` and `Bound.reason`; files that name no views were judged on the images that made the bound."""
    failing = [key for key, holds in bound.conditions.items() if not holds]
    if failing:
        return f"○ vacuous (fails: {', '.join(failing)})"
    if bound.circular or factors.pseudo:
        return "○ vacuous (circular: the classes were made from this embedding)"
    if not bound.scope:
        return "○ not judged (by a version that did not look at other images)"
    vacuous = "○ vacuous" if _vacuous(bound) else "● informative"
    return f"{vacuous} (trivial value {short(bound.trivial)})"


def _vacuous(bound: BoundEntry) -> bool:
    judged = bound.value if bound.limit is None else bound.limit
    if judged is None or bound.trivial is None:
        return True
    return judged <= bound.trivial if bound.lower else judged >= bound.trivial


def _true_error(factors: FactorsEntry, bound: BoundEntry) -> str:
    """Only where centres and errors come from different images, as in every file that names views."""
    if bound.scope and bound.terms.get("error") is not None:
        return short(bound.terms["error"])
    return interval(value_at(factors, "error")) if "exact centres" in bound.name else "–"
