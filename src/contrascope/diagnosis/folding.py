"""A projector as plain matrices: linear layers with their batch norms folded in, ReLU between them."""

import itertools

import torch
from torch import Tensor, nn

from contrascope.features.embed import evaluating
from contrascope.geometry.regions import AffineLayer

SILENT = (nn.Identity, nn.Dropout)
"""Layers that change nothing in evaluation mode."""


def affine_layers(projector: nn.Module | None) -> tuple[AffineLayer, ...] | None:
    """The affine maps of an MLP in evaluation mode, with a ReLU between each two, in float64 on the CPU.

    One map for a linear projector: its `weight` is the paper's W transposed, scaled by a batch norm on the
    output if there is one. None for no projector, for other layers, and where the maps do not give the
    module's outputs.

    >>> layers = affine_layers(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)))
    >>> [tuple(layer.weight.shape) for layer in layers]
    [(3, 4), (2, 3)]
    """
    if projector is None:
        return None
    maps: list[tuple[Tensor, Tensor]] = []
    between = True
    for part in projector.modules():
        if next(part.children(), None) is not None or isinstance(part, SILENT):
            continue
        if isinstance(part, nn.ReLU) and maps and not between:
            between = True
            continue
        found = _affine(part)
        if found is None:
            return None
        if between:
            maps.append(found)
        else:
            weight, bias = maps[-1]
            maps[-1] = found[0] @ weight, found[0] @ bias + found[1]
        between = False
    if not maps or between or not _agree(projector, maps):
        return None
    return tuple(AffineLayer(weight=weight, bias=bias) for weight, bias in maps)


def _affine(part: nn.Module) -> tuple[Tensor, Tensor] | None:
    if isinstance(part, nn.Linear):
        weight = part.weight.detach().cpu().double()
        return weight, _or(part.bias, weight.new_zeros(len(weight)))
    if isinstance(part, nn.BatchNorm1d) and part.running_mean is not None and part.running_var is not None:
        mean, variance = part.running_mean.cpu().double(), part.running_var.cpu().double()
        scale = _or(part.weight, torch.ones_like(mean)) / (variance + part.eps).sqrt()
        return torch.diag(scale), _or(part.bias, torch.zeros_like(mean)) - mean * scale
    return None


def _or(value: Tensor | None, otherwise: Tensor) -> Tensor:
    return otherwise if value is None else value.detach().cpu().double()


def _agree(projector: nn.Module, maps: list[tuple[Tensor, Tensor]]) -> bool:
    """Whether the maps in the order of the modules give what the projector gives."""
    first = next(itertools.chain(projector.parameters(), projector.buffers()))
    rows = torch.linspace(-1, 1, 4 * maps[0][0].shape[1], dtype=torch.float64).sin().view(4, -1)
    ours = rows
    for place, (weight, bias) in enumerate(maps):
        if ours.shape[1] != weight.shape[1]:
            return False
        ours = (ours.clamp(min=0) if place else ours) @ weight.T + bias
    with evaluating(projector):
        theirs = projector(rows.to(first)).cpu().double()
    if theirs.shape != ours.shape:
        return False
    rounding = 16 * len(maps) * torch.finfo(first.dtype).eps  # of the largest outputs
    scale = torch.linalg.vector_norm(ours)
    return bool(torch.linalg.vector_norm(theirs - ours) <= max(1e-4, rounding) * scale)


def beside(rows: Tensor, module: nn.Module) -> Tensor:
    """The rows on the device and in the dtype of the module's parameters; as they are where it has none.

    >>> beside(torch.ones(1, 2).double(), nn.Linear(2, 2)).dtype
    torch.float32
    """
    first = next(module.parameters(), None)
    return rows if first is None else rows.to(first)
