"""From networks, images and a policy to the signals of the verdict."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from contrascope.augment.policy import Policy
from contrascope.augment.views import make_views
from contrascope.diagnosis.signals import LayerSignals, Signals, finite_signals, value_faults
from contrascope.diagnosis.statistics import image_statistics
from contrascope.draws import PROBE_EPOCH
from contrascope.features.embed import ImageSource, evaluating, rows_of
from contrascope.linalg import unit_rows
from contrascope.progress import Progress, silent
from contrascope.theory.bounds.lipschitz import LipschitzEstimate, local_lipschitz

NO_FORWARD_MODE = (NotImplementedError, RuntimeError)
"""What a derivative in forward mode raises where there is none: by operators, and by custom functions."""
RANDOM = "a random encoder of the same shape on the same views"
NO_TWIN = "none: the encoder has no weights that could be drawn anew"


@dataclass(frozen=True, kw_only=True)
class Networks:
    """An encoder and, where there is one, its projector."""

    encoder: nn.Module
    """Images to [batch dim]."""
    projector: nn.Module | None = None
    """[batch dim] to [batch out]."""


@dataclass(frozen=True, kw_only=True)
class FixedViews:
    """The same views for every subject that is compared."""

    images: Float[Tensor, "views n channel height width"]
    """In [0, 1]."""

    @cached_property
    def statistics(self) -> Float[Tensor, "n statistics"]:
        """Trivial statistics of the first view."""
        return image_statistics(self.images[0])

    @cached_property
    def equal(self) -> float:
        """Share of images whose views are all equal pixel for pixel."""
        same = (self.images[1:] == self.images[:1]).flatten(2).all(dim=2).all(dim=0)
        return float(same.double().mean()) if len(self.images) > 1 else 0.0


def fixed_views(
    images: ImageSource,
    policies: Policy | tuple[Policy, ...],
    *,
    num_views: int = 4,
    seed: int = 0,
    batch_size: int = 256,
    device: torch.device | str = "cpu",
) -> FixedViews:
    """Views of all images, the same for the same seed; no training epoch sees them (`PROBE_EPOCH`)."""
    parts = [
        make_views(pixels, policies, ids=ids, seed=seed, epoch=PROBE_EPOCH, num_views=num_views)[0].cpu()
        for ids, pixels in images.batches(torch.arange(len(images)), batch_size, device=device)
    ]
    return FixedViews(images=torch.cat(parts, dim=1))


def measure_networks(
    subject: Networks,
    reference: Networks | None,
    images: ImageSource,
    policies: Policy | tuple[Policy, ...],
    *,
    num_views: int = 4,
    seed: int = 0,
    draws: int = 200,
    stopped: str | None = None,
    device: torch.device | str = "cpu",
) -> Signals:
    """Signals of a subject beside a reference on fixed views of all `images`."""
    views = fixed_views(images, policies, num_views=num_views, seed=seed, device=device)
    known = (
        None if reference is None else measure_layers(reference, views, draws=draws, seed=seed, device=device)
    )
    embedded = embed_views(subject, views, device=device)
    return signals_on(subject, embedded, known, views, draws=draws, seed=seed, stopped=stopped, device=device)


Layers = tuple[LayerSignals | None, LayerSignals | None]
"""Signals of encoder and projector."""
Embedded = tuple[Float[Tensor, "views n dim"], Float[Tensor, "views n out"] | None]
"""Outputs of encoder and projector on fixed views."""


def signals_on(
    subject: Networks,
    embedded: Embedded,
    reference: Layers | None,
    views: FixedViews,
    *,
    draws: int = 200,
    seed: int = 0,
    stopped: str | None = None,
    device: torch.device | str = "cpu",
) -> Signals:
    """Signals of a subject from its embedded views, beside a reference that is already measured."""
    faults = value_faults(*embedded)
    gap = None if faults.non_finite else batch_norm_gap(subject.encoder, views, device=device)
    layers = _layers(embedded, views, draws=draws, seed=seed)
    return Signals(
        h=layers[0],
        z=layers[1],
        reference_h=None if reference is None else reference[0],
        reference_z=None if reference is None else reference[1],
        reference=NO_TWIN if reference is None else RANDOM,
        equal_views=views.equal,
        faults=replace(faults, batch_norm_gap=gap, stopped=stopped),
    )


def measure_layers(
    subject: Networks,
    views: FixedViews,
    *,
    draws: int,
    seed: int,
    device: torch.device | str = "cpu",
    progress: Progress = silent,
) -> Layers:
    """Signals of encoder and projector."""
    embedded = embed_views(subject, views, device=device, progress=progress)
    return _layers(embedded, views, draws=draws, seed=seed)


def _layers(embedded: Embedded, views: FixedViews, *, draws: int, seed: int) -> Layers:
    h, z = (finite_signals(rows, statistics=views.statistics, draws=draws, seed=seed) for rows in embedded)
    return h, z


def embed_views(
    subject: Networks,
    views: FixedViews,
    *,
    batch_size: int = 512,
    device: torch.device | str = "cpu",
    progress: Progress = silent,
) -> Embedded:
    """Encoder and projector outputs of fixed views, in evaluation mode, float32 on the CPU."""
    count, n = views.images.shape[:2]
    encoder, projector = subject.encoder.to(device), subject.projector
    parts_h, parts_z = [], []
    with evaluating(encoder, None if projector is None else projector.to(device)):
        for part in views.images.flatten(0, 1).split(batch_size):
            h = rows_of(encoder(part.to(device)), len(part), "encoder")
            parts_h.append(h.float().cpu())
            if projector is not None:
                parts_z.append(rows_of(projector(h), len(part), "projector").float().cpu())
            progress(sum(map(len, parts_h)), count * n)
    z = torch.cat(parts_z).view(count, n, -1) if parts_z else None
    return torch.cat(parts_h).view(count, n, -1), z


def encoder_lipschitz(
    encoder: nn.Module,
    views: FixedViews,
    *,
    most: int = 32,
    steps: int = 8,
    device: torch.device | str = "cpu",
) -> LipschitzEstimate | None:
    """Largest slope of the encoder's unit rows between views of one image, and at images; from below.

    Pixels in [0, 1], l2 on both sides. None where an operation of the encoder has no forward-mode derivative.
    """
    first, second = (views.images[view, :most].to(device) for view in (0, 1))
    points = torch.stack((first, second), dim=1).flatten(0, 1)
    pairs = torch.arange(len(points)).view(-1, 2)
    with evaluating(encoder), torch.enable_grad():
        try:
            return local_lipschitz(lambda rows: unit_rows(encoder(rows)), points, pairs=pairs, steps=steps)
        except NO_FORWARD_MODE:
            return None


def batch_norm_gap(
    encoder: nn.Module, views: FixedViews, *, most: int = 512, device: torch.device | str = "cpu"
) -> float | None:
    """How far stored batch norm statistics lead from those of a batch: mean squared distance of unit rows.

    The encoder's running statistics are left as they were. None where no batch norm has seen a batch.
    """
    layers = [m for m in encoder.modules() if isinstance(m, _BatchNorm) and m.running_mean is not None]
    if not any(layer.num_batches_tracked for layer in layers):
        return None
    batch = views.images[0, :most].to(device)
    with evaluating(encoder):
        stored = unit_rows(encoder(batch).float())
        with _batch_statistics(layers):
            fresh = unit_rows(encoder(batch).float())
    return float((stored - fresh).square().sum(dim=1).mean())


@contextmanager
def _batch_statistics(layers: list[_BatchNorm]) -> Iterator[None]:
    """Inside, these layers standardise with the batch and change nothing."""
    kept = [(layer, layer.running_mean, layer.running_var) for layer in layers]
    try:
        for layer in layers:
            layer.running_mean = layer.running_var = None
        yield
    finally:
        for layer, mean, var in kept:
            layer.running_mean, layer.running_var = mean, var
