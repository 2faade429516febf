"""Settings of supervised SimCSE; without torch."""

from dataclasses import dataclass

from contrascope.methods.settings import PositivesName, registered
from contrascope.methods.text.contrast_settings import TextContrastSettings
from contrascope.settings import require_positive, written_as


@written_as("SupervisedSimCSESettings")
@registered(
    "simcse_supervised",
    build="contrascope.methods.text.contrast:SupervisedSimCSE",
    items="sentences",
    supervised=True,
)
@dataclass(frozen=True, kw_only=True)
class SupervisedSimCSESettings(TextContrastSettings):
    """Supervised SimCSE (Gao et al. 2021): pairs that people chose, with a hard negative each where there is one."""

    hard_weight: float = 1.0
    """Multiplies the anchor's own hard negative in the denominator; the paper's alpha."""
    positives: PositivesName = "average-asymmetric"
    """Which pairs count; average-asymmetric is the paper's loss, of one direction; docs/arcl.md."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(hard_weight=self.hard_weight)
