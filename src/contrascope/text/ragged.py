"""Rows of different lengths in one flat tensor."""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Ragged:
    """Rows of integers, one after the other.

    >>> rows = Ragged.of(torch.tensor([5, 6, 7], dtype=torch.int32), torch.tensor([1, 2]))
    >>> rows.padded(torch.tensor([1, 0]), fill=0)[0].tolist()
    [[6, 7], [5, 0]]
    """

    values: Int[Tensor, " total"]
    """All rows, in int32."""
    starts: Int[Tensor, " rows_and_one"]
    """Where each row begins, and where the last one ends."""

    @classmethod
    def of(cls, values: Int[Tensor, " total"], lengths: Int[Tensor, " rows"]) -> "Ragged":
        """From the rows laid end to end and their lengths."""
        return cls(values=values, starts=torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]))

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> Int[Tensor, " rows"]:
        """Length of every row."""
        return self.starts.diff()

    def counts(self, size: int) -> Int[Tensor, " size"]:
        """How often each value below `size` comes, over all rows."""
        return torch.bincount(self.values.long(), minlength=size)

    def cut(self, longest: int) -> "Ragged":
        """The same rows, of each the first `longest` entries."""
        place = torch.arange(len(self.values)) - self.starts[:-1].repeat_interleave(self.lengths)
        return Ragged.of(self.values[place < longest], self.lengths.clamp_max(longest))

    def select(self, ids: Int[Tensor, " kept"]) -> "Ragged":
        """Some of the rows."""
        rows, lengths = self.padded(ids, fill=0)
        inside = torch.arange(rows.shape[1]) < lengths[:, None]
        return Ragged.of(rows[inside].to(self.values.dtype), lengths)

    def padded(
        self, ids: Int[Tensor, " batch"], *, fill: int
    ) -> tuple[Int[Tensor, "batch length"], Int[Tensor, " batch"]]:
        """These rows filled up to the longest of them, in int64, and their lengths."""
        lengths = self.lengths[ids]
        place = torch.arange(int(lengths.max()) if len(ids) else 0)
        where = (self.starts[ids][:, None] + place).clamp_max(max(len(self.values) - 1, 0))
        inside = place < lengths[:, None]
        rows = self.values[where].to(torch.int64) if len(self.values) else torch.zeros_like(where)
        return torch.where(inside, rows, fill), lengths
