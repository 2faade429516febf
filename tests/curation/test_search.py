import sys

import pytest
import torch

from contrascope import linalg
from contrascope.curation.search import near_rows
from contrascope.errors import InputError, MissingExtraError

SOURCE = torch.Generator().manual_seed(0)


def by_hand(query, bank, k, *, exclude_self):
    cosine = torch.nn.functional.normalize(query.double()) @ torch.nn.functional.normalize(bank.double()).T
    if exclude_self:
        cosine.fill_diagonal_(-2)
    return cosine.sort(dim=1, descending=True).values[:, :k]


@pytest.mark.parametrize("exclude_self", [False, True])
def test_the_nearest_are_those_of_all_pairs_whatever_the_blocks(monkeypatch, largest_tensor, exclude_self):
    bank = torch.randn(700, 5, generator=SOURCE)
    query = bank if exclude_self else torch.randn(90, 5, generator=SOURCE)
    monkeypatch.setattr(linalg, "BLOCK_FLOATS", 1 << 14)
    with largest_tensor() as seen:
        found = near_rows(query, bank, 4, exclude_self=exclude_self)
    assert seen.largest <= 1 << 15
    torch.testing.assert_close(found.value.double(), by_hand(query, bank, 4, exclude_self=exclude_self))
    if exclude_self:
        assert not (found.index == torch.arange(700)[:, None]).any()


def test_a_small_bank_gives_what_it_has():
    assert near_rows(torch.eye(3), torch.eye(3), 9).index.shape == (3, 3)
    with pytest.raises(InputError, match="expected 2 or more"):
        near_rows(torch.ones(1, 2), torch.ones(1, 2), 3, exclude_self=True)


def test_more_rows_than_are_searched_exactly_need_faiss(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'contrascope\[faiss\]'"):
        near_rows(torch.eye(5), torch.eye(5), 2, most_exact=4)


@pytest.mark.parametrize("exclude_self", [False, True])
def test_faiss_finds_nearly_all_of_the_nearest(exclude_self):
    pytest.importorskip("faiss")
    centres = torch.randn(60, 16, generator=SOURCE)
    bank = centres.repeat_interleave(50, dim=0) + 0.3 * torch.randn(3000, 16, generator=SOURCE)
    query = bank if exclude_self else bank[:200] + 0.01
    exact = near_rows(query, bank, 5, exclude_self=exclude_self)
    found = near_rows(query, bank, 5, exclude_self=exclude_self, most_exact=100)
    assert found.index.shape == exact.index.shape
    same = (found.index[:, :, None] == exact.index[:, None, :]).any(dim=2)
    assert same.double().mean() > 0.98
    if exclude_self:
        assert not (found.index == torch.arange(3000)[:, None]).any()
