"""The one shape of every text encoder: packed sentences to one vector each."""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from contrascope.errors import InputError
from contrascope.precision import single_precision
from contrascope.text.packed import TOKEN, real
from contrascope.text.settings import TextEncoderSettings, TextPool
from contrascope.text.transformer import TextTransformer, TokenStates
from contrascope.text.vocabulary import Vocabulary
from contrascope.text.weights import sif_weights


@runtime_checkable
class TextTrunk(Protocol):
    """A network over tokens."""

    dim: int

    @property
    def token_weight(self) -> Tensor: ...

    def __call__(self, sentences: Tensor) -> TokenStates: ...


class TextEncoder(nn.Module):
    """Packed sentences [batch length 4] to h [batch dim]; what stands beyond a sentence changes nothing.

    In training mode entries are dropped by the keys that the sentences carry: a sentence without key drops nothing.
    """

    def __init__(self, trunk: nn.Module, vocabulary: Vocabulary, *, pool: TextPool = "mean") -> None:
        super().__init__()
        if not isinstance(trunk, TextTrunk):
            raise InputError(
                f"{type(trunk).__name__} is no network over tokens: it lacks dim or token_weight."
            )
        self.trunk, self.vocabulary = trunk, vocabulary
        self.pool: TextPool = pool
        self.dim: int = trunk.dim
        self.weights: Tensor | None
        self.register_buffer(
            "weights", torch.ones(vocabulary.size, dtype=torch.float32) if pool == "sif" else None
        )

    def forward(self, sentences: Int[Tensor, "batch length fields"]) -> Float[Tensor, "batch dim"]:
        return self.pooled(self.states(sentences), sentences)

    def count(self, counts: Int[Tensor, " size"]) -> None:
        """Sets what each id weighs in the mean where `pool` is sif: how often it came decides; special ones weigh 0.

        >>> from contrascope.text.vocabulary import Vocabulary
        >>> some = Vocabulary.of(["[PAD]", "[CLS]", "[SEP]", "[MASK]", "the", "cat"])
        >>> made = build_text_encoder(TextEncoderSettings(width=8, depth=1, heads=2, pool="sif"), some)
        >>> made.count(torch.tensor([0, 0, 0, 0, 999, 1]))
        >>> [round(value, 3) for value in made.weights.tolist()[4:]]
        [0.001, 0.5]
        """
        if self.pool == "sif":
            device = self.trunk.token_weight.device
            found = torch.from_numpy(sif_weights(counts.cpu().numpy())).to(device, torch.float32)
            found[self.vocabulary.special.to(device)] = 0.0
            self.weights = found

    def states(self, sentences: Int[Tensor, "batch length fields"]) -> TokenStates:
        """The states of all tokens."""
        assert isinstance(self.trunk, TextTrunk)
        return self.trunk(sentences)

    def pooled(
        self, states: TokenStates, sentences: Int[Tensor, "batch length fields"]
    ) -> Float[Tensor, "batch dim"]:
        """One vector a sentence."""
        if self.pool == "cls":
            return states.last[:, 0]
        tokens = states.last
        if self.pool in ("embeddings-last", "first-last"):
            other = states.first if self.pool == "first-last" else states.embedded
            tokens = (tokens + other) / 2
        stands = real(sentences).to(tokens.dtype)
        if self.pool == "sif":
            stands = stands * self._weights_of(sentences).to(tokens.dtype)
        total = stands.sum(1, keepdim=True)
        return (tokens * stands[..., None]).sum(1) / total.where(total > 0, 1)

    def _weights_of(self, sentences: Tensor) -> Float[Tensor, "batch length"]:
        if self.weights is None:
            raise InputError(
                "pool sif weighs tokens by how often they come, and nobody has counted them for this encoder. Train "
                "with encoder.pool sif; or ask `evaluate --suite sts --sts.pool sif`, which counts its corpus "
                "(--sts.corpus); or pool by mean."
            )
        return self.weights[sentences[..., TOKEN]]

    def extra_repr(self) -> str:
        return f"pool={self.pool}"


@single_precision()
def build_text_encoder(settings: TextEncoderSettings, vocabulary: Vocabulary) -> TextEncoder:
    """The encoder of the settings; weights of ours are drawn by torch's global generator.

    >>> from contrascope.text.vocabulary import Vocabulary
    >>> some = Vocabulary.of(["[PAD]", "[CLS]", "[SEP]", "[MASK]", "word"])
    >>> build_text_encoder(TextEncoderSettings(width=8, depth=1, heads=2), some).dim
    8
    """
    if settings.name.startswith("hf:"):
        from contrascope.text.hub import hub_trunk

        trunk: nn.Module = hub_trunk(settings.name.removeprefix("hf:"), settings)
        assert isinstance(trunk, TextTrunk)
        if len(trunk.token_weight) < vocabulary.size:
            raise InputError(
                f"{settings.name} knows {len(trunk.token_weight)} ids and the tokeniser makes {vocabulary.size}; leave "
                "encoder.vocabulary out, or name the model's own."
            )
    elif settings.name == "transformer":
        trunk = TextTransformer(
            size=vocabulary.size,
            width=settings.width,
            depth=settings.depth,
            heads=settings.heads,
            positions=settings.positions,
            dropout=settings.dropout,
            attention_dropout=settings.attention_dropout,
        )
    else:
        raise InputError(f"there is no text encoder {settings.name!r}; expected transformer, or hf:NAME.")
    return TextEncoder(trunk, vocabulary, pool=settings.pool)


def text_encoder(module: nn.Module, *, method: str) -> TextEncoder:
    """The encoder of a method that learns from sentences; refuses one of images."""
    if not isinstance(module, TextEncoder):
        raise InputError(
            f"{method} learns from sentences, and {type(module).__name__} is no text encoder; take a recipe "
            "text-METHOD-cpu."
        )
    return module
