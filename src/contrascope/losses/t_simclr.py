"""t-SimCLR: contrastive learning as stochastic neighbour embedding with a heavy-tailed kernel."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from contrascope.losses.blocks import over_blocks
from contrascope.losses.pairs import (
    Positives,
    flatten_pairs,
    pair_square_distances,
    reduce_pairs,
    spread_pairs,
    spread_views,
)
from contrascope.losses.registry import Traits, registered
from contrascope.losses.terms import LossTerms
from contrascope.settings import require_positive


@registered(
    gathers=True, example={"temperature": 8.0, "degrees": 5.0}, traits=Traits(scale_free=False, least=0.0)
)
def t_simclr(
    online: Float[Tensor, "views batch dim"],
    target: Float[Tensor, "views batch dim"] | None = None,
    *,
    temperature: float,
    degrees: float,
    positives: Positives = "average",
) -> LossTerms:
    """Minus the log kernel of positives plus the log of its sum over all pairs of embeddings, kernel Student's t.

    Hu et al. 2023 (arXiv:2205.14814, section 4) as in the released code: the kernel is
    (1 + d^2 / (degrees temperature))^(-(degrees + 1) / 2) of plain Euclidean distances d, and one denominator holds
    all ordered pairs of the two views' embeddings, the positives among them. Embeddings are not normalised. At
    least log(2 batch), where images are infinitely far apart; equal embeddings give log(2 batch (2 batch - 1)). Their
    settings: temperature 8, degrees 5.

    >>> two = torch.tensor([[0.0], [1.0]]).expand(2, 2, 1)
    >>> t_simclr(two, temperature=1.0, degrees=1.0).total.exp().round().item()
    8.0
    """
    require_positive(temperature=temperature, degrees=degrees)
    other = online if target is None else target
    power, scale = (degrees + 1) / 2, degrees * temperature
    align = power * torch.log1p(pair_square_distances(online, other) / scale)
    spread = _log_sums(spread_views(online, positives), spread_views(other, positives), power, scale)
    return LossTerms(align=reduce_pairs(align, positives), spread=spread_pairs(spread, positives).mean())


def _log_sums(
    online: Float[Tensor, "views batch dim"],
    target: Float[Tensor, "views batch dim"],
    power: float,
    scale: float,
) -> Float[Tensor, "pairs 1"]:
    """Log of the kernel's sum over the embeddings of two views, for every ordered pair of views."""
    views, batch, _ = online.shape
    blocks = over_blocks(_block, online, target, power, scale, per_image=views * views * batch)
    sums = blocks.logsumexp(0)  # of one view with one view
    own = sums.diagonal()
    four = torch.stack([sums, sums.T, own[:, None].expand_as(sums), own.expand_as(sums)])
    return flatten_pairs(four.logsumexp(0)[None])


def _block(first: int, rows: Tensor, target: Tensor, power: float, scale: float) -> Tensor:
    """The same of images `first` and on with all images, view with view; made again in the backward pass."""
    found = checkpoint(
        _logs, first, rows, target, power, scale, use_reentrant=False, preserve_rng_state=False
    )
    assert isinstance(found, Tensor)
    return found


def _logs(first: int, rows: Tensor, target: Tensor, power: float, scale: float) -> Tensor:
    views, count, _ = rows.shape
    distance = torch.cdist(
        rows.flatten(0, 1), target.flatten(0, 1), compute_mode="donot_use_mm_for_euclid_dist"
    )
    logs = (-power * torch.log1p(distance.square() / scale)).view(views, count, views, -1)
    image = torch.arange(count, device=rows.device)
    own = torch.zeros(logs.shape, dtype=torch.bool, device=rows.device)
    own[:, image, :, first + image] = torch.eye(views, dtype=torch.bool, device=rows.device)
    return logs.masked_fill(own, -math.inf).transpose(1, 2).flatten(2).logsumexp(2)
