"""The four numbers of the first screen, each beside what it is held against."""

import math
from collections.abc import Callable, Iterable
from typing import Any

from contrascope.records.lookup import probe_order, probe_title, value_at
from contrascope.reports.blocks import short
from contrascope.reports.gains import REFERENCES, TRAINED
from contrascope.reports.headline.parts import KeyNumber, KeyNumbers, Mark, Role
from contrascope.reports.load import RunRecords, estimate, number
from contrascope.reports.measured import scores

MOST = 4
"""Numbers of the first screen."""
PROBES = ("linear", "knn")
"""Probes that are shown first, where they were measured."""
Found = tuple[float, float, float]


def numbers(run: RunRecords) -> KeyNumbers | None:
    """Accuracy of two probes where there is one, then what needs no labels; None where nothing is known."""
    found = [*_accuracies(run), *_label_free(run)][:MOST]
    return KeyNumbers(numbers=tuple(found)) if found else None


def _accuracies(run: RunRecords) -> list[KeyNumber]:
    known = {(row.of, row.name): estimate(row) for row in scores(run)}
    names = probe_order([name for of, name in known if of == TRAINED])
    chosen = [*(one for one in PROBES if one in names), *(one for one in names if one not in PROBES)][:2]
    return [
        found
        for name in chosen
        if (
            found := share_reading(
                f"Accuracy, {probe_title(name)}",
                known.get((TRAINED, name)),
                [(_role(of), of, known.get((of, name))) for of in REFERENCES],
            )
        )
    ]


def _role(of: str) -> Role:
    return "pixels" if of == "raw pixels" else "reference"


def _label_free(run: RunRecords) -> Iterable[KeyNumber]:
    told = run.diagnosis.signals

    def at(path: str) -> Found | None:
        return estimate(value_at(told, path))

    makers: tuple[Callable[[], KeyNumber | None], ...] = (
        lambda: (
            share_reading(
                "A view finds its image among 100",
                at("learning.own.trained"),
                [("reference", "random weights", at("learning.own.random"))],
            )
            or share_reading(
                "A view finds its image first",
                at("h.views.retrieval"),
                [("reference", "random weights", at("reference_h.views.retrieval"))],
            )
        ),
        lambda: (
            _directions("effective rank", "effective_rank", at, value_at(told, "h.dim"))
            or _directions("participation ratio", "participation_ratio", at, value_at(told, "h.dim"))
        ),
        lambda: _odds(at("learning.standard.all.odds")),
        lambda: _plain(
            "Alignment of two views", at("h.views.alignment"), at("reference_h.views.alignment"), 4.0
        ),
    )
    return [found for make in makers if (found := make())]


def share_reading(
    title: str, found: Found | None, references: list[tuple[Role, str, Found | None]]
) -> KeyNumber | None:
    """A share of 0 to 1 as per cent, on a scale from 0 to 100; None where it was not measured."""
    if found is None:
        return None
    value, low, high = (100 * part for part in found)
    known: list[tuple[Role, str, float]] = [
        (role, name, 100 * one[0]) for role, name, one in references if one is not None
    ]
    return KeyNumber(
        title=title,
        value=f"{value:.1f} %",
        interval=f"{low:.1f} to {high:.1f}" if low != high else "",
        references=tuple((role, f"{name} {one:.1f} %") for role, name, one in known),
        marks=_marks((value, low, high), [(role, one) for role, _, one in known], 100.0),
    )


def _directions(words: str, key: str, at: Callable[[str], Found | None], dim: Any) -> KeyNumber | None:
    most = number(dim)
    beside = f"of {short(most)}" if most else ""
    return _plain(f"Directions in use ({words})", at(f"h.{key}"), at(f"reference_h.{key}"), most, beside)


def _plain(
    title: str, found: Found | None, random: Found | None, most: float | None, beside: str = ""
) -> KeyNumber | None:
    if found is None:
        return None
    known: list[tuple[Role, float]] = [] if random is None else [("reference", random[0])]
    return KeyNumber(
        title=title,
        value=short(found[0], 3),
        interval=beside or (f"{short(found[1], 3)} to {short(found[2], 3)}" if found[1] != found[2] else ""),
        references=tuple((role, f"random weights {short(value, 3)}") for role, value in known),
        marks=_marks(found, known, most) if most else (),
    )


def _odds(found: Found | None) -> KeyNumber | None:
    if found is None or found[2] > 50:
        return None
    value, low, high = (math.exp(part) for part in found)
    return KeyNumber(
        title="Odds under standard views",
        value=f"x {short(value, 2)}",
        interval=f"{short(low, 2)} to {short(high, 2)}" if low != high else "",
        references=(("reference", "random weights x 1"),),
    )


def _marks(found: Found, references: list[tuple[Role, float]], most: float) -> tuple[Mark, ...]:
    def at(value: float) -> float:
        return round(100 * min(max(value / most, 0.0), 1.0), 2)

    value, low, high = found
    ours = Mark(role="encoder", at=at(value), low=at(low), wide=round(at(high) - at(low), 2))
    return (*(Mark(role=role, at=at(one)) for role, one in references), ours)
