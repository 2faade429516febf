"""Some images of one split with what was measured on them, for gallery.json."""

from dataclasses import dataclass

import torch
from torch import Tensor

from contrascope.augment.policy import Policy
from contrascope.data.imageset import ImageSet
from contrascope.data.pictures.thumbnails import picture_name
from contrascope.diagnosis.exhibits import Networks
from contrascope.draws import PROBE_EPOCH
from contrascope.errors import InputError
from contrascope.features.embed import embed
from contrascope.intervals import generator
from contrascope.theory.factors.alignment import image_alignment, unit_views

MOST_POINTS = 20_000


@dataclass(frozen=True, kw_only=True)
class GallerySettings:
    """What a page shows of the images."""

    points: int = 5000
    """Points of the map, 16 to 20,000."""
    rows: int = 6
    """Images shown with their views; worst and best aligned ones; images with their neighbours."""
    views: int = 6
    """Views shown of an image."""
    measured_views: int = 4
    """Views by which alignment is measured, at least 2."""
    near: int = 6
    """Neighbours shown of an image."""
    seed: int = 0
    """Of the choice of images and of the views."""

    def __post_init__(self) -> None:
        lowest = {"points": 16, "rows": 1, "views": 1, "measured_views": 2, "near": 1}
        for name, least in lowest.items():
            if getattr(self, name) < least:
                raise InputError(f"gallery.{name} is {getattr(self, name)}; expected at least {least}.")
        if self.points > MOST_POINTS:
            raise InputError(f"gallery.points is {self.points}; expected at most {MOST_POINTS}.")


@dataclass(frozen=True, kw_only=True)
class Part:
    """Some images of one split with what was measured on them."""

    images: ImageSet
    ids: Tensor
    """Their ids in the split."""
    names: tuple[str, ...]
    """The file that each came from, or its row in the source in words."""
    h: Tensor
    """Clean images [n dim]."""
    views: Tensor
    """[views n dim] of the encoder."""
    z: Tensor | None
    """[views n out] of the projector."""
    alignment: Tensor
    """[n]."""


def measure_part(
    networks: Networks,
    images: ImageSet,
    policies: tuple[Policy, ...],
    most: int,
    settings: GallerySettings,
    *,
    device: torch.device | str = "cpu",
) -> Part:
    """At most `most` images of a split, chosen by the seed, with their features and alignment."""
    order = torch.randperm(len(images), generator=generator(settings.seed, "gallery"))
    ids = order[:most].sort().values
    some = images.select(ids)
    clean = embed(networks.encoder, None, some, device=device)
    viewed = embed(
        networks.encoder,
        networks.projector,
        some,
        policies=policies,
        num_views=settings.measured_views,
        seed=settings.seed,
        epoch=PROBE_EPOCH,
        device=device,
    )
    aligned = image_alignment(unit_views(viewed.h))
    names = tuple(picture_name(name) for name in some.names())
    return Part(
        images=some, ids=ids, names=names, h=clean.h[0], views=viewed.h, z=viewed.z, alignment=aligned
    )
