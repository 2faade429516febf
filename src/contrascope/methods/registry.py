"""The methods by name, and how their settings become a method."""

from collections.abc import Callable
from typing import Any, TypeAlias

from torch import nn

from contrascope.distributed import synchronise_batch_norm, world_size
from contrascope.errors import InputError
from contrascope.methods.base import Method, MethodSettings
from contrascope.methods.joint.barlow_twins import BarlowTwins, BarlowTwinsSettings
from contrascope.methods.joint.simclr import SimCLR, SimCLRSettings
from contrascope.methods.joint.vicreg import VICReg, VICRegSettings
from contrascope.methods.momentum.byol import BYOL, BYOLSettings
from contrascope.methods.momentum.moco import MoCo, MoCoSettings
from contrascope.methods.predict.simsiam import SimSiam, SimSiamSettings

AnyMethodSettings: TypeAlias = (
    SimCLRSettings | MoCoSettings | BarlowTwinsSettings | SimSiamSettings | BYOLSettings | VICRegSettings
)
"""The settings of one of the methods here."""

METHODS: dict[str, type[MethodSettings]] = {
    "simclr": SimCLRSettings,
    "moco": MoCoSettings,
    "barlow_twins": BarlowTwinsSettings,
    "simsiam": SimSiamSettings,
    "byol": BYOLSettings,
    "vicreg": VICRegSettings,
}
"""Name to settings class."""

_BUILDERS: dict[type[MethodSettings], Callable[[nn.Module, Any], Method]] = {
    SimCLRSettings: SimCLR,
    MoCoSettings: MoCo,
    BarlowTwinsSettings: BarlowTwins,
    SimSiamSettings: SimSiam,
    BYOLSettings: BYOL,
    VICRegSettings: VICReg,
}


def build_method(settings: MethodSettings, encoder: nn.Module) -> Method:
    """The method around `encoder`, which becomes part of it and is changed in place.

    With several processes (the process group must stand already) every batch norm becomes a synchronised one,
    but for MoCo with splits, whose batch norms become split ones whatever the number of processes.

    >>> from contrascope.encoders.build import EncoderSettings, build_encoder
    >>> encoder = build_encoder(EncoderSettings(name="convnet", width=4), channels=1, size=8)
    >>> build_method(SimCLRSettings(), encoder).projector.dim
    128
    """
    if type(settings) not in _BUILDERS:
        raise InputError(
            f"no method has settings of type {type(settings).__name__}; expected one of "
            f"{', '.join(kind.__name__ for kind in _BUILDERS)}."
        )
    method = _BUILDERS[type(settings)](encoder, settings)
    if world_size() > 1 and not (isinstance(settings, MoCoSettings) and settings.splits):
        synchronise_batch_norm(method)
    return method
