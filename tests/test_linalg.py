import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope import linalg
from contrascope.errors import InputError
from contrascope.linalg import (
    eigh,
    nearest,
    require_finite,
    singular_values,
    squared_distance_blocks,
    squared_distances,
    svd,
    top_k,
    unit_rows,
)

few = settings(derandomize=True, deadline=None, max_examples=15)


def drawn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def slow_nearest(query, bank, k, metric, exclude_self=False):
    values, index = [], []
    for i, q in enumerate(query):
        score = []
        for b in bank:
            if metric == "cosine":
                score.append((q @ b / (q.norm() * b.norm())).item() if q.norm() * b.norm() > 0 else 0.0)
            else:
                score.append((q - b).norm().item())
        order = [j for j in range(len(bank)) if not (exclude_self and j == i)]
        order.sort(key=lambda j, s=score: (-s[j] if metric == "cosine" else s[j], j))
        values.append([score[j] for j in order[:k]])
        index.append(order[:k])
    return torch.tensor(values, dtype=torch.float64), torch.tensor(index)


@given(
    seed=st.integers(0, 10_000), rows=st.integers(1, 4), columns=st.integers(1, 40), values=st.integers(1, 6)
)
@settings(derandomize=True, deadline=None, max_examples=60)
def test_the_top_k_fall_and_of_equal_ones_the_lower_column_wins(seed, rows, columns, values):
    chance = torch.Generator().manual_seed(seed)
    scores = torch.randint(values, (rows, columns), generator=chance).float()
    scores[torch.rand(rows, columns, generator=chance) < 0.2] = -math.inf
    for k in range(1, columns + 1):
        value, index = top_k(scores, k)
        expected = [sorted(range(columns), key=lambda at: (-row[at], at))[:k] for row in scores.tolist()]
        assert index.tolist() == expected
        assert torch.equal(value, scores.gather(1, index))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("exclude_self", [False, True])
@pytest.mark.parametrize("k", [1, 3, 36])
def test_nearest_equals_the_slow_loop(metric, exclude_self, k):
    bank = drawn(37, 4)
    query = bank if exclude_self else drawn(9, 4, seed=1)
    found = nearest(query, bank, k, metric=metric, exclude_self=exclude_self)
    value, index = slow_nearest(query, bank, k, metric, exclude_self)
    torch.testing.assert_close(found.value, value, rtol=1e-10, atol=1e-10)
    assert torch.equal(found.index, index)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_nearest_in_many_blocks_with_groups_equals_the_slow_loop(metric, monkeypatch):
    monkeypatch.setattr(linalg, "BLOCK_FLOATS", 1)
    bank, query = drawn(131, 3), drawn(35, 3, seed=1)
    found = nearest(query, bank, 2, metric=metric)
    value, index = slow_nearest(query, bank, 2, metric)
    torch.testing.assert_close(found.value, value, rtol=1e-10, atol=1e-10)
    assert torch.equal(found.index, index)


@few
@given(seed=st.integers(0, 2**31 - 1), columns=st.integers(2, 400), levels=st.integers(1, 40), data=st.data())
def test_top_k_is_a_stable_sort_even_among_ties(seed, columns, levels, data):
    k = data.draw(st.integers(1, min(columns, 12)))
    source = torch.Generator().manual_seed(seed)
    scores = torch.randint(levels, (5, columns), generator=source).float()
    value, index = top_k(scores, k)
    expected = scores.sort(dim=1, descending=True, stable=True)
    assert torch.equal(value, expected.values[:, :k])
    assert torch.equal(index, expected.indices[:, :k])


def test_the_group_maxima_lose_nothing():
    scores = drawn(6, 16 * 40)
    scores[0, :16] = 9.0 + torch.arange(16)
    value, index = top_k(scores, 19)
    expected = scores.topk(19, dim=1)
    assert torch.equal(value, expected.values)
    assert torch.equal(index, expected.indices)


@few
@given(seed=st.integers(0, 2**31 - 1))
def test_permuting_the_bank_permutes_the_neighbours(seed):
    source = torch.Generator().manual_seed(seed)
    bank, query = drawn(20, 3, seed=seed), drawn(4, 3, seed=seed + 1)
    order = torch.randperm(20, generator=source)
    assert torch.equal(order[nearest(query, bank[order], 5).index], nearest(query, bank, 5).index)


def test_a_zero_row_is_similar_to_nothing():
    found = nearest(torch.zeros(1, 2), torch.eye(2), 2)
    assert found.value.tolist() == [[0.0, 0.0]]
    assert found.index.tolist() == [[0, 1]]


def test_float32_neighbours_far_from_the_origin_keep_their_distances():
    bank, query = drawn(50, 4) + 1000, drawn(7, 4, seed=1) + 1000
    exact = slow_nearest(query, bank, 3, "euclidean")
    found = nearest(query.float(), bank.float(), 3, metric="euclidean")
    assert torch.equal(found.index, exact[1])
    torch.testing.assert_close(found.value.double(), exact[0], rtol=2e-3, atol=0)


def test_unit_rows_by_hand():
    assert unit_rows(torch.tensor([[0.0, -2.0], [0.0, 0.0]])).tolist() == [[0.0, -1.0], [0.0, 0.0]]
    tiny = unit_rows(torch.tensor([[3e-12, 4e-12]]))
    torch.testing.assert_close(tiny, torch.tensor([[0.6, 0.8]]))


def test_nearest_refuses():
    bank = drawn(3, 2)
    with pytest.raises(
        InputError, match=r"k=4 neighbours asked of a bank with 3 candidates. Choose 1 <= k <= 3"
    ):
        nearest(bank, bank, 4)
    with pytest.raises(InputError, match="with 2 candidates"):
        nearest(bank, bank, 3, exclude_self=True)
    with pytest.raises(InputError, match="exclude_self needs the query to be the bank; got 2 queries and 3"):
        nearest(bank[:2], bank, 1, exclude_self=True)
    with pytest.raises(InputError, match="query: row 1 holds a non-finite value"):
        nearest(torch.tensor([[0.0, 1.0], [float("inf"), 0.0]], dtype=torch.float64), bank, 1)


def test_finite_rows_whose_sum_overflows_are_accepted():
    require_finite(torch.full((4, 4), 3e38), "h")


def test_squared_distances_equal_the_slow_loop_in_blocks():
    x, y = drawn(11, 3), drawn(5, 3, seed=1)
    slow = torch.stack([torch.stack([(a - b).square().sum() for b in y]) for a in x])
    torch.testing.assert_close(squared_distances(x, y), slow, rtol=1e-10, atol=1e-12)
    blocks = list(squared_distance_blocks(x, y, block_floats=10))
    assert [start for start, _ in blocks] == [0, 2, 4, 6, 8, 10]
    torch.testing.assert_close(torch.cat([block for _, block in blocks]), slow, rtol=1e-10, atol=1e-12)


def test_squared_distances_have_the_right_gradient():
    x, y = drawn(3, 2).requires_grad_(True), drawn(4, 2, seed=1).requires_grad_(True)
    assert torch.autograd.gradcheck(squared_distances, (x, y))


def test_decompositions_give_the_matrix_back():
    matrix = drawn(6, 4)
    u, s, vh = svd(matrix)
    torch.testing.assert_close(u @ s.diag() @ vh, matrix)
    torch.testing.assert_close(singular_values(matrix), s)
    values, vectors = eigh(matrix.T @ matrix)
    torch.testing.assert_close(vectors @ values.diag() @ vectors.T, matrix.T @ matrix)
    torch.testing.assert_close(values.flip(0), s.square())


@pytest.mark.parametrize(("name", "call"), [("svd", svd), ("svdvals", singular_values), ("eigh", eigh)])
def test_a_decomposition_that_fails_in_float32_is_done_in_float64(name, call, monkeypatch):
    original, seen = getattr(torch.linalg, name), []

    def fragile(matrix, **kwargs):
        seen.append(matrix.dtype)
        if matrix.dtype == torch.float32:
            raise torch.linalg.LinAlgError("did not converge")
        return original(matrix, **kwargs)

    monkeypatch.setattr(torch.linalg, name, fragile)
    out = call(torch.diag(torch.tensor([2.0, 5.0])))
    numbers = out if name == "svdvals" else out[1] if name == "svd" else out[0]
    assert sorted(numbers.tolist()) == [2.0, 5.0]
    assert numbers.dtype == torch.float32
    assert seen == [torch.float32, torch.float64]


@pytest.mark.parametrize("call", [svd, singular_values, eigh])
def test_a_decomposition_names_the_bad_row(call):
    with pytest.raises(InputError, match="matrix: row 1 holds a non-finite value"):
        call(torch.tensor([[1.0, 0.0], [float("nan"), 1.0]]))


def test_a_row_excludes_itself_in_every_block(monkeypatch):
    monkeypatch.setattr(linalg, "BLOCK_FLOATS", 1)
    bank = drawn(37, 3)
    assert torch.equal(
        nearest(bank, bank, 4, exclude_self=True).index,
        slow_nearest(bank, bank, 4, "cosine", exclude_self=True)[1],
    )
