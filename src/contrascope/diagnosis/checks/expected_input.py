"""Does an encoder get the input that its batch norm remembers? Range, channel order, normalisation."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from contrascope.features.embed import evaluating
from contrascope.types import FloatImages

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation by which ImageNet's images are usually standardised."""
GIVEN = "as given"
OTHERS: dict[str, Callable[[Tensor], Tensor]] = {
    "0 to 255": lambda x: 255 * x,
    "0 to 1/255": lambda x: x / 255,
    "-1 to 1": lambda x: 2 * x - 1,
    "0 to 1, out of -1 to 1": lambda x: (x + 1) / 2,
    "channels in reverse order (BGR)": lambda x: x.flip(1),
    "standardised as ImageNet's images are": lambda x: (x - _column(x, 0)) / _column(x, 1),
    "not standardised": lambda x: x * _column(x, 1) + _column(x, 0),
}
"""Inputs that an encoder may have been trained with, made from the one that it is given."""


@dataclass(frozen=True, kw_only=True)
class InputFit:
    """How well the stored statistics of batch norm describe the layers' inputs, for several inputs of the network."""

    given: float
    """Misfit in nats a channel, mean over batch norm layers: 0 is a perfect fit."""
    best: str
    """The input with the smallest misfit."""
    least: float
    """Its misfit."""


def input_fit(encoder: nn.Module, images: FloatImages) -> InputFit | None:
    """The misfit of the images as given, and of the same images in other ranges and orders.

    The misfit of a channel is the Kullback-Leibler divergence of the normal law of the batch from the stored one,
    KL(N(m, s^2) || N(mu, sigma^2)) = (log(sigma^2 / s^2) + (s^2 + (m - mu)^2) / sigma^2 - 1) / 2, in nats, at most 100.
    None without batch norm that has seen a batch: then nothing in the network remembers its input.
    """
    layers = [m for m in encoder.modules() if isinstance(m, _BatchNorm) and m.running_mean is not None]
    if not layers:
        return None
    with evaluating(encoder):
        misfits = {GIVEN: _misfit(encoder, layers, images)}
        for name, change in OTHERS.items():
            if images.shape[1] == len(IMAGENET[0]) or not ("channels" in name or "standardised" in name):
                misfits[name] = _misfit(encoder, layers, change(images))
    best = min(misfits, key=lambda name: misfits[name])
    return InputFit(given=misfits[GIVEN], best=best, least=misfits[best])


MOST = 100.0
"""Nats at which a channel's misfit is cut."""


def _misfit(encoder: nn.Module, layers: list[_BatchNorm], images: Tensor) -> float:
    found: list[Tensor] = []
    with _listening(layers, found):
        encoder(images)
    return float(torch.stack(found).mean()) if found else 0.0


@contextmanager
def _listening(layers: list[_BatchNorm], found: list[Tensor]) -> Iterator[None]:
    def hear(layer: nn.Module, args: tuple[Tensor, ...]) -> None:
        assert isinstance(layer, _BatchNorm)
        assert layer.running_mean is not None
        assert layer.running_var is not None
        x = args[0].double().transpose(0, 1).flatten(1)
        mean, var = x.mean(dim=1), x.var(dim=1, correction=0) + layer.eps
        stored, width = layer.running_mean.double(), layer.running_var.double() + layer.eps
        nats = (width.log() - var.log() + (var + (mean - stored).square()) / width - 1) / 2
        found.append(nats.clamp(0, MOST).nan_to_num(MOST).mean().cpu())

    hooks = [layer.register_forward_pre_hook(hear) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _column(images: Tensor, place: int) -> Tensor:
    return images.new_tensor(IMAGENET[place])[:, None, None]
