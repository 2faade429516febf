"""From the settings of a method to the method."""

import importlib

from torch import nn

from contrascope.distributed import synchronise_batch_norm, world_size
from contrascope.errors import InputError
from contrascope.methods.base import Method
from contrascope.methods.momentum.moco_settings import MoCoSettings
from contrascope.methods.settings import REGISTERED, MethodSettings


def build_method(settings: MethodSettings, encoder: nn.Module) -> Method:
    """The method around `encoder`, which becomes part of it and is changed in place.

    With several processes (the process group must stand already) every batch norm becomes a synchronised one,
    but for MoCo with splits, whose batch norms become split ones whatever the number of processes.

    >>> from contrascope.encoders.build import build_encoder
    >>> from contrascope.encoders.settings import EncoderSettings
    >>> from contrascope.methods.joint.simclr_settings import SimCLRSettings
    >>> encoder = build_encoder(EncoderSettings(name="convnet", width=4), channels=1, size=8)
    >>> build_method(SimCLRSettings(), encoder).projector.dim
    128
    """
    places = {info.settings: info.build for info in REGISTERED.values()}
    if type(settings) not in places:
        raise InputError(
            f"no method has settings of type {type(settings).__name__}; expected one of "
            f"{', '.join(kind.__name__ for kind in places)}."
        )
    module, name = places[type(settings)].split(":")
    method: Method = getattr(importlib.import_module(module), name)(encoder, settings)
    if world_size() > 1 and not (isinstance(settings, MoCoSettings) and settings.splits):
        synchronise_batch_norm(method)
    return method
