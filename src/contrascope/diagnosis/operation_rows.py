"""The operation x layer picture: which operation's directions do encoder and projector keep?"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from contrascope.augment.changes import changes_for, find_change, moved_images, strengths
from contrascope.augment.policy import to_float
from contrascope.diagnosis.exhibits import Networks
from contrascope.diagnosis.folding import affine_layers
from contrascope.diagnosis.geometry import Quantiles, frames_at, quantiles
from contrascope.diagnosis.operations import forward_directions
from contrascope.diagnosis.settings import GeometrySettings
from contrascope.draws import PROBE_EPOCH
from contrascope.errors import InputError
from contrascope.features.embed import ImageSource, evaluating
from contrascope.geometry.generators import fit_generator, kernel_share
from contrascope.geometry.local import LocalShare, outside
from contrascope.geometry.spans import leading_directions, unexplained
from contrascope.geometry.tangent import OperationCell, Tangent, operation_cell, tangent, tangent_directions


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
    """||Q^T G|| / ||G|| for a linear projector with column space Q, 0 (in the kernel) to 1; None where G
    explains nothing."""
    seen_chance: float | None
    """The same for a column space of this rank at random."""
    raw: float | None
    """||W^T G|| / ||G||, which scales with W."""


@dataclass(frozen=True, kw_only=True)
class DerivativeFacts:
    """The operation's exact direction at strength 0, by forward-mode differentiation, on the first images."""

    cosine: float
    """Mean cosine of it with the finite difference (h' - h) / strength: 1 where h is linear over the range."""
    variance_share: float
    """Share of the variance of h along its leading directions, as many as for the displacements."""
    removed: float | None
    """Share of it that the projector does not see; None without a projector."""


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
    derivative: DerivativeFacts | None
    """None where the operation has no forward-mode derivative."""


IMAGES_A_DIRECTION = 20
"""Images for each direction in which a generator is fitted; with fewer it learns the images by heart."""

STILL = 1e-6
"""Where an operation moves the encoder less than this, what is left is rounding and has no direction."""

Outputs = dict[str, Tensor]
"""Rows [n dim] by layer."""

Spaces = tuple[Tensor, ...]
"""Orthonormal bases [dim rank], one an image."""


def operation_rows(
    subject: Networks,
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
    matrix, spaces = _seen(subject.projector, clean["h"], settings)
    for name in names or changes_for(channels):
        tell(name)
        moved, eps = _outputs(subject, images, name, settings.seed, batch_size, device)
        exact = _exact_directions(subject, images, name, settings.points, device)
        yield _row(name, clean, moved, eps, exact, matrix, spaces, settings)


def _outputs(
    subject: Networks,
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
            shown, strength = to_float(pixels), torch.zeros(len(ids), dtype=torch.float32)
            if name is not None:
                asked = strengths(name, ids, seed=seed, epoch=PROBE_EPOCH)
                shown, strength = moved_images(name, shown, asked)
            h = encoder(shown)
            parts["h"].append(h.float().cpu())
            if projector is not None:
                parts["z"].append(projector(h).float().cpu())
            eps.append(strength.float().cpu())
    return {layer: torch.cat(rows) for layer, rows in parts.items() if rows}, torch.cat(eps)


def _seen(
    projector: nn.Module | None, clean: Tensor, settings: GeometrySettings
) -> tuple[Tensor | None, Spaces | None]:
    """W of a linear projector; of any other, what its Jacobian sees at the first images."""
    layers = affine_layers(projector)
    if layers is not None and len(layers) == 1:
        return layers[0].weight.T, None
    frames = frames_at(clean[: settings.points], projector, layers)
    return None, tuple(frame.space for frame in frames) or None


def _row(
    name: str,
    clean: Outputs,
    moved: Outputs,
    eps: Tensor,
    exact: Tensor | None,
    matrix: Tensor | None,
    spaces: Spaces | None,
    settings: GeometrySettings,
) -> OperationRow:
    operation = find_change(name)
    shift, count = moved["h"] - clean["h"], settings.directions
    cells = {layer: operation_cell(clean[layer], moved[layer], directions=count) for layer in clean}
    if cells["h"].moved < STILL:
        return _still(name, operation.unit, eps, cells)
    seen = _seen_of(shift, matrix, spaces, count)
    derivative = None
    if exact is not None and exact.any():
        derivative = DerivativeFacts(
            cosine=_mean_cosine(exact, clean["h"], moved["h"], eps),
            variance_share=_along(clean["h"], exact, count),
            removed=None if (kept := _seen_of(exact, matrix, spaces, count)) is None else kept.unexplained,
        )
    return OperationRow(
        name=name,
        unit=operation.unit,
        strength=quantiles(eps),
        layers=cells,
        removed=None if seen is None else seen.unexplained,
        removed_chance=None if seen is None else seen.chance,
        angles=tuple(seen.angles.rad2deg().tolist()) if isinstance(seen, Tangent) else (),
        generator=None if operation.switch else _generator(clean["h"], moved["h"], eps, matrix, settings),
        derivative=derivative,
    )


def _still(name: str, unit: str, eps: Tensor, cells: dict[str, OperationCell]) -> OperationRow:
    """An operation that changes nothing, say a hue of gray pictures: it has no directions and no generator."""
    nowhere = {"variance_share": 0.0, "most_share": 0.0, "directions": 0, "carried": 1.0}
    return OperationRow(
        name=name,
        unit=unit,
        strength=quantiles(eps),
        layers={layer: replace(cell, **nowhere) for layer, cell in cells.items()},
        removed=None,
        removed_chance=None,
        angles=(),
        generator=None,
        derivative=None,
    )


def _generator(
    h: Tensor, moved: Tensor, eps: Tensor, matrix: Tensor | None, settings: GeometrySettings
) -> GeneratorFacts:
    most = max(1, min(settings.subspace, len(h) // IMAGES_A_DIRECTION))
    found = fit_generator(h, moved, eps, subspace=most, seed=settings.seed)
    share = kernel_share(matrix, found.matrix) if matrix is not None and found.explained > 0 else None
    return GeneratorFacts(
        explained=found.explained,
        explained_fitted=found.explained_fitted,
        rank=found.rank,
        seen=None if share is None else share.seen,
        seen_chance=None if share is None else share.chance,
        raw=None if share is None else share.raw,
    )


def _exact_directions(
    subject: Networks, images: ImageSource, name: str, points: int, device: torch.device | str
) -> Tensor | None:
    """Forward-mode derivatives of h in the strength at 0, on the first images; None where there are none."""
    count = min(points, len(images))
    _, pixels = next(iter(images.batches(torch.arange(count), count, device=device)))
    with evaluating(subject.encoder):
        exact = forward_directions(subject.encoder, name, to_float(pixels))
    return None if exact is None else exact.cpu().double()


def _seen_of(
    moves: Tensor, matrix: Tensor | None, spaces: Spaces | None, directions: int
) -> Tangent | LocalShare | None:
    """What the projector does not see of these moves, everywhere or at the first images."""
    if matrix is not None:
        return tangent(matrix, moves, directions=directions)
    return None if spaces is None else outside(spaces, moves[: len(spaces)])


def _along(h: Tensor, moves: Tensor, directions: int) -> float:
    basis = leading_directions(moves, most=directions).basis
    centred = h.double() - h.double().mean(dim=0)
    return 1 - unexplained(centred, basis) if centred.any() else 0.0


def _mean_cosine(exact: Tensor, clean: Tensor, moved: Tensor, eps: Tensor) -> float:
    """How well a finite difference stands for the derivative."""
    count = len(exact)
    apart = eps[:count] != 0
    if not bool(apart.any()):
        return 0.0
    slope = tangent_directions(clean[:count][apart], moved[:count][apart], eps[:count][apart])
    return torch.cosine_similarity(slope.double(), exact[apart], dim=1).mean().item()
