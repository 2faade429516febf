"""From the settings of a method to the method."""

import importlib

from torch import nn

from contrascope.distributed import synchronise_batch_norm, world_size
from contrascope.errors import InputError
from contrascope.methods.base import Method
from contrascope.methods.settings import MethodSettings, every_method, info_of
from contrascope.methods.split_norm import SplitBatchNorm
from contrascope.precision import single_precision


@single_precision()
def build_method(settings: MethodSettings, encoder: nn.Module) -> Method:
    """The method around `encoder`, which becomes part of it and is changed in place.

    With several processes (the process group must stand already) every batch norm becomes a synchronised one,
    but for split ones, which stay so whatever the number of processes.

    >>> from contrascope.encoders.build import build_encoder
    >>> from contrascope.encoders.settings import EncoderSettings
    >>> from contrascope.methods.joint.simclr_settings import SimCLRSettings
    >>> encoder = build_encoder(EncoderSettings(name="convnet", width=4), channels=1, size=8)
    >>> build_method(SimCLRSettings(), encoder).projector.dim
    128
    """
    known = every_method()
    info = info_of(type(settings))
    if info is None:
        raise InputError(
            f"no method has settings of type {type(settings).__name__}; expected one of "
            f"{', '.join(one.settings.__name__ for one in known.values())}. For a method of your own, say where it "
            "is: contrascope.methods.settings.method_settings('package.module:Class')."
        )
    settings.refuse_temperature()
    module, name = info.build.split(":")
    method = getattr(importlib.import_module(module), name)(encoder, settings)
    if not isinstance(method, Method):
        raise InputError(
            f"{info.build} made a {type(method).__name__}; expected a contrascope.methods.base.Method."
        )
    if world_size() > 1:
        synchronise(method)
    return method


def synchronise(method: Method) -> None:
    """Synchronises the batch norms of every network of the method that has no split ones, in place."""
    for name, child in method.named_children():
        if not any(isinstance(module, SplitBatchNorm) for module in child.modules()):
            setattr(method, name, synchronise_batch_norm(child))
