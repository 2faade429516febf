"""Encoders: images in [0, 1] to one vector an image; projectors behind them."""

from contrascope.encoders.build import BUILT_IN as BUILT_IN
from contrascope.encoders.build import EncoderSettings as EncoderSettings
from contrascope.encoders.build import build_encoder as build_encoder
from contrascope.encoders.build import wrap_encoder as wrap_encoder
from contrascope.encoders.encoder import Encoder as Encoder
from contrascope.encoders.projector import Projector as Projector
from contrascope.encoders.projector import ProjectorSettings as ProjectorSettings
from contrascope.encoders.projector import build_projector as build_projector
