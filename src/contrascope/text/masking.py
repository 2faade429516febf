"""Hidden tokens of masked-language modelling, as BERT hides them."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from contrascope.draws import DrawKey, uniform, words
from contrascope.errors import InputError
from contrascope.text.packed import TOKEN, real
from contrascope.text.vocabulary import Vocabulary
from contrascope.text.words import ranks

SEEN = -1
"""Target of a token that is not asked for."""
AS_MASK, AS_OTHER = 0.8, 0.1
"""Shares of the hidden tokens that become the mask and a random token; the rest stay."""
TextPairer = Callable[[Tensor, DrawKey], tuple[Tensor, Tensor]]


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskTokens:
    """Hides a share of each sentence's tokens and keeps what they were (Devlin et al. 2019, arXiv:1810.04805).

    Of every sentence the nearest whole number of its tokens, at least one; 80 % of them become the mask, 10 % a random
    token, 10 % stay. Special tokens are not hidden.
    """

    vocabulary: Vocabulary
    """Ids."""
    rate: float = 0.15
    """Share of the tokens."""

    def __post_init__(self) -> None:
        if not 0 < self.rate < 1:
            raise InputError(f"the masking rate is {self.rate}; expected a share above 0 and below 1.")

    def __call__(
        self, sentences: Int[Tensor, "batch length fields"], key: DrawKey
    ) -> tuple[Int[Tensor, "batch length fields"], Int[Tensor, "batch length"]]:
        """Sentences with hidden tokens, and at these the ids that were there, elsewhere -1."""
        tokens, device = sentences[..., TOKEN], sentences.device
        special = torch.isin(tokens, self.vocabulary.special.to(device))
        asked = real(sentences) & ~special
        length = tokens.shape[1]
        drawn = uniform(key, 3 * length)
        count = (asked.sum(1) * self.rate).round().long().clamp_min(1)
        hidden = asked & (ranks(drawn[:, 0::3], asked) < count[:, None])
        how, other = drawn[:, 1::3], words(key, 3 * length)[:, 2::3] * self.vocabulary.size >> 32
        shown = torch.where(how < AS_MASK, self.vocabulary.mask, tokens)
        shown = torch.where((how >= AS_MASK) & (how < AS_MASK + AS_OTHER), other, shown)
        made = sentences.clone()
        made[..., TOKEN] = torch.where(hidden, shown, tokens)
        return made, torch.where(hidden, tokens, SEEN)
