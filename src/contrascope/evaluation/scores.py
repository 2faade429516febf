"""A number with its context."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Score:
    """A share of test images that a probe gets right, in [0, 1], with the interval over these images."""

    name: str
    """The probe: knn, nearest_centre, linear, few_labels_1, ..."""
    value: float
    """Accuracy; over views and draws, the mean."""
    low: float
    """Lower end of the interval over test images."""
    high: float
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


def table(scores: Mapping[str, Sequence[Score]]) -> list[dict[str, str | float | int | None]]:
    """One flat row a score, with the name of its features first.

    >>> score = Score(name="knn", value=0.5, low=0.4, high=0.6, n=9, output="h", protocol="abc")
    >>> [(row["of"], row["name"], row["value"]) for row in table({"random encoder": [score]})]
    [('random encoder', 'knn', 0.5)]
    """
    return [{"of": of, **asdict(score)} for of, several in scores.items() for score in several]
