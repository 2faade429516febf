"""Settings of SimCSE; without torch."""

from dataclasses import dataclass

from contrascope.methods.settings import PositivesName, registered
from contrascope.methods.text.contrast_settings import TextContrastSettings
from contrascope.settings import written_as


@written_as("SimCSESettings")
@registered("simcse", build="contrascope.methods.text.contrast:SimCSE", items="sentences")
@dataclass(frozen=True, kw_only=True)
class SimCSESettings(TextContrastSettings):
    """SimCSE (Gao et al. 2021, arXiv:2104.08821): a sentence twice through the network, with two masks of dropout."""

    positives: PositivesName = "average-asymmetric"
    """Which pairs count; average-asymmetric with two views is the paper's loss, of one direction; docs/arcl.md."""
