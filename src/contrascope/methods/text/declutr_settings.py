"""Settings of DeCLUTR; without torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from contrascope.errors import InputError
from contrascope.methods.hints import Suspect, softmax_suspects
from contrascope.methods.settings import MethodSettings, registered
from contrascope.methods.text.mlm_settings import check_rate
from contrascope.settings import written_as
from contrascope.text.settings import SpanSettings

_SPANS = SpanSettings()


@written_as("DeCLUTRSettings")
@registered("declutr", build="contrascope.methods.text.declutr:DeCLUTR", items="sentences")
@dataclass(frozen=True, kw_only=True)
class DeCLUTRSettings(MethodSettings):
    """DeCLUTR (Giorgi et al. 2021, arXiv:2006.03659): spans of one document, and hidden tokens of the anchors."""

    temperature: float = 0.05
    """Divides the cosines."""
    spans: SpanSettings = _SPANS
    """Anchors and positives of a document; the code has spans of 32 to 512 tokens."""
    mlm: float = 1.0
    """Weight of masked-language modelling on the anchors, in the same pass that embeds them; 0: none is hidden."""
    mlm_rate: float = 0.15
    """Share of the anchors' tokens that is hidden."""

    def __post_init__(self) -> None:
        check_rate("mlm_rate", self.mlm_rate)
        if self.mlm < 0:
            raise InputError(f"method.mlm is {self.mlm}; expected 0 or more.")

    def suspects(self, word: str, signals: Mapping[str, float]) -> tuple[Suspect, ...]:
        return softmax_suspects(word, signals, temperature=self.temperature)
