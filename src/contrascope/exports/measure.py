"""What a table says of every image: its embedding, its place, its alignment, its neighbours."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from contrascope.augment.policy import Policy
from contrascope.augment.views import make_views
from contrascope.data.imageset import ImageSet
from contrascope.errors import InputError
from contrascope.features.embed import evaluating
from contrascope.linalg import Neighbours, nearest, require_finite
from contrascope.progress import Progress, silent
from contrascope.theory.factors.alignment import image_alignment, unit_views


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One pass over a set of images."""

    h: Float[Tensor, "n dim"]
    """Encoder output of the clean images, float32 on the CPU."""
    alignment: Float[Tensor, " n"]
    """Mean squared distance of two views of the image, of unit rows, in [0, 4]; 0 where all fall together."""


def measure_images(
    encoder: nn.Module,
    images: ImageSet,
    policies: tuple[Policy, ...],
    *,
    epoch: int,
    num_views: int = 4,
    seed: int = 0,
    batch_size: int = 256,
    device: torch.device | str = "cpu",
    progress: Progress = silent,
) -> Measured:
    """Embedding and alignment of every image, in evaluation mode, each image decoded once.

    The views are those of (seed, epoch, image id), the same for any batch size; of them only one number an
    image is kept. Huang et al. 2023 (arXiv:2111.00743), L_align before its mean over images.
    """
    count = len(images)
    if count < 2:
        raise InputError(
            f"{images.name} has {count} image{'s' * (count != 1)}; a table with neighbours needs at least 2."
        )
    parts_h, parts_alignment = [], []
    with evaluating(encoder.to(device)):
        for ids, pixels in images.batches(torch.arange(count), batch_size, device=device):
            views, _ = make_views(pixels, policies, ids=ids, seed=seed, epoch=epoch, num_views=num_views)
            h = encoder(pixels.float() / 255).float().cpu()
            viewed = encoder(views.flatten(0, 1)).float().cpu().unflatten(0, views.shape[:2])
            require_finite(h, f"encoder output of images from {int(ids[0])} on")
            parts_h.append(h)
            parts_alignment.append(image_alignment(unit_views(viewed)))
            progress(sum(map(len, parts_h)), count)
    return Measured(h=torch.cat(parts_h), alignment=torch.cat(parts_alignment))


@dataclass(frozen=True, kw_only=True)
class ImageTable:
    """Everything that one row an image is made of; row i is image i of the set."""

    images: ImageSet
    """Pixels and labels."""
    split: str
    """Name of the split."""
    measured: Measured
    """Embedding and alignment."""
    place: Float[Tensor, "n 2"]
    """Coordinates on the map."""
    near: Neighbours
    """Nearest other images by the cosine of h; `value` is the cosine."""


def image_table(
    images: ImageSet, split: str, measured: Measured, place: Float[Tensor, "n 2"], *, neighbours: int
) -> ImageTable:
    """A table with up to `neighbours` nearest other images a row; of equally near ones the lower id comes first."""
    if neighbours < 1:
        raise InputError(f"neighbours is {neighbours}; expected at least 1.")
    near = nearest(measured.h, measured.h, min(neighbours, len(measured.h) - 1), exclude_self=True)
    return ImageTable(images=images, split=split, measured=measured, place=place, near=near)
