"""Views of a batch of sentences: keyed, replayable, computed together."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Int
from torch import Tensor

from contrascope.draws import DrawKey, words
from contrascope.errors import InputError
from contrascope.text.ops import EmbeddedOp, TextParams, WordOp
from contrascope.text.packed import TextRows, packed, stacked, text_rows
from contrascope.text.policy import TextPolicy
from contrascope.text.sentences import Rows
from contrascope.text.vocabulary import Vocabulary

DROPOUT, SPANS = 253, 252
"""Places of the draws for dropout and for spans of documents, beyond those of any policy's operations."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TextViewParams:
    """What made one view of a batch of sentences."""

    drawn: tuple[TextParams, ...]
    """What was drawn for each operation of its policy."""
    keys: Int[Tensor, " batch"]
    """Keys of the dropout."""
    kept: Int[Tensor, "batch length"]
    """Place of each token of the view, special ones left out, in the sentence; -1 where nothing stands."""


def dropout_keys(key: DrawKey) -> Int[Tensor, " batch"]:
    """48 random bits of each sentence and view, from which the network draws its dropout."""
    two = words(key.at(DROPOUT), 2)
    return two[:, 0] << 16 | two[:, 1] >> 16


def make_text_views(
    columns: Sequence[Rows],
    policies: Sequence[TextPolicy],
    vocabulary: Vocabulary,
    *,
    ids: Int[Tensor, " batch"],
    seed: int,
    epoch: int,
    num_views: int = 2,
    first_view: int = 0,
    same_mask: bool = False,
) -> tuple[Int[Tensor, "views batch length fields"], tuple[TextViewParams, ...]]:
    """Packed views of sentences and what made them; view v is of column v and policy v, or of the last one.

    A view's tokens and keys depend on its sentence, seed, epoch, id, view and policy, and on nothing else: not on the
    batch that it is in, how far that is filled up, or the number of views. `same_mask`: all have the keys of view 1.
    """
    if num_views < 1 or not policies or not columns:
        raise InputError(
            f"got {len(columns)} columns, {len(policies)} policies and num_views={num_views}; expected at least one "
            "of each."
        )
    views, params = [], []
    for number in range(first_view, first_view + num_views):
        policy = policies[min(number, len(policies) - 1)]
        tokens, lengths = columns[min(number, len(columns) - 1)]
        key = DrawKey(seed=seed, epoch=epoch, ids=ids, view=number)
        drawn = tuple(one.draw(key.at(place), tokens.shape[1] + 2) for place, one in enumerate(policy))
        keys = dropout_keys(DrawKey(seed=seed, epoch=epoch, ids=ids) if same_mask else key)
        view, rows = _view(text_rows(tokens, lengths), policy, vocabulary, drawn, keys)
        views.append(view)
        params.append(TextViewParams(drawn=drawn, keys=keys, kept=rows.kept.masked_fill(~rows.real, -1)))
    return stacked(views, pad=vocabulary.pad), tuple(params)


def replay_text(
    columns: Sequence[Rows],
    policies: Sequence[TextPolicy],
    vocabulary: Vocabulary,
    params: Sequence[TextViewParams],
) -> Int[Tensor, "views batch length fields"]:
    """The views that these parameters make of these sentences: the same bits as when they were drawn."""
    views = []
    for number, one in enumerate(params):
        tokens, lengths = columns[min(number, len(columns) - 1)]
        policy = policies[min(number, len(policies) - 1)]
        views.append(_view(text_rows(tokens, lengths), policy, vocabulary, one.drawn, one.keys)[0])
    return stacked(views, pad=vocabulary.pad)


def clean_view(rows: Rows, vocabulary: Vocabulary) -> Int[Tensor, "batch length fields"]:
    """Sentences as they are, without dropout."""
    return packed(text_rows(*rows), first=vocabulary.cls, last=vocabulary.sep, pad=vocabulary.pad)


def _view(
    rows: TextRows, policy: TextPolicy, vocabulary: Vocabulary, drawn: Sequence[TextParams], keys: Tensor
) -> tuple[Tensor, TextRows]:
    for one, numbers in zip(policy, drawn, strict=True):
        if isinstance(one, WordOp):
            some = {name: value[:, : rows.ids.shape[1]] for name, value in numbers.items()}
            rows = one.on_rows(rows, some, vocabulary)
    view = packed(rows, first=vocabulary.cls, last=vocabulary.sep, pad=vocabulary.pad, keys=keys)
    for one, numbers in zip(policy, drawn, strict=True):
        if isinstance(one, EmbeddedOp):
            some = {
                name: value[:, : view.shape[1]] if value.ndim > 1 else value
                for name, value in numbers.items()
            }
            view = one.on_packed(view, some)
    return view, rows
