"""Supervised contrast: views of all images of a label are positives. No loss of `LOSSES`, for it asks for labels."""

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.errors import InputError
from contrascope.linalg import at_least_single
from contrascope.losses.others import LOG_SUM, over_others
from contrascope.losses.pairs import pair_products
from contrascope.losses.similarity import unit
from contrascope.losses.terms import LossTerms
from contrascope.settings import require_positive
from contrascope.types import Labels


def sup_con(z: Float[Tensor, "views batch dim"], labels: Labels, *, temperature: float) -> LossTerms:
    """Log-sum-exp of the cosines with all other views less the mean cosine with those of the label, over temperature.

    Khosla et al. 2020 (arXiv:2004.11362, eq. 2), the sum over positives outside the logarithm: the mean over anchors,
    which are all views of all images. Embeddings are scaled to unit length here. About the log of the number of
    positives where classes are points far apart; equal embeddings give log(views batch - 1). The authors' code
    multiplies it by temperature / 0.07. With a label of its own for each image and two views it is `nt_xent`.

    >>> sup_con(torch.ones(2, 4, 3), torch.tensor([0, 0, 1, 1]), temperature=0.5).total.exp().round().item()
    7.0
    """
    require_positive(temperature=temperature)
    _refuse(z, labels)
    with torch.autocast(z.device.type, enabled=False):
        z = unit(at_least_single(z))
        views, batch, dim = z.shape
        codes = (labels[:, None] == labels).to(torch.uint8).argmax(1)  # the first image of the same label
        sums = z.new_zeros(batch, dim).index_add(0, codes.repeat(views), z.flatten(0, 1))
        members = torch.zeros_like(codes).index_add(0, codes, torch.ones_like(codes))
        others = views * members[codes] - 1  # positives of each anchor
        cosines = ((z * sums[codes]).sum(-1) - z.square().sum(-1)) / others
        own = pair_products(z, z).view(views, views - 1, batch) / temperature
        rest = over_others(z / temperature, z, LOG_SUM).logsumexp(-1)
        spread = torch.logaddexp(own.logsumexp(1), rest).mean()
    return LossTerms(align=-cosines.mean(0) / temperature, spread=spread)


def _refuse(z: Tensor, labels: Tensor) -> None:
    if z.ndim != 3 or z.shape[0] < 2 or z.shape[1] < 2 or not z.is_floating_point():
        raise InputError(
            f"sup_con got {z.dtype} of shape {tuple(z.shape)}; expected floating-point embeddings (views, batch, dim) "
            "of at least 2 views of at least 2 images. Raise `num_views` or `batch_size`."
        )
    if labels.shape != z.shape[1:2]:
        raise InputError(
            f"sup_con got labels of shape {tuple(labels.shape)}; expected one for each of the {z.shape[1]} images."
        )
