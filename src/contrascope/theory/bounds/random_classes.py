"""Random classes of the same sizes: what a bound says of labels that know nothing of the features."""

from collections.abc import Iterator

from jaxtyping import Int
from torch import Tensor, randperm

from contrascope.intervals import generator

DRAWS = 59
"""Random labellings; a value beyond all of them has probability 1 / 60 at most where the labels mean nothing."""


def random_classes(codes: Int[Tensor, " n"], *, seed: int = 0) -> Iterator[Int[Tensor, " n"]]:
    """`DRAWS` random orders of the labels.

    If labels and features are independent then all orders of the labels are equally likely, so a number computed from
    the labels is the largest of all 60 (ties apart) once in 60 times: an exact test for any features and sizes.

    >>> import torch
    >>> [order.sort().values.tolist() for order in random_classes(torch.tensor([0, 0, 1]))][0]
    [0, 0, 1]
    """
    source = generator(seed, "random classes")
    for _ in range(DRAWS):
        yield codes[randperm(len(codes), generator=source).to(codes.device)]
