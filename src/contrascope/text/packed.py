"""What a text encoder sees: one tensor of integers, so that views of text travel as views of images do."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

TOKEN, PLACE, KEY, CUT = range(4)
"""Fields of the last axis: the id; its position, -1 where nothing stands; the key of the sentence's dropout, -1 for
none; what is cut off its embedding (1: all of it; in the upper bits a share of the columns in units of 2**-20)."""
FIELDS = 4
NOTHING = -1
SHARE_BITS = 20
"""Of the share of columns that is cut off."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TextRows:
    """Sentences on their way to a view: ids without special ones, and where each stood in its sentence."""

    ids: Int[Tensor, "batch length"]
    """Ids, whatever beyond the length."""
    kept: Int[Tensor, "batch length"]
    """Place of each in the sentence that it is from."""
    lengths: Int[Tensor, " batch"]
    """Real ids of each row."""

    @property
    def real(self) -> Bool[Tensor, "batch length"]:
        """Where ids are real."""
        return torch.arange(self.ids.shape[1], device=self.ids.device) < self.lengths[:, None]

    def ordered(self, order: Int[Tensor, "batch length"], lengths: Int[Tensor, " batch"]) -> "TextRows":
        """The tokens at these places, of each row the first `lengths`."""
        longest = int(lengths.max()) if len(lengths) else 0
        order = order[:, :longest]
        return TextRows(ids=self.ids.gather(1, order), kept=self.kept.gather(1, order), lengths=lengths)

    def where(self, chosen: Bool[Tensor, "batch length"]) -> "TextRows":
        """The chosen tokens in their order."""
        chosen = chosen & self.real
        return self.ordered((~chosen).to(torch.uint8).argsort(dim=1, stable=True), chosen.sum(1))


def text_rows(ids: Int[Tensor, "batch length"], lengths: Int[Tensor, " batch"]) -> TextRows:
    """Sentences as they are.

    >>> text_rows(torch.tensor([[5, 6]]), torch.tensor([2])).where(torch.tensor([[False, True]])).kept
    tensor([[1]])
    """
    kept = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    return TextRows(ids=ids, kept=kept, lengths=lengths)


def packed(
    rows: TextRows, *, first: int, last: int, pad: int, keys: Int[Tensor, " batch"] | None = None
) -> Int[Tensor, "batch length fields"]:
    """The rows between their special tokens, with positions and the keys of their dropout.

    >>> packed(text_rows(torch.tensor([[7, 0]]), torch.tensor([1])), first=1, last=2, pad=0)[0, :, TOKEN].tolist()
    [1, 7, 2]
    """
    batch, longest = len(rows.ids), int(rows.lengths.max()) if len(rows.lengths) else 0
    made = rows.ids.new_full((batch, longest + 2, FIELDS), NOTHING)
    place = torch.arange(longest + 2, device=made.device).expand(batch, -1)
    ends = rows.lengths[:, None] + 1
    inner = torch.nn.functional.pad(rows.ids[:, :longest], (1, 1))
    tokens = torch.where(place < ends, inner, pad)
    tokens = torch.where(place == 0, first, torch.where(place == ends, last, tokens))
    made[..., TOKEN] = tokens
    made[..., PLACE] = torch.where(place <= ends, place, NOTHING)
    if keys is not None:
        made[..., KEY] = keys[:, None]
    made[..., CUT] = 0
    return made


def stacked(views: list[Tensor], *, pad: int) -> Int[Tensor, "views batch length fields"]:
    """Views of different lengths filled up to the longest."""
    longest = max(view.shape[1] for view in views)
    made = views[0].new_full((len(views), views[0].shape[0], longest, FIELDS), NOTHING)
    made[..., TOKEN], made[..., CUT] = pad, 0
    for place, view in enumerate(views):
        made[place, :, : view.shape[1]] = view
        made[place, :, view.shape[1] :, KEY] = view[:, :1, KEY]
    return made


def real(sentences: Int[Tensor, "batch length fields"]) -> Bool[Tensor, "batch length"]:
    """Where tokens stand."""
    return sentences[..., PLACE] >= 0


def without_dropout(sentences: Int[Tensor, "batch length fields"]) -> Int[Tensor, "batch length fields"]:
    """The same sentences with no key, on which a network in training mode drops nothing."""
    plain = sentences.clone()
    plain[..., KEY] = NOTHING
    return plain
