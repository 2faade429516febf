"""Settings of CLEAR; without torch."""

from dataclasses import dataclass

from contrascope.encoders.settings import ProjectorSettings
from contrascope.methods.settings import registered
from contrascope.methods.text.contrast_settings import TextContrastSettings
from contrascope.settings import written_as

_PROJECTOR = ProjectorSettings(hidden=(256,), out=128)


@written_as("CLEARSettings")
@registered("clear", build="contrascope.methods.text.contrast:BatchContrast", items="sentences")
@dataclass(frozen=True, kw_only=True)
class CLEARSettings(TextContrastSettings):
    """CLEAR (Wu et al. 2020, arXiv:2012.15466): spans deleted and reordered, with masked-language modelling beside.

    No code was released: the head and the weight of 1 are as the abstract and other papers tell it.
    """

    temperature: float = 0.1
    """Divides the cosines."""
    mlm: float = 1.0
    """Weight of masked-language modelling."""
    projector: ProjectorSettings = _PROJECTOR
    """Head that is used in training alone."""
