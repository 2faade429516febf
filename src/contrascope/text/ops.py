"""Operations on sentences: what is drawn is raw numbers, keyed; what is changed follows from them alone."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.draws import DrawKey, uniform
from contrascope.errors import InputError
from contrascope.text.packed import CUT, PLACE, SHARE_BITS, TextRows, real
from contrascope.text.vocabulary import Vocabulary
from contrascope.text.words import below, ranks, share_of, word_places

TextParams = dict[str, Tensor]
"""What was drawn for a batch: each tensor's first axis is the sentence."""


def check_share(name: str, share: float) -> None:
    """Refuses a share outside (0, 1)."""
    if not 0 < share < 1:
        raise InputError(f"{name} has the share {share}; expected a number above 0 and below 1.")


class TextOp:
    """One operation, a `WordOp` or an `EmbeddedOp`: `draw` never sees text, what changes it never draws."""

    def draw(self, key: DrawKey, length: int) -> TextParams:
        """One number in [0, 1) for each of `length` places; a longer sentence has the same first ones."""
        return {"u": uniform(key, length)}


class WordOp(TextOp, ABC):
    """An operation on words; a word is all of its pieces, and at least one word stays."""

    @abstractmethod
    def on_rows(self, rows: TextRows, params: TextParams, vocabulary: Vocabulary) -> TextRows: ...


class EmbeddedOp(TextOp, ABC):
    """An operation on the embedded sentence, special tokens included, and not on words."""

    @abstractmethod
    def on_packed(
        self, sentences: Int[Tensor, "batch length fields"], params: TextParams
    ) -> Int[Tensor, "batch length fields"]: ...


@dataclass(frozen=True)
class DeleteWords(WordOp):
    """A share of the words is left out, rounded down, at random places."""

    share: float

    def __post_init__(self) -> None:
        check_share("delete", self.share)

    def on_rows(self, rows: TextRows, params: TextParams, vocabulary: Vocabulary) -> TextRows:
        word, count = word_places(rows, vocabulary)
        rank = ranks(params["u"], below(count, word.shape[1]))
        gone = share_of(count, self.share).minimum(count - 1)
        return rows.where(rank.gather(1, word) >= gone[:, None])


@dataclass(frozen=True)
class Crop(WordOp):
    """A window of a share of the words, rounded up, stays."""

    share: float

    def __post_init__(self) -> None:
        check_share("crop", self.share)

    def on_rows(self, rows: TextRows, params: TextParams, vocabulary: Vocabulary) -> TextRows:
        word, count = word_places(rows, vocabulary)
        width = (count - share_of(count, 1 - self.share)).clamp_min(1)
        start = (params["u"][:, 0] * (count - width + 1)).long()
        return rows.where((word >= start[:, None]) & (word < (start + width)[:, None]))


@dataclass(frozen=True)
class DeleteSpans(WordOp):
    """Spans of a share of the words are left out, at least a word each; they may overlap."""

    count: int
    share: float

    def __post_init__(self) -> None:
        check_share("delete-spans", self.share)
        _check_count("delete-spans", self.count)

    def draw(self, key: DrawKey, length: int) -> TextParams:
        return {"u": uniform(key, self.count)}

    def on_rows(self, rows: TextRows, params: TextParams, vocabulary: Vocabulary) -> TextRows:
        word, count = word_places(rows, vocabulary)
        width = share_of(count, self.share).clamp_min(1)
        start = (params["u"] * (count - width + 1)[:, None]).long()
        inside = (word[:, :, None] >= start[:, None]) & (word[:, :, None] < (start + width[:, None])[:, None])
        stays = ~inside.any(-1)
        stays |= ~(stays & rows.real).any(1, keepdim=True) & (word == 0)
        return rows.where(stays)


@dataclass(frozen=True)
class ReorderSpans(WordOp):
    """Pairs of spans of one length change places; a sentence of few words has fewer pairs.

    The words are cut into spans of a share of them, at least a word each, and pairs of these are drawn.
    """

    pairs: int
    share: float

    def __post_init__(self) -> None:
        check_share("reorder", self.share)
        _check_count("reorder", self.pairs)

    def on_rows(self, rows: TextRows, params: TextParams, vocabulary: Vocabulary) -> TextRows:
        word, count = word_places(rows, vocabulary)
        width = share_of(count, self.share).clamp_min(1)
        blocks = count // width
        rank = ranks(params["u"], below(blocks, word.shape[1]))
        of_rank = rank.argsort(dim=1)
        swapped = 2 * (blocks // 2).clamp_max(self.pairs)
        partner = torch.where(rank < swapped[:, None], rank ^ 1, rank).clamp_max(rank.shape[1] - 1)
        goes_to = of_rank.gather(1, partner)
        block = (word // width[:, None]).clamp_max(word.shape[1] - 1)
        moved = goes_to.gather(1, block) * width[:, None] + word % width[:, None]
        moved = torch.where(block < blocks[:, None], moved, word)
        return rows.ordered(moved.masked_fill(~rows.real, 2**40).argsort(dim=1, stable=True), rows.lengths)


@dataclass(frozen=True, eq=False)
class Substitute(WordOp):
    """A share of the words, as far as the table has them, stand back for one of their synonyms."""

    share: float
    table: Int[Tensor, "size most"]
    """Ids of the synonyms of every id, -1 where there is none."""

    def __post_init__(self) -> None:
        check_share("substitute", self.share)

    def draw(self, key: DrawKey, length: int) -> TextParams:
        numbers = uniform(key, 2 * length)
        return {"u": numbers[:, 0::2], "which": numbers[:, 1::2]}

    def on_rows(self, rows: TextRows, params: TextParams, vocabulary: Vocabulary) -> TextRows:
        table = self.table.to(rows.ids.device)
        word, count = word_places(rows, vocabulary)
        ends = torch.nn.functional.pad(word[:, 1:] != word[:, :-1], (0, 1), value=True)
        ends |= torch.arange(word.shape[1], device=word.device) == rows.lengths[:, None] - 1
        starts = torch.nn.functional.pad(word[:, 1:] != word[:, :-1], (1, 0), value=True)
        choices = (table[rows.ids] >= 0).sum(-1)
        able = starts & ends & rows.real & (choices > 0)
        chosen = able & (ranks(params["u"], able) < share_of(count, self.share)[:, None])
        which = (params["which"] * choices).long().clamp_max(table.shape[1] - 1)
        found = table[rows.ids].gather(2, which[:, :, None])[:, :, 0]
        return TextRows(ids=torch.where(chosen, found, rows.ids), kept=rows.kept, lengths=rows.lengths)


@dataclass(frozen=True)
class ShufflePositions(EmbeddedOp):
    """The positions of all tokens of a sentence are permuted, special ones too (ConSERT's token shuffling)."""

    def on_packed(self, sentences: Tensor, params: TextParams) -> Tensor:
        stands = real(sentences)
        made = sentences.clone()
        made[..., PLACE] = torch.where(stands, ranks(params["u"], stands), sentences[..., PLACE])
        return made


@dataclass(frozen=True)
class CutTokens(EmbeddedOp):
    """The embeddings of a share of the tokens, rounded down, are zero; the others are not scaled."""

    share: float

    def __post_init__(self) -> None:
        check_share("cut-tokens", self.share)

    def on_packed(self, sentences: Tensor, params: TextParams) -> Tensor:
        stands = real(sentences)
        gone = ranks(params["u"], stands) < share_of(stands.sum(1), self.share)[:, None]
        made = sentences.clone()
        made[..., CUT] |= gone.long()
        return made


@dataclass(frozen=True)
class CutFeatures(EmbeddedOp):
    """A share of the columns of a sentence's embedding, rounded down, is zero, the same in all its tokens.

    Which columns is drawn from the sentence's key inside the network, whose width decides how many there are.
    """

    share: float

    def __post_init__(self) -> None:
        check_share("cut-features", self.share)

    def draw(self, key: DrawKey, length: int) -> TextParams:
        return {"share": torch.full((len(key.ids),), self.share, dtype=torch.float32, device=key.ids.device)}

    def on_packed(self, sentences: Tensor, params: TextParams) -> Tensor:
        made = sentences.clone()
        units = (params["share"].double() * 2**SHARE_BITS).round().long()
        made[..., CUT] |= (units << 1)[:, None]
        return made


def unit_shares(cut: Int[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    """The share of columns that a CUT field names."""
    return (cut >> 1).double() * 2.0**-SHARE_BITS


def _check_count(name: str, count: int) -> None:
    if count < 1:
        raise InputError(f"{name} has {count} spans; expected 1 or more.")
