"""A model whose parameters are sharded over processes, as a plain module that one process can measure."""

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from contrascope.diagnosis.monitor.model import unwrapped
from contrascope.errors import InputError

FSDP = "torch.distributed.fsdp"
"""Where both kinds of FSDP are; who has not imported it shards nothing by it."""
HOOKS = (
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_backward_hooks",
    "_backward_pre_hooks",
)
"""What a module is called with; those of `fully_shard` gather and free its parameters."""

STATE = "__composable_api_state_key"
"""How the attributes begin in which `fully_shard` keeps groups of processes, which cannot be copied."""


def whole_model(model: Any, *, together: bool) -> Any:
    """The model itself, or a plain copy of it with whole parameters where they are sharded: all processes must ask.

    By `fully_shard` or other DTensors, or by FullyShardedDataParallel. The model stays as it is. Raises `InputError`
    where one process asks alone (`together` is false).

    >>> model = nn.Linear(2, 2)
    >>> whole_model(model, together=False) is model
    True
    """
    if not isinstance(model, nn.Module) or not is_sharded(model):
        return model
    if not together:
        raise InputError(
            "the model's parameters are sharded over processes, and one alone cannot gather them. Let every process "
            "call the monitor: Monitor(together=True)."
        )
    with torch.no_grad(), _summoned(model):
        return _plain(model, {})


def is_sharded(model: nn.Module) -> bool:
    """Whether parameters are sharded over processes.

    >>> is_sharded(nn.Linear(2, 2))
    False
    """
    kinds = tuple(kind for kind in _kinds().values() if kind is not None)
    return any(isinstance(part, kinds) for part in model.modules()) or any(map(_is_part, model.parameters()))


def _kinds() -> dict[str, Any]:
    """Modules of the newer and of the older FSDP."""
    room = vars(sys.modules[FSDP]) if FSDP in sys.modules else {}
    return {name: room.get(name) for name in ("FSDPModule", "FullyShardedDataParallel")}


def _is_part(values: Tensor) -> bool:
    return hasattr(values, "full_tensor")


def _summoned(model: nn.Module) -> AbstractContextManager[Any]:
    older = _kinds()["FullyShardedDataParallel"]
    if older is None or not any(isinstance(part, older) for part in model.modules()):
        return nullcontext()
    return older.summon_full_params(model, writeback=False)


def _plain(module: nn.Module, made: dict[int, Any]) -> nn.Module:
    """A copy with values of its own, without wrappers and without FSDP's class and hooks; all else is shared."""
    older, newer = _kinds()["FullyShardedDataParallel"], _kinds()["FSDPModule"]
    module = unwrapped(module)
    while older is not None and isinstance(module, older):
        module = unwrapped(module.module)
    if id(module) in made:
        return made[id(module)]
    kind: Any = type(module)
    held = dict(vars(module))
    if newer is not None and isinstance(module, newer):
        kind = kind.__mro__[2]  # torch derives from FSDPModule and the module's own class
        held = {name: value for name, value in held.items() if not str(name).startswith(STATE)}
        held |= {name: type(held[name])() for name in HOOKS}
    found = made[id(module)] = kind.__new__(kind)
    held["_parameters"] = {name: _whole(values, made) for name, values in module._parameters.items()}
    held["_buffers"] = {name: _whole(values, made) for name, values in module._buffers.items()}
    vars(found).update(held)
    children: Mapping[str, nn.Module | None] = module._modules
    found._modules = {name: None if one is None else _plain(one, made) for name, one in children.items()}
    return found


def _whole(values: Any, made: dict[int, Any]) -> Any:
    """All of a parameter or a buffer, copied once however often it stands in the model."""
    if values is None:
        return None
    if id(values) not in made:
        full = values.full_tensor() if _is_part(values) else values
        copied = full.detach().clone()
        made[id(values)] = (
            nn.Parameter(copied, requires_grad=False) if isinstance(values, nn.Parameter) else copied
        )
    return made[id(values)]
