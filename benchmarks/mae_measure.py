"""The framework's quantities under masks: what plays A(x), how near its views are, what keeps classes apart."""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from contrascope.augment.presets import build_policy
from contrascope.augment.settings import PolicySettings
from contrascope.augment.views import make_views
from contrascope.data.imageset import InMemoryImages
from contrascope.draws import DrawKey
from contrascope.linalg import unit_rows
from contrascope.methods.pretext.mae import MAE, patches_of, standardised
from contrascope.methods.pretext.mae_settings import MAESettings
from contrascope.theory.concentration.concentration import concentration
from contrascope.theory.concentration.masked_distance import masked_distance
from contrascope.theory.factors.alignment import alignment, r_epsilon
from contrascope.theory.factors.centre_error import nearest_centre_error
from contrascope.theory.factors.divergence import divergence
from contrascope.theory.factors.spectrum import effective_rank_of
from contrascope.training.views import MASK

MASKS, SEED, BATCH, EPSILON, LEVELS = 4, 7, 250, 0.5, 12
"""Masks of each image, their seed, images at a time, the epsilon of R_eps (rows of length 1), deltas of sigma."""


@dataclass(frozen=True, kw_only=True)
class ViewFactors:
    """Of views' rows at length 1; `_centred` of rows less the mean of all first."""

    alignment: float
    """L_align over that of views of different images: 1 if views of an image are no nearer than any others."""
    alignment_centred: float
    max_inner: float
    """Largest mu_k . mu_l."""
    max_inner_centred: float
    r_epsilon: float
    """Share of images with two views farther apart than 0.5, centred rows."""
    error: float
    """Err(G_f), nearest class centre, centred rows."""
    rank: float
    """Effective rank of the first view."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """The loss on pairs of masks, over patches that both hide: half pair variance plus error of the mean, exactly."""

    variance: float
    """Half the mean squared distance of two masks' predictions of a patch: alignment of predictions."""
    bias: float
    """What is left: squared distance of the mean prediction from the pixels; a constant pays their variance here."""


def view_factors(h: Tensor, y: Tensor) -> ViewFactors:
    """Of views' rows [views n dim]."""
    raw, centred = unit_rows(h), unit_rows(h - h.mean((0, 1)))
    return ViewFactors(
        alignment=relative_alignment(raw),
        alignment_centred=relative_alignment(centred),
        max_inner=divergence(raw, y).max_inner.value,
        max_inner_centred=divergence(centred, y).max_inner.value,
        r_epsilon=r_epsilon(centred, EPSILON).value,
        error=nearest_centre_error(centred, y).error.value,
        rank=effective_rank_of(h[0]),
    )


def relative_alignment(h: Tensor) -> float:
    """L_align over the mean squared distance of two views of different images."""
    images = h.shape[1]
    mean = h.mean((0, 1))
    own = h.mean(0).square().sum(1).mean()
    others = (images * mean @ mean - own) / (images - 1)
    return alignment(h).value / (2 * (1 - others.item()))


@torch.no_grad()
def masked(method: MAE, images: InMemoryImages) -> tuple[Tensor, Split | None]:
    """Mean visible tokens [masks n dim] under keyed masks; the split, where the decoder has learnt anything."""
    method.eval()
    rows, spreads, biases = [], [], []
    for ids in torch.arange(len(images)).split(BATCH):
        pixels = method.vit.prepared(images.gather(ids).float() / 255)
        found = []
        for number in range(MASKS):
            key = DrawKey(seed=SEED, epoch=0, ids=ids, view=number).at(MASK)
            hidden = method.mask(pixels, key)
            visible, places = method.visible(pixels, hidden)
            found.append((visible.mean(1), hidden, method.predictions(pixels, visible, places)))
        rows.append(torch.stack([one[0] for one in found]))
        target = method.targets(pixels)
        for (_, first, p), (_, second, q) in zip(found[::2], found[1::2], strict=True):
            both = first & second
            variance = (p - q).square().mean(2) / 2
            bias = ((p - target).square() + (q - target).square()).mean(2) / 2 - variance
            spreads.append(variance[both])
            biases.append(bias[both])
    split = Split(variance=torch.cat(spreads).mean().item(), bias=torch.cat(biases).mean().item())
    return torch.cat(rows, dim=1), split


@torch.no_grad()
def coloured(encoder: torch.nn.Module, images: InMemoryImages) -> Tensor:
    """Rows of views by SimCLR's crops and colours, at 24 px."""
    policies = build_policy(PolicySettings(name="simclr-cifar", size=24), channels=3)
    rows = []
    for ids in torch.arange(len(images)).split(BATCH):
        views, _ = make_views(images.gather(ids), policies, num_views=MASKS, ids=ids, seed=SEED, epoch=0)
        rows.append(torch.stack([encoder(view) for view in views]))
    return torch.cat(rows, dim=1)


def masking(encoder: torch.nn.Module, ratio: float) -> MAE:
    """Any encoder with a vision transformer, with a decoder that nothing has trained: only its masks count."""
    settings = MAESettings(mask_ratio=ratio, decoder_width=8, decoder_depth=1, decoder_heads=1)
    return MAE(encoder, settings)


def factors_of(method: MAE, images: InMemoryImages, *, decoder: bool) -> dict[str, float]:
    """Every number of an encoder under masks, and under crops and colours, by name."""
    y = images.y
    assert y is not None
    rows, split = masked(method, images)
    found = {f"masks.{name}": value for name, value in asdict(view_factors(rows, y)).items()}
    coloured_rows = view_factors(coloured(method.encoder, images), y)
    found |= {f"crops.{name}": value for name, value in asdict(coloured_rows).items()}
    if decoder and split is not None:
        found |= {f"split.{name}": value for name, value in asdict(split).items()}
    return found


def sharpness(
    images: InMemoryImages, *, patch: int, ratios: list[float], each: int = 60
) -> dict[float, float]:
    """Mean 1 - sigma(delta) of normalised patches over deltas up to the mildest masks' largest, by mask ratio."""
    y = images.y
    assert y is not None
    chosen = torch.cat([(y == label).nonzero().flatten()[:each] for label in y.unique()])
    patches = standardised(patches_of(images.gather(chosen).float() / 255, patch))
    tokens = patches.shape[1]
    distances = {
        ratio: masked_distance(patches, visible=max(1, int(tokens * (1 - ratio)))) / tokens**0.5
        for ratio in sorted(ratios)
    }
    deltas = torch.linspace(0, distances[min(ratios)].max().item(), LEVELS + 1)[1:]
    return {
        ratio: 1 - concentration(distance, y[chosen], deltas, seconds=0.2).mean_low.mean().item()
        for ratio, distance in distances.items()
    }
