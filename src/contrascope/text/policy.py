"""From words such as delete=0.3 to operations, and from a file to a table of synonyms."""

from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from contrascope.errors import InputError, did_you_mean
from contrascope.text.ops import (
    Crop,
    CutFeatures,
    CutTokens,
    DeleteSpans,
    DeleteWords,
    EmbeddedOp,
    ReorderSpans,
    ShufflePositions,
    Substitute,
    TextOp,
    WordOp,
)
from contrascope.text.settings import TextViewSettings
from contrascope.text.tokenizer import TextTokenizer

TextPolicy = tuple[TextOp, ...]
"""Operations in their order: those on words first."""
SHARES = {"delete": DeleteWords, "crop": Crop, "cut-tokens": CutTokens, "cut-features": CutFeatures}
SPANS = {"delete-spans": DeleteSpans, "reorder": ReorderSpans}
KNOWN = (*SHARES, *SPANS, "substitute", "shuffle")


def build_text_policies(
    settings: TextViewSettings, tokenizer: TextTokenizer | None = None
) -> tuple[TextPolicy, ...]:
    """The policies of view 1 and of the others; view v takes policy v, and the last one from there on.

    >>> build_text_policies(TextViewSettings(first=("delete=0.3",)))
    ((DeleteWords(share=0.3),), (DeleteWords(share=0.3),))
    """
    second = settings.first if settings.second is None else settings.second
    asked = any(word.partition("=")[0] == "substitute" for word in (*settings.first, *second))
    table = None
    if asked:
        if not settings.synonyms or tokenizer is None:
            raise InputError(
                "substitute needs a table of synonyms; give views.synonyms, a file with a line a word."
            )
        table = read_synonyms(Path(settings.synonyms).expanduser(), tokenizer)
    return tuple(_policy(words, table) for words in (settings.first, second))


def _policy(words: tuple[str, ...], table: Tensor | None) -> TextPolicy:
    made = tuple(_operation(word, table) for word in words)
    late = [place for place, one in enumerate(made) if isinstance(one, EmbeddedOp)]
    if late and any(isinstance(one, WordOp) for one in made[late[0] :]):
        raise InputError(
            f"views have the operations {', '.join(words)}; those on words come before shuffle, cut-tokens and "
            "cut-features, which act on the embedded sentence."
        )
    return made


def _operation(word: str, table: Tensor | None) -> TextOp:
    name, _, told = word.partition("=")
    if name == "shuffle" and not told:
        return ShufflePositions()
    if name in SPANS:
        count, _, share = told.partition("x")
        return SPANS[name](int(_number(word, count)), _number(word, share))
    if name == "substitute" and table is not None:
        return Substitute(_number(word, told), table)
    if name in SHARES:
        return SHARES[name](_number(word, told))
    raise InputError(f"there is no operation {word!r} on sentences. {did_you_mean(name, KNOWN)}")


def _number(word: str, told: str) -> float:
    try:
        return float(told)
    except ValueError:
        raise InputError(
            f"the operation {word!r} has no number; expected name=SHARE such as delete=0.3, or name=COUNTxSHARE such "
            "as reorder=5x0.05."
        ) from None


def read_synonyms(path: Path, tokenizer: TextTokenizer) -> Int[Tensor, "size most"]:
    """Ids of the synonyms of every id: from lines `word<TAB>synonym<TAB>...`.

    Words and synonyms of several pieces are left out: a piece stands back for a piece. Raises `InputError` with the
    line where one has no synonym, and where nothing is left.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as a table of synonyms ({error}).") from error
    found: dict[int, list[int]] = {}
    for place, line in enumerate(lines, start=1):
        words = [word.strip() for word in line.split("\t") if word.strip()]
        if not words:
            continue
        if len(words) < 2:
            raise InputError(f"{path}, line {place}: {words[0]!r} has no synonym; expected word<TAB>synonym.")
        encoded = tokenizer.encode(words)
        single = [
            int(encoded.values[encoded.starts[k]]) if encoded.lengths[k] == 1 else -1
            for k in range(len(words))
        ]
        others = [one for one in single[1:] if one >= 0 and one != single[0]]
        if single[0] >= 0 and others:
            found.setdefault(single[0], []).extend(others)
    if not found:
        raise InputError(
            f"{path} has no word and synonym of one piece each in this vocabulary; give other words."
        )
    table = torch.full((tokenizer.vocabulary.size, max(map(len, found.values()))), -1, dtype=torch.int64)
    for one, others in found.items():
        table[one, : len(others)] = torch.tensor(others)
    return table
