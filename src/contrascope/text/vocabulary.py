"""What is known of a tokeniser's ids: their number, the special ones, and which begin a word."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Vocabulary:
    """Ids of a tokeniser; no text.

    >>> Vocabulary.of(["[PAD]", "[CLS]", "[SEP]", "[MASK]", "play", "##ing"]).begins.tolist()
    [True, True, True, True, True, False]
    """

    begins: Bool[Tensor, " size"]
    """Whether a piece begins a word; the first of a sentence does so whatever it is."""
    pad: int
    """Fills up a batch."""
    cls: int
    """Stands before every sentence."""
    sep: int
    """Stands after it."""
    mask: int
    """Stands in place of a hidden token."""

    @property
    def size(self) -> int:
        """Number of ids."""
        return len(self.begins)

    @property
    def special(self) -> Int[Tensor, " specials"]:
        """Ids that no text contains."""
        return torch.tensor([self.pad, self.cls, self.sep, self.mask])

    @classmethod
    def of(
        cls,
        pieces: list[str],
        *,
        pad: str = "[PAD]",
        first: str = "[CLS]",
        last: str = "[SEP]",
        mask: str = "[MASK]",
    ) -> "Vocabulary":
        """From the pieces in the order of their ids: WordPiece marks what goes on, others what begins."""
        places = {piece: place for place, piece in enumerate(pieces)}
        if any(piece.startswith("##") for piece in pieces):
            begins = [not piece.startswith("##") for piece in pieces]
        else:
            marked = [piece[:1] in ("Ġ", "▁") for piece in pieces]
            begins = marked if any(marked) else [True] * len(pieces)
        return cls(
            begins=torch.tensor(begins),
            pad=places[pad],
            cls=places[first],
            sep=places[last],
            mask=places[mask],
        )
