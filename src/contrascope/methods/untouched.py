"""Networks that run and stay as they are: their buffers, or their weights."""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn


@contextlib.contextmanager
def buffers_kept(*networks: nn.Module) -> Iterator[None]:
    """What is done to buffers in here, such as running statistics, is undone.

    >>> norm = nn.BatchNorm1d(1)
    >>> with buffers_kept(norm):
    ...     _ = norm(torch.ones(4, 1))
    >>> norm.running_mean.item(), norm.num_batches_tracked.item()
    (0.0, 0)
    """
    before = [(buffer, buffer.clone()) for network in networks for buffer in network.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in before:
                buffer.copy_(value)


@contextlib.contextmanager
def weights_fixed(network: nn.Module) -> Iterator[None]:
    """What is computed in here sends gradients through the network, and none to its weights.

    >>> layer, x = nn.Linear(2, 1), torch.ones(1, 2, requires_grad=True)
    >>> with weights_fixed(layer):
    ...     y = layer(x).sum()
    >>> y.backward()
    >>> x.grad is None, layer.weight.grad is None, layer.weight.requires_grad
    (False, True, True)
    """
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
