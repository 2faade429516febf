"""Changes to trained encoders: faults that a judge can decide, and changes that do no harm."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from verdict_cases import Truth

from contrascope.encoders.twin import random_twin

Change = Callable[[nn.Module, Tensor], nn.Module]
"""From an encoder of its own and a few images in [0, 1] to the changed one."""


class Before(nn.Module):
    """The encoder is shown something else than it was trained with."""

    def __init__(self, encoder: nn.Module, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.encoder, self.change = encoder, change

    def forward(self, images: Tensor) -> Tensor:
        return self.encoder(self.change(images))


class After(nn.Module):
    """The encoder's rows are changed."""

    def __init__(self, encoder: nn.Module, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.encoder, self.change = encoder, change

    def forward(self, images: Tensor) -> Tensor:
        return self.change(self.encoder(images))


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One change after training."""

    name: str
    truth: Truth
    change: Change
    colour: bool = False
    """Only for images with colours."""


def faulted(fault: Fault, encoder: nn.Module, images: Tensor) -> nn.Module:
    """A copy of the encoder with the change."""
    return fault.change(copy.deepcopy(encoder).eval(), images).eval()


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _nan(encoder: nn.Module, images: Tensor) -> nn.Module:
    last = [p for p in encoder.parameters() if p.ndim == 4][-1]
    with torch.no_grad():
        last[3] = torch.nan
    return encoder


def _dead(share: float) -> Change:
    def change(encoder: nn.Module, images: Tensor) -> nn.Module:
        dim = encoder(images[:2]).shape[1]
        kept = (torch.randperm(dim, generator=_generator(1)) >= share * dim).float()
        return After(encoder, lambda h: h * kept)

    return change


def _statistics(encoder: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """Stored mean and variance of every batch norm layer."""
    layers = [m for m in encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    found = [(m.running_mean, m.running_var) for m in layers]
    return [(mean, var) for mean, var in found if mean is not None and var is not None]


def _forgotten_statistics(encoder: nn.Module, images: Tensor) -> nn.Module:
    for mean, var in _statistics(encoder):
        mean.zero_()
        var.fill_(1.0)
    return encoder


def _other_statistics(encoder: nn.Module, images: Tensor) -> nn.Module:
    for place, (mean, var) in enumerate(_statistics(encoder)):
        noise = torch.randn(var.shape, generator=_generator(place))
        mean += 1.5 * noise * var.sqrt()
        var *= torch.exp(1.5 * noise.roll(1))
    return encoder


def _redrawn(part: slice) -> Change:
    def change(encoder: nn.Module, images: Tensor) -> nn.Module:
        twin = random_twin(encoder, seed=77)
        assert twin is not None
        units: Any = encoder.get_submodule("trunk.units")
        drawn: Any = twin.get_submodule("trunk.units")
        for at in range(len(units))[part]:
            units[at] = drawn[at]
        return encoder

    return change


def _noisy_weights(encoder: nn.Module, images: Tensor) -> nn.Module:
    with torch.no_grad():
        for place, weight in enumerate(p for p in encoder.parameters() if p.ndim == 4):
            weight += 1.5 * weight.std() * torch.randn(weight.shape, generator=_generator(place))
    return encoder


def _offset(times: float) -> Change:
    def change(encoder: nn.Module, images: Tensor) -> nn.Module:
        h = encoder(images)
        away = torch.randn(h.shape[1], generator=_generator(3))
        away *= times * h.square().sum(dim=1).mean().sqrt() / away.norm()
        return After(encoder, lambda rows: rows + away)

    return change


def _few_points(encoder: nn.Module, images: Tensor) -> nn.Module:
    """A dozen exact clusters: each row is the nearest of twelve."""
    points = encoder(images[:12])
    return After(encoder, lambda h: points[torch.cdist(h, points).argmin(dim=1)])


def _one_point(encoder: nn.Module, images: Tensor) -> nn.Module:
    point = encoder(images[:1])
    return After(encoder, lambda h: point + 1e-5 * (h - point))


def _plane(encoder: nn.Module, images: Tensor) -> nn.Module:
    h = encoder(images)
    base = torch.linalg.qr(torch.randn(h.shape[1], 2, generator=_generator(4)))[0]
    return After(encoder, lambda rows: (rows - h.mean(0)) @ base @ base.T)


def _by_place(encoder: nn.Module, images: Tensor) -> nn.Module:
    """A row depends on where it stands in its batch, as with a wrong reshape or batch statistics."""
    h = encoder(images)
    away = torch.randn(64, h.shape[1], generator=_generator(6))
    away *= h.std(dim=0).norm() / away.norm(dim=1, keepdim=True)
    return After(encoder, lambda rows: rows + away[torch.arange(len(rows)) % 64])


def _of_batch(encoder: nn.Module, images: Tensor) -> nn.Module:
    """Rows are standardised by those that happen to be in the batch."""
    return After(
        encoder, lambda rows: (rows - rows.mean(0)) / (rows.std(0) + 1e-6) if len(rows) > 1 else rows
    )


def _rotated(encoder: nn.Module, images: Tensor) -> nn.Module:
    dim = encoder(images[:2]).shape[1]
    turn = torch.linalg.qr(torch.randn(dim, dim, generator=_generator(8)))[0]
    return After(encoder, lambda rows: rows @ turn)


def _small_noise(encoder: nn.Module, images: Tensor) -> nn.Module:
    with torch.no_grad():
        for place, weight in enumerate(encoder.parameters()):
            weight += 0.01 * weight.abs() * torch.randn(weight.shape, generator=_generator(place))
    return encoder


FAULTS: tuple[Fault, ...] = (
    Fault(name="not a number", truth="fault", change=_nan),
    Fault(name="dead units", truth="fault", change=_dead(0.8)),
    Fault(name="batch norm forgot", truth="fault", change=_forgotten_statistics),
    Fault(name="batch norm of other data", truth="fault", change=_other_statistics),
    Fault(name="never loaded", truth="fault", change=_redrawn(slice(None))),
    Fault(name="last third never loaded", truth="fault", change=_redrawn(slice(4, 6))),
    Fault(name="first layer never loaded", truth="fault", change=_redrawn(slice(0, 1))),
    Fault(
        name="channels reversed",
        truth="fault",
        change=lambda e, _: Before(e, lambda x: x.flip(1)),
        colour=True,
    ),
    Fault(name="range 0 to 255", truth="fault", change=lambda e, _: Before(e, lambda x: 255 * x)),
    Fault(name="normalised twice", truth="fault", change=lambda e, _: Before(e, lambda x: (x - 0.45) / 0.25)),
    Fault(name="divided by 255 twice", truth="fault", change=lambda e, _: Before(e, lambda x: x / 255)),
    Fault(name="inverted", truth="harmful", change=lambda e, _: Before(e, lambda x: 1 - x)),
    Fault(name="offset 50", truth="fault", change=_offset(50.0)),
    Fault(name="a dozen points", truth="fault", change=_few_points),
    Fault(name="one point", truth="collapse", change=_one_point),
    Fault(name="a plane", truth="collapse", change=_plane),
    Fault(name="place in the batch", truth="fault", change=_by_place),
    Fault(name="statistics of the batch", truth="fault", change=_of_batch),
    Fault(name="noise on weights", truth="harmful", change=_noisy_weights),
    Fault(name="times 1000", truth="harmless", change=lambda e, _: After(e, lambda h: 1000 * h)),
    Fault(name="over 1000", truth="harmless", change=lambda e, _: After(e, lambda h: h / 1000)),
    Fault(name="rotated", truth="harmless", change=_rotated),
    Fault(name="bfloat16", truth="harmless", change=lambda e, _: After(e, lambda h: h.bfloat16().float())),
    Fault(name="little noise on weights", truth="harmless", change=_small_noise),
    Fault(name="a tenth dead", truth="harmless", change=_dead(0.1)),
)
