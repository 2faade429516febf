"""What training gained and what it lost, probe by probe, beside random weights and raw pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contrascope.records.lookup import probe_order, probe_title, value_at
from contrascope.reports.load import number

TRAINED = "trained encoder"
REFERENCES = ("random encoder", "raw pixels")
"""What a trained encoder is held against."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One probe of the trained encoder less that of a reference, in points of accuracy."""

    probe: str
    """The probe's name."""
    reference: str
    """What was subtracted."""
    points: float
    """The difference."""
    told: bool
    """Whether the two 95 % intervals lie apart."""
    images: str
    """The test images, in words."""


def differences(rows: Sequence[Any]) -> list[Difference]:
    """Every probe that the trained encoder and a reference have, of rows of scores or parts of evaluation.json.

    Both are measured on the same images, and a record keeps no image's own answer. So a difference is told only where
    the two 95 % intervals lie apart. That holds whatever the two have in common: the standard error of a difference
    is at most the sum of the two. Where intervals overlap a paired comparison might still tell; none is claimed.
    """
    found = {(value_at(row, "of"), value_at(row, "name")): row for row in rows}
    told = []
    for probe in probe_order([str(name) for _, name in found]):
        trained = found.get((TRAINED, probe))
        for reference in REFERENCES:
            difference = _difference(probe, reference, trained, found.get((reference, probe)))
            told += [] if difference is None else [difference]
    return told


def gain_sentences(rows: Sequence[Any]) -> list[str]:
    r"""A sentence on what was gained, one on what was lost, one on what cannot be told; each only where there is any.

    >>> def row(of, value):
    ...     return {"of": of, "name": "knn", "value": value, "low": value - 0.01, "high": value + 0.01}
    >>> rows = [row("trained encoder", 0.8), row("random encoder", 0.75), row("raw pixels", 0.83)]
    >>> print(*gain_sentences(rows)[:2], sep="\n")
    Gained by training: kNN: 5.0 points above the random encoder.
    LOST by training: kNN: 3.0 points BELOW raw pixels.
    """
    found = differences(rows)
    if not found:
        return []
    gained = [one for one in found if one.told and one.points > 0]
    lost = [one for one in found if one.told and one.points < 0]
    open_ = [one for one in found if not one.told]
    parts = (
        ("Gained by training", gained, "above"),
        ("LOST by training", lost, "BELOW"),
        (f"Within the noise of {found[0].images}, so neither", open_, "against"),
    )
    said = [f"{head}: {_listed(ones, word)}." for head, ones, word in parts if ones]
    return [*said, "The intervals are over test images: another seed of training is not in them."]


def _difference(probe: str, reference: str, trained: Any, beside: Any) -> Difference | None:
    value, low, high = (number(value_at(trained, key)) for key in ("value", "low", "high"))
    other, least, most = (number(value_at(beside, key)) for key in ("value", "low", "high"))
    if value is None or low is None or high is None or other is None or least is None or most is None:
        return None
    images = number(value_at(trained, "n"))
    return Difference(
        probe=probe,
        reference=reference,
        points=100 * (value - other),
        told=low > most or high < least,
        images=f"these {images:,.0f} test images" if images else "these test images",
    )


def _listed(found: Sequence[Difference], word: str) -> str:
    """Differences by probe, as "kNN: 3.2 points above raw pixels, 1.0 above the random encoder; ..."."""
    parts = []
    for probe in dict.fromkeys(one.probe for one in found):
        mine = [one for one in found if one.probe == probe]
        parts.append(
            f"{probe_title(probe)}: {', '.join(_told(one, word, not i) for i, one in enumerate(mine))}"
        )
    return "; ".join(parts)


def _told(one: Difference, word: str, first: bool) -> str:
    reference = f"the {one.reference}" if one.reference.endswith("encoder") else one.reference
    if not one.told:
        return f"{one.points:+.1f} {word} {reference}"
    points = f"{abs(one.points):.1f}"
    return f"{points}{' points' if first else ''} {word} {reference}"
