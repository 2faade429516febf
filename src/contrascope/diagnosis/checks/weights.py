"""Do weights still sit at the values that a layer is made with?"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from contrascope.intervals import generator

CONSTANT = 1e-6
"""Largest difference of the scales, and largest shift, of a normalisation layer that no step has moved."""
LARGE, SAMPLE = 1000, 20_000
"""Numbers that a tensor needs for its law to be compared, and numbers of it that are drawn for that."""
SAME_LAW = 0.01
"""p-value of the Kolmogorov-Smirnov test above which two tensors may follow one law."""
PLAIN = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)
"""Layers that standardise, then scale and shift; made with one scale for all and no shift."""


@dataclass(frozen=True, kw_only=True)
class InitialWeights:
    """What of a network looks as if no training had touched it."""

    norms: int
    """Normalisation layers with scales and shifts of their own."""
    untouched: tuple[str, ...]
    """Names of those whose scales are all equal and whose shifts are 0."""
    tensors: int
    """Weights of at least a thousand numbers that could be compared with freshly drawn ones."""
    same_law: int
    """Those that may follow the law of the drawn ones (Kolmogorov-Smirnov, p above 0.01)."""

    @property
    def all(self) -> bool:
        """Nothing was moved: every normalisation layer is untouched; without any, all weights follow the drawn law."""
        if self.norms:
            return len(self.untouched) == self.norms
        return 0 < self.tensors == self.same_law

    @property
    def part(self) -> tuple[str, ...]:
        """The untouched layers of a network whose others were moved."""
        return self.untouched if len(self.untouched) < self.norms else ()


def initial_weights(network: nn.Module, twin: nn.Module | None) -> InitialWeights:
    """Which normalisation layers are as made, and which weights follow the law of the twin's, drawn anew.

    Steps move scales and shifts at once, so exact equality is decisive. Without such layers only the law is left,
    which hundredths of a standard deviation change.

    >>> net = nn.Sequential(nn.Linear(40, 40), nn.LayerNorm(40))
    >>> initial_weights(net, nn.Sequential(nn.Linear(40, 40), nn.LayerNorm(40))).all
    True
    """
    untouched, norms = [], 0
    for name, layer in network.named_modules():
        scale, shift = getattr(layer, "weight", None), getattr(layer, "bias", None)
        if isinstance(layer, PLAIN) and isinstance(scale, Tensor) and isinstance(shift, Tensor):
            norms += 1
            if _as_made(scale, shift):
                untouched.append(name or "the encoder")
    pairs = [] if twin is None else list(_large(network, twin))
    same = sum(_one_law(mine, drawn, place) for place, (mine, drawn) in enumerate(pairs))
    return InitialWeights(norms=norms, untouched=tuple(untouched), tensors=len(pairs), same_law=same)


def _as_made(scale: Tensor, shift: Tensor) -> bool:
    scale, shift = scale.detach().float(), shift.detach().float()
    return bool((scale.max() - scale.min()) <= CONSTANT) and bool(shift.abs().max() <= CONSTANT)


def _large(network: nn.Module, twin: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
    drawn = dict(twin.named_parameters())
    for name, mine in network.named_parameters():
        other = drawn.get(name)
        if mine.ndim > 1 and other is not None and other.shape == mine.shape and mine.numel() >= LARGE:
            yield mine.detach().flatten().cpu().float(), other.detach().flatten().cpu().float()


def _one_law(mine: Tensor, drawn: Tensor, place: int) -> bool:
    from scipy.stats import ks_2samp  # takes a second to import, and few diagnoses come here

    order = torch.randperm(len(mine), generator=generator(0, "weights", place))[:SAMPLE]
    found: Any = ks_2samp(mine[order].numpy(), drawn[order].numpy())
    return float(found.pvalue) > SAME_LAW
