"""Encoder and projector of somebody's model, and what they make of fixed views."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from contrascope.diagnosis.exhibits import Networks
from contrascope.diagnosis.monitor.outputs import Output, rows_in
from contrascope.diagnosis.monitor.probe_views import ProbeViews, moved_to
from contrascope.errors import InputError
from contrascope.features.embed import device_of, evaluating, rows_of

Part = str | Callable[[Any], Any] | None
"""Where a network is in a model: a path as "backbone.layers", or a function of the model."""
COMPILED = "_orig_mod"
"""Where `torch.compile` keeps the module."""
BATCH = 256
"""Images that are embedded at once."""


def unwrapped(model: Any) -> Any:
    """A model without what DataParallel, DistributedDataParallel and `torch.compile` put around it.

    >>> inner = nn.Linear(2, 2)
    >>> unwrapped(DataParallel(inner)) is inner
    True
    """
    while isinstance(model, nn.Module):
        inner = model._modules.get(COMPILED)
        if inner is None and isinstance(model, DataParallel | DistributedDataParallel):
            inner = model.module
        if inner is None:
            return model
        model = inner
    return model


def device_in(model: Any) -> torch.device:
    """Where a model is; the CPU for what has no parameters."""
    inner = unwrapped(model)
    return device_of(inner) if isinstance(inner, nn.Module) else torch.device("cpu")


def networks_in(model: Any, encoder: Part = None, projector: Part = None) -> Networks:
    """Encoder and projector of a model, unwrapped; without `encoder` the model itself.

    Raises `InputError` where there is no module at that place.
    """
    whole = unwrapped(model)
    found = whole if encoder is None else _part(whole, encoder, "encoder")
    if not isinstance(found, nn.Module):
        raise InputError(
            f"the model is a {type(found).__name__}; expected a torch.nn.Module. Give encoder=, which takes it out."
        )
    return Networks(
        encoder=found, projector=None if projector is None else _part(whole, projector, "projector")
    )


def _part(model: Any, where: Part, name: str) -> nn.Module:
    if isinstance(where, str):
        if not isinstance(model, nn.Module):
            raise InputError(
                f"{name}={where!r} is a path, and the model is a {type(model).__name__}. Give a function."
            )
        try:
            found: Any = model.get_submodule(where)
        except AttributeError:
            known = ", ".join(part for part, _ in model.named_children()) or "none"
            raise InputError(f"the model has no part {where!r} for the {name}; its parts: {known}.") from None
    else:
        found = where(model) if where is not None else None
    found = unwrapped(found)
    if not isinstance(found, nn.Module):
        raise InputError(f"{name}= gave a {type(found).__name__}; expected a torch.nn.Module of the model.")
    return found


def embedded(
    networks: Networks, views: ProbeViews, *, output: Output = None, device: torch.device | None = None
) -> tuple[Float[Tensor, "views n dim"], Float[Tensor, "views n out"] | None]:
    """h, and z where there is a projector or `output` gives one: evaluation mode, float32, on the CPU.

    `device`: where the encoder is moved to; unset: where it is. Every part keeps its mode.
    """
    encoder, projector = networks.encoder, networks.projector
    if device is not None:
        encoder, projector = encoder.to(device), None if projector is None else projector.to(device)
    where = device_of(encoder)
    dtype = next((p.dtype for p in encoder.parameters() if p.is_floating_point()), torch.float32)
    of_h, of_z = [], []
    with evaluating(encoder, projector):
        for view in range(len(views.views)):
            for start in range(0, views.count, BATCH):
                stop = min(views.count, start + BATCH)
                inputs = moved_to(views.part(view, start, stop), where, dtype)
                named = isinstance(inputs, dict)
                returned = encoder(**inputs) if named else encoder(inputs)
                mask = inputs.get("attention_mask") if named else None
                h, z = rows_in(returned, stop - start, output, mask)
                if projector is not None:
                    z = rows_of(projector(h), stop - start, "projector")
                of_h.append(h.float().cpu())
                of_z += [] if z is None else [z.float().cpu()]
    shape = (len(views.views), views.count, -1)
    return torch.cat(of_h).view(shape), torch.cat(of_z).view(shape) if of_z else None
