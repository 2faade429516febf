"""Words of tokenised sentences: which piece is of which word, and ranks of numbers that are drawn for words."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from contrascope.text.packed import TextRows
from contrascope.text.vocabulary import Vocabulary

WordOf = Int[Tensor, "batch length"]


def word_places(rows: TextRows, vocabulary: Vocabulary) -> tuple[WordOf, Int[Tensor, " batch"]]:
    """The number of the word that each piece is of, from 0, and how many words there are."""
    begins = vocabulary.begins.to(rows.ids.device)[rows.ids]
    begins[:, :1] = True
    number = begins.cumsum(1) - 1
    count = torch.where(rows.real, number + 1, 0).amax(1) if rows.ids.shape[1] else rows.lengths
    return number, count


def ranks(
    drawn: Float[Tensor, "batch width"], among: Bool[Tensor, "batch width"]
) -> Int[Tensor, "batch width"]:
    """The rank of each drawn number among those that count, from 0; the others come after them.

    >>> ranks(torch.tensor([[0.9, 0.1, 0.5]]), torch.tensor([[True, True, False]])).tolist()
    [[1, 0, 2]]
    """
    return drawn.masked_fill(~among, torch.inf).argsort(dim=1, stable=True).argsort(dim=1, stable=True)


def below(count: Int[Tensor, " batch"], width: int) -> Bool[Tensor, "batch width"]:
    """Places 0 to count - 1.

    >>> below(torch.tensor([1, 2]), 2).tolist()
    [[True, False], [True, True]]
    """
    return torch.arange(width, device=count.device) < count[:, None]


def share_of(count: Int[Tensor, " batch"], share: float) -> Int[Tensor, " batch"]:
    """The whole part of a share of counts; what rounding leaves just below a whole number is that number.

    >>> share_of(torch.tensor([10, 9]), 0.3).tolist()
    [3, 2]
    """
    return (count.double() * share + 1e-9).floor().long()
