"""What every encoder is shown: views under its own policy, and standard views that are the same for all."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from contrascope.augment.policy import Policy
from contrascope.augment.views import make_views
from contrascope.diagnosis.standard_views import shuffled_pixels, standard_policies
from contrascope.diagnosis.statistics import image_statistics
from contrascope.draws import PROBE_EPOCH
from contrascope.features.embed import ImageSource, evaluating, rows_of
from contrascope.intervals import generator
from contrascope.progress import Passes, Progress, silent

STANDARD_IMAGES = 512
"""Images under the standard views; of a larger set that many, drawn at random."""


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
    def statistics(self) -> Float[Tensor, "views n statistics"]:
        """Trivial statistics of every view."""
        return torch.stack([image_statistics(view) for view in self.images])

    @cached_property
    def equal(self) -> float:
        """Share of images whose views are all equal pixel for pixel."""
        same = (self.images[1:] == self.images[:1]).flatten(2).all(dim=2).all(dim=0)
        return float(same.double().mean()) if len(self.images) > 1 else 0.0


@dataclass(frozen=True, kw_only=True)
class Exhibits:
    """All fixed images of a diagnosis."""

    own: FixedViews
    """Views under the encoder's own policy."""
    standard: dict[str, FixedViews]
    """Two views of some of the images under each standard policy, by name."""
    chosen: Int[Tensor, " some"]
    """Those images, rising."""

    @cached_property
    def shuffled(self) -> FixedViews:
        """The first views of those images under the own policy, their pixels in random order."""
        return FixedViews(images=shuffled_pixels(self.own.images[0, self.chosen])[None])

    @property
    def count(self) -> int:
        """How many images an encoder embeds in all."""
        parts = (self.own, self.shuffled, *self.standard.values())
        return sum(one.images.shape[0] * one.images.shape[1] for one in parts)


@dataclass(frozen=True, kw_only=True)
class ShownRows:
    """What networks make of the exhibits; float32 on the CPU."""

    h: Float[Tensor, "views n dim"]
    """Encoder outputs under the own policy."""
    z: Float[Tensor, "views n out"] | None
    """Projector outputs."""
    standard: dict[str, Float[Tensor, "two some dim"]]
    """Encoder outputs under the standard policies."""
    shuffled: Float[Tensor, "some dim"]
    """Encoder outputs of the shuffled copies."""


def fixed_views(
    images: ImageSource,
    policies: Policy | tuple[Policy, ...],
    *,
    num_views: int = 4,
    seed: int = 0,
    batch_size: int = 256,
    device: torch.device | str = "cpu",
    chosen: Int[Tensor, " some"] | None = None,
) -> FixedViews:
    """Views of all images, or of the `chosen` ones; the same for the same seed, and no training epoch sees them."""
    order = torch.arange(len(images)) if chosen is None else chosen
    parts = [
        make_views(pixels, policies, ids=ids, seed=seed, epoch=PROBE_EPOCH, num_views=num_views)[0].cpu()
        for ids, pixels in images.batches(order, batch_size, device=device)
    ]
    return FixedViews(images=torch.cat(parts, dim=1))


def exhibits(
    images: ImageSource,
    policies: Policy | tuple[Policy, ...],
    *,
    num_views: int = 4,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> Exhibits:
    """Views of all images under their policy, and of up to 512 under the standard ones."""
    own = fixed_views(images, policies, num_views=num_views, seed=seed, device=device)
    order = torch.randperm(len(images), generator=generator(seed, "standard images"))
    chosen = order[:STANDARD_IMAGES].sort().values
    standard = {
        name: fixed_views(images, one, num_views=2, seed=seed, device=device, chosen=chosen)
        for name, one in standard_policies(own.images.shape[2]).items()
    }
    return Exhibits(own=own, standard=standard, chosen=chosen)


def show(
    networks: Networks,
    shown: Exhibits,
    *,
    device: torch.device | str = "cpu",
    progress: Progress = silent,
) -> ShownRows:
    """Outputs of networks on all exhibits; `progress` counts embedded images."""
    passes = Passes(progress, total=shown.count)

    def rows(views: FixedViews, both: Networks) -> tuple[Tensor, Tensor | None]:
        size = views.images.shape[0] * views.images.shape[1]
        return embed_views(both, views, device=device, progress=passes.next(size))

    encoder = Networks(encoder=networks.encoder)
    h, z = rows(shown.own, networks)
    return ShownRows(
        h=h,
        z=z,
        standard={name: rows(views, encoder)[0] for name, views in shown.standard.items()},
        shuffled=rows(shown.shuffled, encoder)[0][0],
    )


def embed_views(
    subject: Networks,
    views: FixedViews,
    *,
    batch_size: int = 512,
    device: torch.device | str = "cpu",
    progress: Progress = silent,
) -> tuple[Float[Tensor, "views n dim"], Float[Tensor, "views n out"] | None]:
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
