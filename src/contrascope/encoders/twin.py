"""The random twin of a network: the same architecture with weights that no training touched."""

import copy
import hashlib
import inspect
import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

TWIN_SEED = 1_000_003
"""What the twins of encoders by name and of models in memory are drawn from; of a run: its own seed plus this."""
SHIFTS = ("bias", "beta", "shift", "offset")
"""Endings of the names of what is added: drawn as 0."""
STATISTICS = {"running_mean": 0, "running_var": 1, "num_batches_tracked": 0}
"""What layers remember of the batches that they have seen, and the value before the first one."""
SCALES = ("weight", "bias")
"""Buffers that stand for frozen parameters."""


@contextmanager
def drawn_from(seed: int) -> Iterator[None]:
    """Inside, networks are drawn from this seed alone, in float32 on the CPU; the caller's random state is untouched.

    >>> with drawn_from(0):
    ...     first = nn.Linear(2, 2).weight
    >>> with drawn_from(0):
    ...     torch.equal(first, nn.Linear(2, 2).weight)
    True
    """
    state, dtype = torch.default_generator.get_state(), torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float32)
        torch.default_generator.manual_seed(seed)
        with torch.device("cpu"), torch.inference_mode(False):
            yield
    finally:
        torch.default_generator.set_state(state)
        torch.set_default_dtype(dtype)


def random_twin(module: nn.Module, *, seed: int = TWIN_SEED) -> nn.Module | None:
    """A copy on the CPU with weights drawn anew: they follow from architecture and seed, never from the weights.

    Every layer draws as its `reset_parameters` does, inner layers first. What no reset touches, or what a reset
    gives its old values (it loads them), is drawn by one law: kernels and matrices from a normal of variance one over
    the number of inputs of an output, shifts as 0, other vectors as 1. Statistics of batches are forgotten; other
    buffers stay, as part of the architecture. None where nothing changes, or where the module cannot be copied: there
    is nothing to compare with.

    >>> random_twin(nn.Linear(2, 2), seed=1).weight.shape, random_twin(nn.Flatten())
    (torch.Size([2, 2]), None)
    """
    if not (any(True for _ in module.parameters()) or any(True for _ in module.buffers())):
        return None
    try:
        twin = copy.deepcopy(module).cpu()
    except (RuntimeError, TypeError):  # a tensor that is no leaf, a lock, an open file
        return None
    with drawn_from(seed), torch.no_grad():
        touched = _reset_layers(twin)
        for name, parameter in twin.named_parameters():
            if id(parameter) not in touched:
                _draw(name, parameter)
        for name, buffer in twin.named_buffers():
            _forget(name, buffer, twin)
    return twin if _differ(module, twin) else None


def weights_hash(module: nn.Module) -> str:
    """The first 16 hex digits of SHA-256 over a network's layers and all its numbers.

    >>> weights_hash(nn.Flatten()) == weights_hash(nn.Flatten()) != weights_hash(nn.Identity())
    True
    """
    found = hashlib.sha256(str(module).encode())
    for name, values in sorted(module.state_dict().items()):
        found.update(f"{name} {tuple(values.shape)} {values.dtype}".encode())
        found.update(values.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:16]


def _reset_layers(twin: nn.Module) -> set[int]:
    """Calls every layer's own reset; the parameters that one of them drew, by identity."""
    parameters = list(twin.parameters())
    before = [parameter.detach().clone() for parameter in parameters]
    versions = [parameter._version for parameter in parameters]
    for part in reversed(list(twin.modules())):
        reset = getattr(part, "reset_parameters", None)
        if callable(reset) and not _needs_arguments(reset):
            try:
                reset()
            except (AttributeError, RuntimeError, TypeError, ValueError):
                continue  # a reset that does not work leaves its layer to the law
    return {
        id(parameter)
        for parameter, old, version in zip(parameters, before, versions, strict=True)
        if not _same(parameter, old) or (parameter._version != version and _constant(parameter))
    }


def _needs_arguments(reset: object) -> bool:
    assert callable(reset)
    asked = inspect.signature(reset).parameters.values()
    plain = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.KEYWORD_ONLY,
    )
    return any(one.default is inspect.Parameter.empty and one.kind in plain for one in asked)


def _same(one: Tensor, other: Tensor) -> bool:
    return bool(((one == other) | ((one != one) & (other != other))).all())


def _constant(values: Tensor) -> bool:
    return values.numel() > 0 and bool((values == values.flatten()[0]).all())


def _draw(name: str, values: Tensor) -> None:
    """The law of what no layer draws itself; integers stay."""
    if not (values.is_floating_point() or values.is_complex()):
        return
    if values.ndim >= 2:
        inputs = max(1, math.prod(values.shape[1:]))
        drawn = torch.randn(values.shape, dtype=torch.complex64 if values.is_complex() else torch.float32)
        values.copy_(drawn / math.sqrt(inputs))
    else:
        values.fill_(0 if name.rpartition(".")[2].endswith(SHIFTS) else 1)


def _forget(name: str, values: Tensor, twin: nn.Module) -> None:
    """Statistics as before the first batch; weights that were frozen into buffers by the law."""
    owner, _, last = name.rpartition(".")
    if last in STATISTICS:
        values.fill_(STATISTICS[last])
    elif last in SCALES and last not in dict(twin.get_submodule(owner).named_parameters(recurse=False)):
        _draw(last, values)


def _differ(one: nn.Module, other: nn.Module) -> bool:
    """Whether any number of the two differs, parameters and buffers alike."""

    def numbers(module: nn.Module) -> Iterator[Tensor]:
        yield from module.parameters()
        yield from module.buffers()

    return any(not _same(a.detach().cpu(), b) for a, b in zip(numbers(one), numbers(other), strict=True))
