"""Nearest rows: exact up to a million, by faiss above."""

import importlib
import math
from types import ModuleType

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.errors import InputError, MissingExtraError
from contrascope.extras import install_line
from contrascope.linalg import Neighbours, nearest, require_finite, unit_rows

MOST_EXACT = 1_000_000
"""Rows that are searched exactly; the similarities that are held at once stay below 128 MiB."""
PROBED = 64
"""Cells of faiss's index that a query looks into."""
TRAINED = 100_000
"""Rows from which faiss learns its cells."""
ADDED = 100_000
"""Rows that are handed to faiss at once."""


def near_rows(
    query: Float[Tensor, "query dim"],
    bank: Float[Tensor, "bank dim"],
    k: int,
    *,
    exclude_self: bool = False,
    most_exact: int = MOST_EXACT,
) -> Neighbours:
    """The k nearest rows of `bank` by cosine, nearest first; fewer where the bank has fewer.

    Exact and by blocks of rows up to `most_exact` rows of the bank. Above, an inverted file of faiss (extra `faiss`;
    Johnson et al. 2019, arXiv:1702.08734) with 4 sqrt(n) cells, of which 64 are looked into: most of the nearest are
    found, not all. With `exclude_self` the query is the bank and no row is its own neighbour.

    >>> near_rows(torch.eye(3), torch.eye(3), 9, exclude_self=True).index.shape
    torch.Size([3, 2])
    """
    most = len(bank) - int(exclude_self)
    if most < 1:
        raise InputError(f"{len(bank)} rows have no neighbours among themselves; expected 2 or more.")
    k = min(k, most)
    if len(bank) <= most_exact:
        return nearest(query, bank, k, exclude_self=exclude_self)
    return _by_faiss(query, bank, k, exclude_self=exclude_self)


def _by_faiss(query: Tensor, bank: Tensor, k: int, *, exclude_self: bool) -> Neighbours:
    faiss = _faiss(len(bank))
    require_finite(bank, "bank")
    cells = min(max(1, round(4 * math.sqrt(len(bank)))), max(1, len(bank) // 40))
    dim = bank.shape[1]
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, cells, faiss.METRIC_INNER_PRODUCT)
    order = torch.randperm(len(bank), generator=torch.Generator().manual_seed(0))
    index.train(_unit(bank[order[: max(TRAINED, 40 * cells)]]))
    for part in bank.split(ADDED):
        index.add(_unit(part))
    index.nprobe = PROBED
    found = [index.search(_unit(part), k + int(exclude_self)) for part in query.split(ADDED)]
    value = torch.cat([torch.from_numpy(value) for value, _ in found])
    place = torch.cat([torch.from_numpy(place) for _, place in found])
    if exclude_self:  # the row itself goes, or else the last one
        own = place == torch.arange(len(bank))[:, None]
        own[~own.any(dim=1), -1] = True
        value, place = value[~own].view(len(bank), k), place[~own].view(len(bank), k)
    if bool((place < 0).any()):
        raise InputError(f"faiss found fewer than {k} neighbours of some rows. Ask for fewer.")
    return Neighbours(value=value, index=place)


def _unit(rows: Tensor) -> object:
    return unit_rows(rows.detach().float().cpu()).contiguous().numpy()


def _faiss(rows: int) -> ModuleType:
    try:
        return importlib.import_module("faiss")
    except ModuleNotFoundError as error:
        if error.name != "faiss":
            raise
        raise MissingExtraError(
            f"{rows:,} rows are searched by faiss, which is not installed; up to {MOST_EXACT:,} are without it. "
            f"Run: {install_line('faiss')}"
        ) from error
