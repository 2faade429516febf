"""A set of tokenised texts: what is trained on, addressed by id, in batches of like length."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from contrascope.draws import DrawKey, permutation
from contrascope.errors import InputError
from contrascope.progress import Progress, silent
from contrascope.text.ragged import Ragged
from contrascope.text.settings import TextDataSettings
from contrascope.text.tables import read_table, texts_of
from contrascope.text.tokenizer import TextTokenizer

SPECIALS = 2
"""Tokens that stand around every sentence."""
Rows = tuple[Int[Tensor, "batch _length"], Int[Tensor, " batch"]]
"""Ids filled up to one length, and how many of them are real."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sentences:
    """Texts as token ids without special ones, in one column or, for pairs, in two or three.

    >>> one = Ragged.of(torch.tensor([4, 5, 6], dtype=torch.int32), torch.tensor([2, 1]))
    >>> held = Sentences(name="two", columns=(one,), pad=0, bucket=0)
    >>> [(ids.tolist(), rows[0][0].tolist()) for ids, rows in held.batches(torch.tensor([1, 0]), 2)]
    [([1, 0], [[6, 0], [4, 5]])]
    """

    name: str
    """Where they are from."""
    columns: tuple[Ragged, ...]
    """Ids of every column."""
    pad: int
    """Id that fills up a batch."""
    bucket: int = 32
    """Batches whose texts are sorted by length together."""
    cut: float = 0.0
    """Share of the texts of which something was cut off."""
    bad_images: tuple[Any, ...] = ()
    """None: a broken row is an error."""
    shape: tuple[int, ...] = ()
    """Items of no fixed shape."""
    class_names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """None: labels are no part of training."""

    def __len__(self) -> int:
        return len(self.columns[0])

    def counts(self, size: int) -> Int[Tensor, " size"]:
        """How often each id comes, over all columns."""
        return torch.stack([column.counts(size) for column in self.columns]).sum(0)

    def to(self, device: torch.device | str) -> "Sentences":
        """The same set: ids are few bytes, and their batches go to the device."""
        del device
        return self

    def gather(self, ids: Tensor) -> tuple[Rows, ...]:
        """The texts with these ids, in this order: of each column ids and lengths."""
        return tuple(column.padded(ids.cpu(), fill=self.pad) for column in self.columns)

    def batches(
        self, order: Int[Tensor, " n"], batch_size: int, *, device: torch.device | str = "cpu", start: int = 0
    ) -> Iterator[tuple[Tensor, tuple[Rows, ...]]]:
        """Ids and texts, batch after batch; texts of like length share one where a `bucket` is set.

        Which texts share a batch follows from the order alone, so a run that is resumed sees the same batches.
        """
        grouped = self.grouped(order, batch_size)
        for ids in list(grouped.split(batch_size))[start:]:
            yield (
                ids.to(device),
                tuple((rows.to(device), lengths.to(device)) for rows, lengths in self.gather(ids)),
            )

    @property
    def fingerprint(self) -> str:
        """Identity of the content, 16 hex digits: equal texts under one tokeniser have equal ones."""
        found = hashlib.sha256()
        for column in self.columns:
            found.update(column.values.numpy().tobytes())
            found.update(column.starts.numpy().tobytes())
        return found.hexdigest()[:16]

    def grouped(self, order: Int[Tensor, " n"], batch_size: int) -> Int[Tensor, " n"]:
        """The order with windows of `bucket` batches sorted by length, the batches of a window in a drawn order."""
        order = order.cpu()
        whole = len(order) // batch_size * batch_size
        if self.bucket < 2 or whole == 0:
            return order
        lengths = sum(column.lengths[order[:whole]] for column in self.columns)
        assert isinstance(lengths, Tensor)
        parts = []
        for window in torch.arange(whole).split(self.bucket * batch_size):
            batches = window[lengths[window].argsort(stable=True)].view(-1, batch_size)
            key = DrawKey(seed=0, epoch=0, ids=order[batches[:, 0]])
            parts.append(batches[permutation(key)].flatten())
        return torch.cat([order[torch.cat(parts)], order[whole:]])


def open_sentences(
    settings: TextDataSettings, tokenizer: TextTokenizer, *, progress: Progress = silent
) -> Sentences:
    """The texts that the settings name, tokenised; sentences are cut to `max_length`, documents are not."""
    table = read_table(settings.source, split=settings.split)
    texts = texts_of(table, settings.columns, name=settings.source)
    count = len(texts[0])
    if settings.limit and settings.limit < count:
        kept = permutation(DrawKey(seed=settings.seed, epoch=0, ids=torch.arange(count)))[: settings.limit]
        texts = [[column[place] for place in kept.tolist()] for column in texts]
    return from_texts(texts, settings, tokenizer, name=settings.source, progress=progress)


def from_texts(
    texts: list[list[str]],
    settings: TextDataSettings,
    tokenizer: TextTokenizer,
    *,
    name: str = "texts in memory",
    progress: Progress = silent,
) -> Sentences:
    """The same of texts in memory, a list a column."""
    columns = [tokenizer.encode(column, progress=progress) for column in texts]
    for column in columns:
        empty = (column.lengths == 0).nonzero()
        if len(empty):
            raise InputError(
                f"{name}, row {int(empty[0]) + 1}: the tokeniser finds nothing in it. Remove the row."
            )
    longest = settings.max_length - SPECIALS
    over = sum(int((column.lengths > longest).sum()) for column in columns) / sum(map(len, columns))
    if not settings.documents:
        columns = [column.cut(longest) for column in columns]
    return Sentences(
        name=Path(name).name or name,
        columns=tuple(columns),
        pad=tokenizer.vocabulary.pad,
        bucket=settings.bucket,
        cut=0.0 if settings.documents else over,
    )
