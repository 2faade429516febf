"""Every measurement by name."""

from contrascope.papers.measures.clusters import CLUSTERS
from contrascope.papers.measures.concentration import CONCENTRATION
from contrascope.papers.measures.geometry import GEOMETRY, ROTATIONS
from contrascope.papers.measures.measured_run import AloneMeasure, RunMeasure
from contrascope.papers.measures.scores import SCORES, TWIN
from contrascope.papers.measures.suites import COPIES_SMALL, COPIES_WHOLE, TRANSFER_SMALL, TRANSFER_WHOLE
from contrascope.papers.measures.theory import CURVES, THEOREM

MEASURES: dict[str, RunMeasure] = {
    "scores": SCORES,
    "twin": TWIN,
    "theorem": THEOREM,
    "curves": CURVES,
    "clusters": CLUSTERS,
    "copies": COPIES_SMALL,
    "copies_whole": COPIES_WHOLE,
    "transfer": TRANSFER_SMALL,
    "transfer_whole": TRANSFER_WHOLE,
    "geometry": GEOMETRY,
}
"""What a cell may ask for of its run."""
ALONE: dict[str, AloneMeasure] = {"concentration": CONCENTRATION, "rotations": ROTATIONS}
"""What needs no run."""
