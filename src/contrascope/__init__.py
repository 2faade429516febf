# pyright: reportImportCycles=false
"""Train self-supervised image encoders, and know, without labels, whether they work."""

from typing import TYPE_CHECKING

from contrascope import imports as imports
from contrascope.lazy import attach
from contrascope.moved import install

if TYPE_CHECKING:
    from contrascope.curation.verbs import clusters as clusters
    from contrascope.curation.verbs import duplicates as duplicates
    from contrascope.curation.verbs import neighbours as neighbours
    from contrascope.curation.verbs import outliers as outliers
    from contrascope.curation.verbs import predict as predict
    from contrascope.diagnosis.diagnosis import Diagnosis as Diagnosis
    from contrascope.diagnosis.monitor.monitor import Monitor as Monitor
    from contrascope.runs.load import open_run as open_run
    from contrascope.verbs.advise import advise as advise
    from contrascope.verbs.diagnose import diagnose as diagnose
    from contrascope.verbs.embed import embed as embed
    from contrascope.verbs.evaluate import evaluate as evaluate
    from contrascope.verbs.export import export as export
    from contrascope.verbs.report import report as report
    from contrascope.verbs.train import train as train

__version__ = "0.2.0"

install()

__getattr__ = attach(
    __name__,
    {
        "Diagnosis": "diagnosis.diagnosis",
        "Monitor": "diagnosis.monitor.monitor",
        "open_run": "runs.load",
        **{
            name: f"verbs.{name}"
            for name in ("train", "embed", "evaluate", "diagnose", "advise", "report", "export")
        },
        **dict.fromkeys(("neighbours", "duplicates", "outliers", "clusters", "predict"), "curation.verbs"),
    },
)
