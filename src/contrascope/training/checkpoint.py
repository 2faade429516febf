"""Checkpoints: safetensors for tensors, JSON for the rest; whole or absent."""

import errno
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from contrascope import records
from contrascope.encoders.partial import has_adapters, merged
from contrascope.errors import InputError
from contrascope.records.inside import inside
from contrascope.training.checksums import METHOD, OPTIMIZER, STATE, summed, verified

Optimizers = torch.optim.Optimizer | Mapping[str, torch.optim.Optimizer]
"""The method's optimiser, or its optimisers by name."""


def save_checkpoint(
    run: Path, *, step: int, method: nn.Module, optimizer: Optimizers, state: dict[str, Any]
) -> Path:
    """Write one checkpoint of a run; earlier ones stay untouched whatever happens."""
    try:
        with records.new_checkpoint(run, step) as folder:
            tensors = {name: value.detach().cpu().contiguous() for name, value in method.state_dict().items()}
            save_file(_unshared(tensors), folder / METHOD)
            moments, scalars = _flatten(optimizer)
            save_file(moments, folder / OPTIMIZER)
            told = {**state, "step": step, "optimizer": scalars}
            records.write_json(folder / STATE, summed(told, folder))
    except (OSError, SafetensorError) as error:
        raise InputError(_disk_message(run, step, error)) from error
    return run / records.CHECKPOINTS / f"step-{step:08d}"


def load_checkpoint(
    folder: Path, *, method: nn.Module, optimizer: Optimizers | None = None
) -> dict[str, Any]:
    """Put a checkpoint's tensors into the method and optimiser in place; return its JSON state.

    Raises `DamagedError` where a file is not as it was written.
    """
    return put_back(folder, verified(folder), method=method, optimizer=optimizer)


def put_back(
    folder: Path, state: dict[str, Any], *, method: nn.Module, optimizer: Optimizers | None = None
) -> dict[str, Any]:
    """The same for a checkpoint that is verified already; `state` is what that gave."""
    read_weights(folder, method)
    if optimizer is not None:
        _unflatten(optimizer, _tensors(folder / OPTIMIZER), state["optimizer"])
    return state


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(inside(path.parent, path.name))
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be read ({error}). Use another checkpoint.") from error


def read_weights(folder: Path, method: nn.Module) -> None:
    """Put the networks' tensors of a checkpoint into the method; names and shapes must agree.

    Adapters are merged into the weights of a method without any.
    """
    tensors = _tensors(folder / METHOD)
    if has_adapters(tensors) and not has_adapters(method.state_dict()):
        tensors = merged(tensors)
    try:
        method.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(f"{folder} does not fit this method: {error}") from error


def prune_checkpoints(
    run: Path, *, keep_last: int, keep_every: int, keep_steps: Collection[int | None] = ()
) -> None:
    """Keep the newest `keep_last` checkpoints, those at `keep_steps` and at multiples of `keep_every`.

    All in steps; 0 keeps none for that reason.
    """
    folders = records.checkpoint_folders(run)
    for step, folder in folders[: max(0, len(folders) - keep_last)]:
        if (keep_every <= 0 or step % keep_every != 0) and step not in keep_steps:
            records.remove_checkpoint(folder)


def _unshared(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    seen: set[int] = set()
    result = {}
    for name, value in tensors.items():
        result[name] = value.clone() if value.data_ptr() in seen else value
        seen.add(value.data_ptr())
    return result


def _by_prefix(optimizer: Optimizers) -> dict[str, torch.optim.Optimizer]:
    """Each optimiser by what its entries start with; one without a name has none."""
    named = {"": optimizer} if isinstance(optimizer, torch.optim.Optimizer) else optimizer
    return {f"{name}/" if name else "": one for name, one in named.items()}


def _flatten(optimizer: Optimizers) -> tuple[dict[str, Tensor], dict[str, Any]]:
    moments, scalars = {}, {}
    for prefix, one in _by_prefix(optimizer).items():
        for index, entry in one.state_dict()["state"].items():
            for name, value in entry.items():
                if isinstance(value, Tensor):
                    moments[f"{prefix}{index}.{name}"] = value.detach().cpu().contiguous()
                else:
                    scalars[f"{prefix}{index}.{name}"] = value
    return moments, scalars


def _unflatten(optimizer: Optimizers, moments: dict[str, Tensor], scalars: dict[str, Any]) -> None:
    for prefix, one in _by_prefix(optimizer).items():
        own = {
            key: value
            for key, value in {**moments, **scalars}.items()
            if key.rpartition("/")[0] == prefix[:-1]
        }
        _unflatten_one(one, {key.removeprefix(prefix): value for key, value in own.items()})


def _unflatten_one(optimizer: torch.optim.Optimizer, entries: dict[str, Any]) -> None:
    state: dict[int, dict[str, Any]] = {}
    for key, value in entries.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    for (
        parameter,
        entry,
    ) in optimizer.state.items():  # fused optimisers pair elements by their place in memory
        for name, value in entry.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                entry[name] = torch.empty_like(parameter).copy_(value)


def _disk_message(run: Path, step: int, error: Exception) -> str:
    kept = records.checkpoint_folders(run)
    last = (
        f"The last good checkpoint is {kept[-1][1]}. Free some space and go on with --resume."
        if kept
        else "There is no earlier checkpoint. Free some space and start again."
    )
    full = getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error)
    cause = "the disk is full" if full else f"writing failed ({error})"
    return f"step {step} could not be saved: {cause}. {last}"
