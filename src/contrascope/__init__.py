# pyright: reportImportCycles=false
"""Train self-supervised image encoders, and know, without labels, whether they work."""

from typing import TYPE_CHECKING

from contrascope.lazy import attach
from contrascope.moved import install

if TYPE_CHECKING:
    from contrascope.diagnosis.diagnosis import Diagnosis as Diagnosis
    from contrascope.diagnosis.diagnosis import diagnose as diagnose
    from contrascope.runs.load import open_run as open_run

__version__ = "0.1.0"

install()

__getattr__ = attach(
    __name__,
    {
        "diagnose": "diagnosis.diagnosis",
        "Diagnosis": "diagnosis.diagnosis",
        "open_run": "runs.load",
    },
)
