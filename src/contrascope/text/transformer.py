"""A small transformer over tokens, whose dropout is keyed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from contrascope.draws import DrawKey, words
from contrascope.errors import InputError
from contrascope.text.dropout import kept, threshold
from contrascope.text.ops import unit_shares
from contrascope.text.packed import CUT, KEY, PLACE, TOKEN, real

SITES = 4
"""Places of dropout a layer: attention, its output, the output of the MLP, and one that is free."""
COLUMNS = 255
"""Place of the draws for the columns that are cut off."""


class TokenStates(NamedTuple):
    """States of all tokens [batch length dim] after the embedding, the first and the last layer."""

    embedded: Tensor
    first: Tensor
    last: Tensor


class KeyedDrop(nn.Module):
    """Dropout of states in training; at one site, so that no two layers share a mask."""

    def __init__(self, share: float, *, site: int) -> None:
        super().__init__()
        threshold(share)
        self.share, self.site = share, site

    def forward(
        self, states: Float[Tensor, "batch length dim"], keys: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch length dim"]:
        if not (self.training and self.share):
            return states
        _, length, dim = states.shape
        return states * kept(keys, share=self.share, site=self.site, width=dim, per=length).to(states.dtype)

    def extra_repr(self) -> str:
        return f"share={self.share}, site={self.site}"


class TextBlock(nn.Module):
    """Pre-norm transformer layer: attention among real tokens, then an MLP of four times the width."""

    def __init__(self, dim: int, heads: int, *, dropout: float, attention_dropout: float, site: int) -> None:
        super().__init__()
        threshold(attention_dropout)
        self.heads, self.attention_dropout, self.site = heads, attention_dropout, site
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))
        self.drop1, self.drop2 = KeyedDrop(dropout, site=site + 1), KeyedDrop(dropout, site=site + 2)

    def forward(
        self,
        tokens: Float[Tensor, "batch length dim"],
        stands: Bool[Tensor, "batch length"],
        keys: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch length dim"]:
        tokens = tokens + self.drop1(self.attend(self.norm1(tokens), stands, keys), keys)
        return tokens + self.drop2(self.mlp(self.norm2(tokens)), keys)

    def attend(self, tokens: Tensor, stands: Tensor, keys: Tensor) -> Float[Tensor, "batch length dim"]:
        """Attention of every token to the real ones."""
        batch, length, dim = tokens.shape
        qkv = self.qkv(tokens).view(batch, length, 3, self.heads, dim // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        seen = stands[:, None, None]
        if not (self.training and self.attention_dropout):
            mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        else:
            products = query @ key.transpose(2, 3) * (dim // self.heads) ** -0.5
            weights = products.masked_fill(~seen, -torch.inf).softmax(-1)
            factor = kept(
                keys, share=self.attention_dropout, site=self.site, width=length * self.heads, per=length
            )
            mixed = weights * factor.view(batch, length, length, self.heads).permute(0, 3, 1, 2).to(
                weights.dtype
            )
            mixed = mixed @ value
        return self.proj(mixed.transpose(1, 2).reshape(batch, length, dim))


class TextTransformer(nn.Module):
    """Tokens with learnt positions, layers, and a last norm.

    >>> from contrascope.text.packed import packed, text_rows
    >>> rows = text_rows(torch.tensor([[7, 8]]), torch.tensor([2]))
    >>> network = TextTransformer(size=10, width=8, depth=1, heads=2, positions=16)
    >>> network(packed(rows, first=1, last=2, pad=0)).last.shape
    torch.Size([1, 4, 8])
    """

    def __init__(
        self,
        *,
        size: int,
        width: int = 256,
        depth: int = 4,
        heads: int = 4,
        positions: int = 512,
        dropout: float = 0.1,
        attention_dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.dim = width
        self._offset: Tensor | None = None
        self.tokens, self.places = nn.Embedding(size, width), nn.Embedding(positions, width)
        self.norm_in, self.norm_out = nn.LayerNorm(width), nn.LayerNorm(width)
        self.drop = KeyedDrop(dropout, site=0)
        self.blocks = nn.ModuleList(
            TextBlock(
                width, heads, dropout=dropout, attention_dropout=attention_dropout, site=1 + SITES * layer
            )
            for layer in range(depth)
        )
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.trunc_normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    @contextmanager
    def moved(self, offset: Float[Tensor, "batch length dim"]) -> Iterator[None]:
        """Inside, `offset` is added to the embeddings of the sentences, before dropout; its gradient is kept."""
        self._offset = offset
        try:
            yield
        finally:
            self._offset = None

    @property
    def token_weight(self) -> Float[Tensor, "size dim"]:
        """Embeddings of all ids."""
        return self.tokens.weight

    def forward(self, sentences: Int[Tensor, "batch length fields"]) -> TokenStates:
        """The states of all tokens; what stands at padding means nothing."""
        stands, keys = real(sentences), sentences[:, 0, KEY]
        place = sentences[..., PLACE].clamp_min(0)
        if int(place.max()) >= self.places.num_embeddings:
            raise InputError(
                f"a sentence has {int(place.max()) + 1} tokens, and the encoder positions for "
                f"{self.places.num_embeddings}. Lower data.max_length, or raise encoder.positions."
            )
        embedded = self.norm_in(self.tokens(sentences[..., TOKEN]) + self.places(place))
        states = self.cut(embedded, sentences)
        states = self.drop(states if self._offset is None else states + self._offset, keys)
        first = states
        for number, block in enumerate(self.blocks):
            states = block(states, stands, keys)
            first = states if number == 0 else first
        return TokenStates(embedded=embedded, first=first, last=self.norm_out(states))

    def cut(self, embedded: Tensor, sentences: Tensor) -> Float[Tensor, "batch length dim"]:
        """The embedding without what a view cuts off."""
        cut = sentences[..., CUT]
        if not cut.any():
            return embedded
        embedded = embedded * ((cut & 1) == 0)[..., None].to(embedded.dtype)
        dim, keys = embedded.shape[2], sentences[:, 0, KEY].clamp_min(0)
        count = (unit_shares(cut[:, 0]) * dim + 1e-3).floor().long()
        rank = words(DrawKey(seed=0, epoch=0, ids=keys, operation=COLUMNS), dim).argsort(1).argsort(1)
        return embedded * (rank >= count[:, None])[:, None].to(embedded.dtype)
