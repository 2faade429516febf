"""Robustness: one probe on each transformed copy of the data, and how far risk moves between two copies."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.errors import InputError
from contrascope.evaluation.probe import LinearProbe
from contrascope.evaluation.protocol import Protocol
from contrascope.features.features import Features
from contrascope.intervals import mean_interval, share_interval
from contrascope.linalg import singular_values
from contrascope.theory.bounds.error_bounds import risk_gap_bound
from contrascope.theory.factors.alignment import augmentation_robust, unit_views

LIPSCHITZ = math.sqrt(2)
"""Lipschitz constant of softmax cross-entropy in the Euclidean norm of the logits."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A probe on one copy and what it says of that copy's test images."""

    name: str
    """The copy."""
    weight: Float[Tensor, "classes dim"]
    """Rows of h, without the mean row, which moves no probability; float64."""
    bias: Float[Tensor, " classes"]
    """Intercepts."""
    norm: float
    """Spectral norm of the rows: ||h|| of the bound."""
    h: Float[Tensor, "n dim"]
    """Test features of the copy."""
    y: Int[Tensor, " n"]
    """Class codes of the test images; -1: a class that the probe never saw."""
    chosen: float
    """The inverse penalty C that was selected."""


@dataclass(frozen=True, kw_only=True)
class Move:
    """One copy beside the original; risks are cross-entropies in nats, gaps are signed, bounds are on their size."""

    copy: str
    """The copy or the corruption."""
    severity: int | None
    """Of a corruption, 1 to 5."""
    probe: str
    """`own`: learnt on this copy; `original`: learnt on the untouched images."""
    accuracy: float
    """Top-1 on the copy's test images, in [0, 1], with its interval over them."""
    accuracy_low: float
    """Lower end."""
    accuracy_high: float
    """Upper end."""
    risk: float
    """Cross-entropy on the copy."""
    risk_gap: float
    """Risk here minus the risk of the original's probe on the original."""
    gap_low: float
    """Lower end of its interval over images."""
    gap_high: float
    """Upper end."""
    bound: float
    """What |risk_gap| cannot exceed (own probes: for the best probe of each copy)."""
    l_ar: float
    """Mean squared distance between the features of an image here and in the original."""
    l_ar_unit: float
    """The same for features of unit length, in [0, 4]: comparable between encoders."""
    n: int
    """Test images."""
    chosen: float
    """The inverse penalty C of the probe."""


def fit_copy(name: str, train: Features, test: Features, protocol: Protocol) -> Fit:
    """The linear probe of the protocol learnt on one copy, first view of each part.

    >>> part = Features(h=torch.eye(4)[None], y={"label": torch.arange(4) % 2}, ids=torch.arange(4))
    >>> fit_copy("original", part, part, Protocol(probe_grid=(1.0,))).chosen
    1.0
    """
    probe = LinearProbe(grid=protocol.probe_grid, held_out=protocol.probe_held_out, seed=protocol.seed)
    probe.fit(train.h[0], train.labels())
    weight, bias = probe.coef_.double().cpu(), probe.intercept_.double().cpu()
    weight = weight - weight.mean(dim=0)
    classes, y = torch.as_tensor(probe.classes_), test.labels(train.primary).cpu()
    place = torch.searchsorted(classes, y).clamp_max(len(classes) - 1)
    return Fit(
        name=name,
        weight=weight,
        bias=bias - bias.mean(),
        norm=singular_values(weight)[0].item(),
        h=test.h[0].cpu(),
        y=torch.where(classes[place] == y, place, -1),
        chosen=probe.inverse_penalty_,
    )


def losses(fit: Fit, h: Float[Tensor, "n dim"], y: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Cross-entropy of each image under a probe, in nats; refuses a class that the probe never saw.

    >>> part = Features(h=torch.eye(4)[None], y={"label": torch.arange(4) % 2}, ids=torch.arange(4))
    >>> fit = fit_copy("original", part, part, Protocol(probe_grid=(1e-9,)))
    >>> losses(fit, fit.h, fit.y).mean().item()
    0.693...
    """
    if bool((y < 0).any()):
        raise InputError(
            f"{int((y < 0).sum())} test images are of classes that the training images lack; "
            "their cross-entropy is infinite. Leave them out."
        )
    return torch.nn.functional.cross_entropy(logits(fit, h), y, reduction="none")


def logits(fit: Fit, h: Float[Tensor, "n dim"], *, block_rows: int = 1 << 12) -> Float[Tensor, "n classes"]:
    """Logits of the probe, float64 whatever h is."""
    return torch.cat([block.double() @ fit.weight.T + fit.bias for block in h.split(block_rows)])


def own_probe(original: Fit, copy: Fit, protocol: Protocol) -> Move:
    """R(f; D_A) beside R(f; D_original), each with its own probe, and ArCL's bound on their difference.

    Zhao et al. 2023 (arXiv:2303.01092), Theorem 2 in the first power of the distance: for the best probe of
    each distribution |R(f; D_A) - R(f; D_A')| <= sqrt(2) (||h_A|| + ||h_A'||) sqrt(L_AR). The probes here are
    the best on training images and with a penalty, so on test images it is no theorem; `original_probe` is.
    """
    values = losses(copy, copy.h, copy.y)
    gap = values - losses(original, original.h, original.y)
    right = logits(copy, copy.h).argmax(dim=1) == copy.y
    return _move(
        copy, original, gap, values, right, norms=(copy.norm, original.norm), probe="own", protocol=protocol
    )


def original_probe(original: Fit, copy: Fit, protocol: Protocol, *, severity: int | None = None) -> Move:
    """The original's probe on a copy: |R(h f; D_A) - R(h f; D)| <= sqrt(2) ||h|| sqrt(L_AR), on any sample.

    It is the step from which ArCL's Theorem 2 is made: the loss of each image moves by at most
    sqrt(2) ||h|| times the distance between its two feature vectors. Of `copy` only `name` and `h` are used.
    """
    values = losses(original, copy.h, original.y)
    gap = values - losses(original, original.h, original.y)
    right = logits(original, copy.h).argmax(dim=1) == original.y
    return _move(
        copy,
        original,
        gap,
        values,
        right,
        norms=(original.norm, 0.0),
        probe="original",
        protocol=protocol,
        severity=severity,
    )


def _move(
    copy: Fit,
    original: Fit,
    gap: Tensor,
    values: Tensor,
    right: Tensor,
    *,
    norms: tuple[float, float],
    probe: str,
    protocol: Protocol,
    severity: int | None = None,
) -> Move:
    pair = torch.stack([original.h, copy.h])
    l_ar = augmentation_robust(pair).value
    low, high = share_interval(right.double(), level=protocol.level)
    gap_low, gap_high = mean_interval(
        gap,
        draws=protocol.bootstrap,
        level=protocol.level,
        seed=protocol.seed,
        key=f"{copy.name} {severity} {probe}",
    )
    bound = risk_gap_bound(l_ar, loss_lipschitz=LIPSCHITZ, norm_one=norms[0], norm_two=norms[1])
    return Move(
        copy=copy.name,
        severity=severity,
        probe=probe,
        accuracy=right.double().mean().item(),
        accuracy_low=low,
        accuracy_high=high,
        risk=values.mean().item(),
        risk_gap=gap.mean().item(),
        gap_low=gap_low,
        gap_high=gap_high,
        bound=bound.value,
        l_ar=l_ar,
        l_ar_unit=augmentation_robust(unit_views(pair)).value,
        n=len(right),
        chosen=copy.chosen if probe == "own" else original.chosen,
    )
