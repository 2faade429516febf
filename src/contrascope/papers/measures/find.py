"""Every measurement by name."""

from contrascope.papers.measures.measured_run import AloneMeasure, Measure
from contrascope.papers.measures.scores import SCORES, TWIN
from contrascope.papers.measures.theory import CURVES, THEOREM

MEASURES: dict[str, Measure] = {
    "scores": SCORES,
    "twin": TWIN,
    "theorem": THEOREM,
    "curves": CURVES,
}
"""What a cell may ask for of its run."""
ALONE: dict[str, AloneMeasure] = {}
"""What needs no run."""
