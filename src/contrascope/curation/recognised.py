"""How near slightly changed copies stay: the measure of what is alike, for an encoder and in pixels."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from contrascope.augment.crop import RandomResizedCrop
from contrascope.augment.jitter import ColorJitter
from contrascope.augment.policy import Policy
from contrascope.augment.views import make_views
from contrascope.curation.rows import NamedRows
from contrascope.curation.search import near_rows
from contrascope.diagnosis.checks.near_copies import small_rows
from contrascope.features.embed import evaluating
from contrascope.linalg import unit_rows

MOST = 1000
"""Images that are changed, drawn at random of more."""
VIEWS = 4
"""Changed copies of each."""
LOST, UNSURE = 0.1, 0.25
"""Share of slightly changed copies that the encoder may miss, and that the pixels may not confirm."""
CROP, LIGHT = (0.8, 1.0), 0.15
"""Area that is kept, and by how much light and colours change."""
BATCH = 256


@dataclass(frozen=True, kw_only=True)
class Recognised:
    """What slightly changed copies are for an encoder, and in pixels."""

    cosine: float
    """Of encoder outputs: nine of ten copies have it with their own image, or more."""
    correlation: float
    """Of small pictures: three of four copies have it with their own image, or more."""
    share: float
    """Copies that the encoder puts nearer to their own image than to any other, 0 to 1."""

    @property
    def words(self) -> str:
        """The rule that follows, in a sentence."""
        return (
            f"alike: cosine of at least {self.cosine:.4f} and, as small pictures without their mean and contrast, a "
            f"correlation of at least {self.correlation:.3f}: what {100 * (1 - LOST):.0f} % and "
            f"{100 * (1 - UNSURE):.0f} % of slightly changed copies have with their own image ({100 * CROP[0]:.0f} to "
            f"100 % of the area, light and colours by {100 * LIGHT:.0f} %). The encoder puts {100 * self.share:.0f} % "
            "of these nearest to it."
        )


def recognised(
    encoder: nn.Module, rows: NamedRows, *, seed: int = 0, device: torch.device | str | None = None
) -> Recognised:
    """Changes some images slightly and looks how near they stay to their own image."""
    assert rows.images is not None
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    policy, cosine, nearest, correlation = slight_changes(rows.images.shape[0]), [], [], []
    with evaluating(encoder):
        for ids, pixels in rows.images.batches(order[:MOST].sort().values, BATCH, device=device or "cpu"):
            images, at = pixels.float() / 255, ids.cpu()
            views, _ = make_views(images, (policy,), ids=ids, seed=seed, epoch=0, num_views=VIEWS)
            small = standard_rows(small_rows(images))
            for view in views:
                h = encoder(view).float().cpu()
                cosine.append((unit_rows(h) * unit_rows(rows.h[at])).sum(dim=1))
                nearest.append(near_rows(h, rows.h, 1).value[:, 0])
                correlation.append((standard_rows(small_rows(view)) * small).sum(dim=1).cpu())
    own = torch.cat(cosine)
    return Recognised(
        cosine=own.double().quantile(LOST).item(),
        correlation=torch.cat(correlation).double().quantile(UNSURE).item(),
        share=(own >= torch.cat(nearest) - 1e-6).double().mean().item(),
    )


def slight_changes(channels: int) -> Policy:
    """A crop of 80 to 100 % of the area, and light, contrast and saturation by 15 % where these are defined."""
    crop = RandomResizedCrop(scale=CROP, ratio=(0.95, 1 / 0.95))
    if channels not in (1, 3):
        return Policy(ops=(crop,), name="slight changes")
    colour = LIGHT if channels == 3 else 0.0
    jitter = ColorJitter(brightness=LIGHT, contrast=LIGHT, saturation=colour)
    return Policy(ops=(crop, jitter), name="slight changes")


def standard_rows(rows: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
    """Rows less their mean, of length 1: their products are correlations; a constant row is 0.

    >>> standard_rows(torch.tensor([[1.0, 3.0], [2.0, 2.0]])).tolist()
    [[-0.70710..., 0.70710...], [0.0, 0.0]]
    """
    return unit_rows(rows - rows.mean(dim=1, keepdim=True))


def correlations(
    small: Float[Tensor, "n dim"], other: Float[Tensor, "m dim"], index: Int[Tensor, "n near"]
) -> Float[Tensor, "n near"]:
    """Correlation of every small picture with those of the other set that `index` names."""
    mine, theirs = standard_rows(small), standard_rows(other)
    return torch.stack([(mine * theirs[place]).sum(dim=1) for place in index.unbind(dim=1)], dim=1)
