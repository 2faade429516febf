"""Settings of ConSERT; without torch."""

from dataclasses import dataclass

from contrascope.encoders.settings import ProjectorSettings
from contrascope.methods.settings import registered
from contrascope.methods.text.contrast_settings import TextContrastSettings
from contrascope.settings import written_as

_NONE = ProjectorSettings(hidden=(), out=0)


@written_as("ConSERTSettings")
@registered("consert", build="contrascope.methods.text.contrast:BatchContrast", items="sentences")
@dataclass(frozen=True, kw_only=True)
class ConSERTSettings(TextContrastSettings):
    """ConSERT (Yan et al. 2021, arXiv:2105.11741): cut-off and shuffled positions as views of the embedding.

    The released code sums both directions and multiplies by 0.15: 0.3 times NT-Xent. It has no head.
    """

    temperature: float = 0.1
    """Divides the cosines."""
    weight: float = 0.3
    """Multiplies NT-Xent."""
    projector: ProjectorSettings = _NONE
    """None: out 0 leaves h as it is."""
