"""Encoders: images in [0, 1] to one vector an image; projectors behind them."""

from typing import TYPE_CHECKING

from contrascope.lazy import attach

if TYPE_CHECKING:
    from contrascope.encoders.build import BUILT_IN as BUILT_IN
    from contrascope.encoders.build import build_encoder as build_encoder
    from contrascope.encoders.build import wrap_encoder as wrap_encoder
    from contrascope.encoders.encoder import Encoder as Encoder
    from contrascope.encoders.projector import Projector as Projector
    from contrascope.encoders.projector import build_projector as build_projector
    from contrascope.encoders.settings import EncoderSettings as EncoderSettings
    from contrascope.encoders.settings import ProjectorSettings as ProjectorSettings
    from contrascope.encoders.twin import random_twin as random_twin

__getattr__ = attach(
    __name__,
    {
        "BUILT_IN": "build",
        "build_encoder": "build",
        "wrap_encoder": "build",
        "Encoder": "encoder",
        "Projector": "projector",
        "build_projector": "projector",
        "EncoderSettings": "settings",
        "ProjectorSettings": "settings",
        "random_twin": "twin",
    },
)
