"""What class centres say of the InfoNCE loss, beside what random classes say of it."""

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.linalg import class_means
from contrascope.theory.bounds.bound import Bound, over_views
from contrascope.theory.bounds.divergence_bounds import usable_inequality
from contrascope.theory.bounds.random_classes import random_classes
from contrascope.theory.factors.alignment import image_alignment
from contrascope.theory.factors.decompose import info_nce_split
from contrascope.theory.factors.divergence import class_codes, mean_view


def spread_bound(h: Float[Tensor, "views n dim"], y: Int[Tensor, " labels"], *, seed: int = 0) -> Bound:
    """`usable_inequality` measured on unit embeddings; needs 2 views and 2 classes.

    Any split of the images into classes raises the value by chance. Trivial: the largest value of the random classes
    of the same sizes (`random_classes`); it is no smaller than that of one class, which needs no labels.

    >>> h = torch.tensor([[1.0, 0.0], [-1.0, 0.0]]).repeat(2, 20, 1)
    >>> spread_bound(h, torch.tensor([0, 1] * 20)).word
    'informative'
    """
    codes, classes = class_codes(y, h.shape[1], least=2)
    rows, image = mean_view(h).double(), image_alignment(h).double()
    counts = codes.bincount().double()
    l_2 = info_nce_split(h, negatives="independent").l_2.value

    def measured(codes: Tensor) -> Bound:
        within = torch.zeros_like(counts).index_add_(0, codes, image) / counts
        return usable_inequality(l_2, counts / counts.sum(), within, class_means(rows, codes, len(classes)))

    bound = measured(codes)
    chance = max(measured(order).value for order in random_classes(codes, seed=seed))
    return replace(
        bound,
        trivial=max(bound.trivial, chance),
        terms=bound.terms | {"one_class": bound.trivial, "random_classes": chance},
        scope=over_views(len(h)),
    )
