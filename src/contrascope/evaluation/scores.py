"""A number with its context."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from contrascope.errors import LabelWarning
from contrascope.records.lookup import remarks


@dataclass(frozen=True, kw_only=True)
class Score:
    """A share of test images that a probe gets right, in [0, 1], with the interval over these images."""

    name: str
    """The probe: knn, nearest_centre, linear, few_labels_1, ..."""
    value: float | None
    """Accuracy; over views and draws, the mean. None: it is not defined with these labels."""
    low: float | None
    """Lower end of the interval over test images."""
    high: float | None
    """Upper end."""
    n: int
    """Test images."""
    output: Literal["h", "z"]
    """Encoder output or projector output."""
    protocol: str
    """Hash of the protocol."""
    std: float | None = None
    """Standard deviation over the draws of labels, where there are draws."""
    chosen: float | None = None
    """The inverse penalty C that was selected, where one was."""
    not_defined: str = ""
    """Why there is no value."""
    note: str = ""
    """What the labels do to the value: test images of classes that training lacks, say."""


def table(scores: Mapping[str, Sequence[Score]]) -> list[dict[str, str | float | int | None]]:
    """One flat row a score, with the name of its features first; a `LabelWarning` says what labels do not allow.

    >>> score = Score(name="knn", value=0.5, low=0.4, high=0.6, n=9, output="h", protocol="abc")
    >>> [(row["of"], row["name"], row["value"]) for row in table({"random encoder": [score]})]
    [('random encoder', 'knn', 0.5)]
    """
    rows = [{"of": of, **asdict(score)} for of, several in scores.items() for score in several]
    if said := remarks(rows):
        warnings.warn(" ".join(said), LabelWarning, stacklevel=3)
    return rows
