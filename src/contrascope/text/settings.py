"""Settings of sentences, their views and their encoders; without torch."""

from dataclasses import dataclass
from typing import Literal

from contrascope.errors import InputError
from contrascope.settings import written_as

TextPool = Literal["cls", "mean", "sif", "embeddings-last", "first-last"]
"""How the states of a sentence's tokens become one vector."""


@written_as("TextDataSettings")
@dataclass(frozen=True, kw_only=True)
class TextDataSettings:
    """Which sentences, and how they are cut and grouped."""

    source: str = ""
    """The sentences: a .txt file (a line a sentence), .jsonl, .csv, .parquet, a folder in the hub's layout, or a name on the hub."""  # noqa: E501
    columns: tuple[str, ...] = ()
    """Columns of text; unset: text or sentence. Two are a pair (text and positive), a third is a hard negative."""
    split: str = "train"
    """Split of a folder or of a name on the hub."""
    limit: int = 0
    """Texts that are taken, drawn by the seed; 0: all."""
    seed: int = 0
    """Seed of which texts are taken where there is a limit."""
    max_length: int = 64
    """Tokens of a sentence, the two special ones included; the rest is cut off."""
    documents: bool = False
    """Texts are documents of which views take spans: they are not cut."""
    bucket: int = 32
    """Batches whose texts are sorted by length together, so that little is padded; 0: none, batches are the order's."""

    def __post_init__(self) -> None:
        for name, least in (("limit", 0), ("bucket", 0), ("max_length", 4)):
            if getattr(self, name) < least:
                raise InputError(f"data.{name} is {getattr(self, name)}; expected {least} or more.")
        if len(self.columns) > 3:
            raise InputError(
                f"data.columns has {len(self.columns)} names; expected text, positive and hard negative at most."
            )


@written_as("TextViewSettings")
@dataclass(frozen=True, kw_only=True)
class TextViewSettings:
    """What makes the views of a sentence, besides the dropout of the network, which is keyed as they are."""

    first: tuple[str, ...] = ()
    """Operations on view 1, in order: delete=R, delete-spans=NxR, reorder=NxR, substitute=R, crop=R, shuffle, cut-tokens=R, cut-features=R; R is a share of the words, N a number of spans."""  # noqa: E501
    second: tuple[str, ...] | None = None
    """Operations on view 2, and on every other view after it; unset: those of view 1."""
    synonyms: str = ""
    """Table for substitute: a file with a line a word, the word and its synonyms separated by tabs."""
    same_mask: bool = False
    """One dropout mask for all views of a sentence: a control, with which nothing can be learnt from dropout."""


@written_as("TextEncoderSettings")
@dataclass(frozen=True, kw_only=True)
class TextEncoderSettings:
    """Which network turns tokens into h, and what makes tokens of text."""

    name: str = "transformer"
    """transformer (ours), or hf:NAME, a model of the hub or of a local folder."""
    vocabulary: str = ""
    """Folder or name on the hub of the tokeniser; unset: that of an hf: encoder."""
    start: str = ""
    """Run whose encoder's weights training begins with, such as one of mlm; unset: random ones, or those of hf:."""
    width: int = 256
    """Width of a token's state."""
    depth: int = 4
    """Layers."""
    heads: int = 4
    """Attention heads, which divide the width."""
    dropout: float = 0.1
    """Share of the entries of states that is dropped in training, in steps of 1/256."""
    attention_dropout: float = 0.1
    """The same of attention weights."""
    positions: int = 512
    """Longest sentence, in tokens, that the network has positions for."""
    pool: TextPool = "mean"
    """Tokens to one vector: cls (the first), mean (of all real tokens, special ones too), sif (mean in which frequent tokens weigh little, by the counts of the training sentences; special ones nothing), embeddings-last (mean over tokens of the average of the embedding layer and the last one), first-last (of the first and the last layer)."""  # noqa: E501

    def __post_init__(self) -> None:
        for name in ("width", "depth", "heads", "positions"):
            if getattr(self, name) < 1:
                raise InputError(f"encoder.{name} is {getattr(self, name)}; expected 1 or more.")
        if self.width % self.heads:
            raise InputError(
                f"encoder.width is {self.width} and encoder.heads {self.heads}; the heads must divide the width."
            )
        for name in ("dropout", "attention_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"encoder.{name} is {getattr(self, name)}; expected a share in [0, 1).")


@written_as("SpanSettings")
@dataclass(frozen=True, kw_only=True)
class SpanSettings:
    """Spans of a document (DeCLUTR, Giorgi et al. 2021, arXiv:2006.03659): anchors, and positives near each."""

    anchors: int = 2
    """Anchors of a document; the others are hard negatives of each."""
    positives: int = 2
    """Positives of an anchor."""
    shortest: int = 16
    """Fewest tokens of a span, special ones left out."""
    longest: int = 62
    """Most tokens of a span; a document has 2 x anchors x longest or more."""
    where: Literal["near", "adjacent", "subsuming"] = "near"
    """Where positives lie: near (beside, overlapping or inside), adjacent (beside, one end touching), or subsuming (inside the anchor)."""  # noqa: E501

    def __post_init__(self) -> None:
        for name in ("anchors", "positives", "shortest"):
            if getattr(self, name) < 1:
                raise InputError(f"spans.{name} is {getattr(self, name)}; expected 1 or more.")
        if self.longest < self.shortest:
            raise InputError(
                f"spans.longest is {self.longest} and spans.shortest {self.shortest}; expected no fewer at most."
            )
