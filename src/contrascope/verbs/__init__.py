# pyright: reportImportCycles=false
"""The commands as functions: each takes a folder, a name, a model, or images and embeddings in memory."""

from typing import TYPE_CHECKING

from contrascope.lazy import attach

if TYPE_CHECKING:
    from contrascope.verbs.advise import advise as advise
    from contrascope.verbs.diagnose import diagnose as diagnose
    from contrascope.verbs.embed import embed as embed
    from contrascope.verbs.evaluate import evaluate as evaluate
    from contrascope.verbs.export import export as export
    from contrascope.verbs.report import report as report
    from contrascope.verbs.train import train as train

VERBS = ("train", "embed", "evaluate", "diagnose", "advise", "report", "export")
"""Each in the module of its name."""
__getattr__ = attach(__name__, {name: name for name in VERBS})
