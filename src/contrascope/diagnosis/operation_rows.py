"""The operation x layer picture: which operation's directions do encoder and projector keep?"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from contrascope.augment.policy import to_float
from contrascope.diagnosis.folding import affine_layers, beside
from contrascope.diagnosis.geometry import Quantiles, quantiles
from contrascope.diagnosis.networks import PROBE_EPOCH, Subject
from contrascope.diagnosis.operations import (
    find_operation,
    forward_directions,
    moved_images,
    operations_for,
    strengths,
)
from contrascope.diagnosis.settings import GeometrySettings
from contrascope.errors import InputError
from contrascope.features.embed import ImageSource, evaluating
from contrascope.geometry.generators import fit_generator, kernel_share
from contrascope.geometry.local import local_unexplained
from contrascope.geometry.tangent import OperationCell, operation_cell, tangent, tangent_directions


@dataclass(frozen=True, kw_only=True)
class GeneratorFacts:
    """The Lie generator of an operation in the encoder's space."""

    explained: float
    """Held-out share of the displacement that exp(eps G) predicts: at most 1, 0 for none."""
    explained_fitted: float
    """The same on the images that it was fitted to; far above `explained` is overfitting."""
    rank: int
    """Rank of G, at most the subspace it was fitted in."""
    seen: float | None
    """||Q^T G|| / ||G|| for a linear projector with column space Q, 0 (in the kernel) to 1."""
    seen_chance: float | None
    """The same for a column space of this rank at random."""
    raw: float | None
    """||W^T G|| / ||G||, which scales with W."""


@dataclass(frozen=True, kw_only=True)
class OperationRow:
    """One operation."""

    name: str
    unit: str
    """What strength 1 is."""
    strength: Quantiles
    """The strengths that were used."""
    layers: dict[str, OperationCell]
    """By layer: h, and z where there is a projector."""
    removed: float | None
    """Share of its displacements in the encoder that the projector does not see: globally for a linear one,
    by the local Jacobian for an MLP."""
    removed_chance: float | None
    """The same for a projector of this rank at random: 1 - rank / dim."""
    angles: tuple[float, ...]
    """Degrees between its directions and a linear projector's column space, rising."""
    generator: GeneratorFacts | None
    """None for an operation that is on or off."""
    derivative_cosine: float | None
    """Mean cosine of finite difference and forward-mode derivative; None where there is no such derivative."""


Outputs = dict[str, Tensor]
"""Rows [n dim] by layer."""


def operation_rows(
    subject: Subject,
    images: ImageSource,
    *,
    names: tuple[str, ...] | None = None,
    settings: GeometrySettings,
    batch_size: int = 256,
    device: torch.device | str = "cpu",
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[OperationRow]:
    """One row an operation, on all `images`: each is embedded once clean and once an operation.

    Strengths are keyed by image, so two networks are measured on the same changed images. `tell` hears the name
    of each operation before it is measured.
    """
    if len(images) < 4:
        raise InputError(f"got {len(images)} images; the directions of an operation need at least 4.")
    clean, _ = _outputs(subject, images, None, settings.seed, batch_size, device)
    channels = next(iter(images.batches(torch.arange(1), 1, device="cpu")))[1].shape[1]
    for name in names or operations_for(channels):
        tell(name)
        moved, eps = _outputs(subject, images, name, settings.seed, batch_size, device)
        cosine = _derivative_cosine(subject, images, name, clean["h"], moved["h"], eps, settings, device)
        yield _row(name, subject, clean, moved, eps, cosine, settings)


def _outputs(
    subject: Subject,
    images: ImageSource,
    name: str | None,
    seed: int,
    batch_size: int,
    device: torch.device | str,
) -> tuple[Outputs, Tensor]:
    """Rows of every layer for clean images, or for images after one operation with its strengths."""
    encoder, projector = subject.encoder.to(device), subject.projector
    parts: dict[str, list[Tensor]] = {"h": [], "z": []}
    eps: list[Tensor] = []
    with evaluating(encoder, None if projector is None else projector.to(device)):
        for ids, pixels in images.batches(torch.arange(len(images)), batch_size, device=device):
            shown, strength = to_float(pixels), torch.zeros(len(ids))
            if name is not None:
                asked = strengths(name, ids, seed=seed, epoch=PROBE_EPOCH)
                shown, strength = moved_images(name, shown, asked)
            h = encoder(shown)
            parts["h"].append(h.float().cpu())
            if projector is not None:
                parts["z"].append(projector(h).float().cpu())
            eps.append(strength.float().cpu())
    return {layer: torch.cat(rows) for layer, rows in parts.items() if rows}, torch.cat(eps)


def _row(
    name: str,
    subject: Subject,
    clean: Outputs,
    moved: Outputs,
    eps: Tensor,
    cosine: float | None,
    settings: GeometrySettings,
) -> OperationRow:
    operation, projector = find_operation(name), subject.projector
    layers = affine_layers(projector)
    matrix = layers[0].weight.T if layers is not None and len(layers) == 1 else None
    shift, count = moved["h"] - clean["h"], settings.directions
    held = None if matrix is None else tangent(matrix, shift, directions=count)
    local = None
    if projector is not None and held is None:
        with evaluating(projector):
            rows = (beside(some[: settings.points], projector) for some in (clean["h"], shift))
            local = local_unexplained(projector, *rows)
    seen = held if local is None else local
    return OperationRow(
        name=name,
        unit=operation.unit,
        strength=quantiles(eps),
        layers={layer: operation_cell(clean[layer], moved[layer], directions=count) for layer in clean},
        removed=None if seen is None else seen.unexplained,
        removed_chance=None if seen is None else seen.chance,
        angles=() if held is None else tuple(held.angles.rad2deg().tolist()),
        generator=None if operation.switch else _generator(clean["h"], moved["h"], eps, matrix, settings),
        derivative_cosine=cosine,
    )


def _generator(
    h: Tensor, moved: Tensor, eps: Tensor, matrix: Tensor | None, settings: GeometrySettings
) -> GeneratorFacts:
    found = fit_generator(h, moved, eps, subspace=settings.subspace, seed=settings.seed)
    share = None if matrix is None else kernel_share(matrix, found.matrix)
    return GeneratorFacts(
        explained=found.explained,
        explained_fitted=found.explained_fitted,
        rank=found.rank,
        seen=None if share is None else share.seen,
        seen_chance=None if share is None else share.chance,
        raw=None if share is None else share.raw,
    )


def _derivative_cosine(
    subject: Subject,
    images: ImageSource,
    name: str,
    clean: Tensor,
    moved: Tensor,
    eps: Tensor,
    settings: GeometrySettings,
    device: torch.device | str,
) -> float | None:
    """How well a finite difference stands for the derivative, on the first images."""
    count = min(settings.points, len(images))
    _, pixels = next(iter(images.batches(torch.arange(count), count, device=device)))
    with evaluating(subject.encoder):
        exact = forward_directions(subject.encoder, name, to_float(pixels))
    if exact is None:
        return None
    apart = eps[:count] != 0
    if not bool(apart.any()):
        return None
    some = [rows[:count][apart] for rows in (clean, moved)]
    slope = tangent_directions(*some, eps[:count][apart])
    cosine = torch.cosine_similarity(slope.double(), exact.cpu().double()[apart], dim=1)
    return cosine.mean().item()
