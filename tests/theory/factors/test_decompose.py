"""The split of both losses against slow loops in float64, their identities and Lemma 4.1."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.errors import InputError
from contrascope.theory.factors.decompose import cross_correlation, cross_correlation_split, info_nce_split

quick = settings(derandomize=True, deadline=None, max_examples=25)
seeds = st.integers(0, 2**31 - 1)


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def unit_lists(h):
    return [[[v / math.sqrt(sum(u * u for u in x)) for v in x] for x in view] for view in h.tolist()]


def dot(x, y):
    return sum(a * b for a, b in zip(x, y, strict=True))


def slow_split(h, negatives, every_view):
    f, views, n = unit_lists(h), range(len(h)), range(h.shape[1])
    pairs = [(a, b) for a in views for b in views if a != b] if every_view else [(0, 1)]
    l_align, l_2, loss, count = 0.0, 0.0, 0.0, 0
    for a, b in pairs:
        for i in n:
            l_align += sum((u - v) ** 2 for u, v in zip(f[a][i], f[b][i], strict=True))
            for c in views if every_view else [1]:
                for j in n:
                    if negatives == "independent" or i != j:
                        p, q = dot(f[a][i], f[b][i]), dot(f[a][i], f[c][j])
                        l_2 += math.log(math.exp(p) + math.exp(q))
                        loss -= math.log(math.exp(p) / (math.exp(p) + math.exp(q)))
                        count += 1
    return l_align / (len(pairs) * len(n)), l_2 / count, loss / count, count


@pytest.mark.parametrize("negatives", ["different", "independent"])
@pytest.mark.parametrize("every_view", [False, True])
def test_the_info_nce_split_equals_slow_loops(negatives, every_view):
    h = normal(0, 3, 5, 4)
    split = info_nce_split(h, negatives=negatives, every_view=every_view, block_rows=2)
    l_align, l_2, loss, count = slow_split(h, negatives, every_view)
    assert split.l_align.value == pytest.approx(l_align, abs=1e-10)
    assert split.l_1.value == pytest.approx(l_align / 2 - 1, abs=1e-10)
    assert split.l_2.value == pytest.approx(l_2, abs=1e-10)
    assert split.loss.value == pytest.approx(loss, abs=1e-10)
    assert split.triples == count


def test_by_hand_two_antipodal_images_with_equal_views():
    h = torch.tensor([[[2.0], [-3.0]]]).expand(2, 2, 1)
    split = info_nce_split(h)
    assert split.l_1.value == -1.0
    assert split.l_2.value == pytest.approx(math.log(math.e + 1 / math.e), abs=1e-7)
    assert info_nce_split(h, negatives="independent").l_2.value == pytest.approx(
        (math.log(math.e + 1 / math.e) + math.log(2 * math.e)) / 2, abs=1e-7
    )


@quick
@given(seed=seeds, views=st.integers(2, 4), n=st.integers(2, 7), dim=st.integers(1, 5))
def test_loss_is_the_sum_of_its_halves(seed, views, n, dim):
    split = info_nce_split(normal(seed, views, n, dim), every_view=True)
    assert split.loss.value == pytest.approx(split.l_1.value + split.l_2.value, abs=1e-12)
    assert 0 < split.loss.value <= math.log(1 + math.e**2)


@quick
@given(seed=seeds, block=st.integers(1, 9))
def test_scale_rotation_order_and_blocks_change_nothing(seed, block):
    h = normal(seed, 3, 7, 4)
    rotation = torch.linalg.qr(normal(seed + 1, 4, 4)).Q
    order = torch.randperm(7, generator=torch.Generator().manual_seed(seed))
    moved = (h * (1 + normal(seed + 2, 3, 7, 1).abs()) @ rotation)[:, order]
    one = info_nce_split(h, every_view=True)
    two = info_nce_split(moved, every_view=True, block_rows=block)
    for name in ("loss", "l_1", "l_2", "l_align"):
        assert getattr(one, name).value == pytest.approx(getattr(two, name).value, abs=1e-10)


def test_single_precision_agrees_with_double():
    h = normal(3, 2, 40, 16)
    one, two = info_nce_split(h), info_nce_split(h.float())
    assert one.l_2.value == pytest.approx(two.l_2.value, abs=1e-6)
    assert one.l_align.value == pytest.approx(two.l_align.value, abs=1e-6)


def test_intervals_contain_their_values_and_shrink_with_images():
    widths = []
    for n in (20, 320):
        split = info_nce_split(normal(4, 2, n, 5), draws=200)
        assert split.l_2.low < split.l_2.value < split.l_2.high
        assert info_nce_split(normal(4, 2, n, 5), draws=200) == split
        widths.append(split.l_align.high - split.l_align.low)
    assert widths[1] < widths[0] / 2


def test_a_zero_row_is_refused():
    h = normal(5, 2, 4, 3)
    h[1, 2] = 0
    with pytest.raises(InputError, match=r"h\[1\]: row 2 is zero \(1 rows are\) and has no direction"):
        info_nce_split(h)


def test_one_image_one_view_and_nan_are_refused():
    with pytest.raises(InputError, match="a negative is a view of another one"):
        info_nce_split(torch.ones(2, 1, 3))
    with pytest.raises(InputError, match="A pair needs views >= 2"):
        info_nce_split(torch.ones(1, 5, 3))
    with pytest.raises(InputError, match="non-finite"):
        info_nce_split(torch.full((2, 3, 3), math.nan))


def slow_correlation(h):
    views, n, dim = h.shape
    columns = [[h[a, i, j].item() for a in range(views) for i in range(n)] for j in range(dim)]
    mean = [sum(c) / len(c) for c in columns]
    std = [math.sqrt(sum((v - m) ** 2 for v in c) / len(c)) for c, m in zip(columns, mean, strict=True)]
    f = [
        [[(h[a, i, j].item() - mean[j]) / std[j] for j in range(dim)] for i in range(n)] for a in range(views)
    ]
    pairs = [(a, b) for a in range(views) for b in range(views) if a != b]
    matrix = [
        [
            sum(f[a][i][j] * f[b][i][k] for a, b in pairs for i in range(n)) / n / len(pairs)
            for k in range(dim)
        ]
        for j in range(dim)
    ]
    align = sum((f[a][i][j] - f[b][i][j]) ** 2 for a, b in pairs for i in range(n) for j in range(dim))
    return matrix, align / n / len(pairs)


def test_the_cross_correlation_split_equals_slow_loops():
    h = normal(6, 3, 6, 4) + torch.tensor([5.0, 0.0, -1.0, 100.0])
    matrix, align = slow_correlation(h)
    l_1 = sum((1 - matrix[j][j]) ** 2 for j in range(4))
    l_2 = sum((matrix[j][k] - (j == k)) ** 2 for j in range(4) for k in range(4))
    split = cross_correlation_split(h, weight=0.3, block_rows=4)
    torch.testing.assert_close(
        cross_correlation(h, block_rows=5).matrix, torch.tensor(matrix).double(), atol=1e-6, rtol=0
    )
    assert split.l_1 == pytest.approx(l_1, abs=1e-10)
    assert split.l_2 == pytest.approx(l_2, abs=1e-10)
    assert split.loss == pytest.approx(0.7 * l_1 + 0.3 * l_2, abs=1e-10)
    assert split.l_align.value == pytest.approx(align, abs=1e-10)
    assert split.l_align_bound == pytest.approx(2 * math.sqrt(4 * l_1), abs=1e-10)


def test_lemma_4_1_and_its_exact_form_hold_on_1000_random_embeddings():
    tightest = math.inf
    for seed in range(1000):
        views, n, dim = 2 + seed % 2, 3 + seed % 5, 1 + seed % 4
        base = normal(seed, 1, n, dim)
        split = cross_correlation_split(
            base + normal(seed + 5000, views, n, dim) * (seed % 7) / 3, weight=0.5
        )
        assert split.l_align.value == pytest.approx(split.l_align_exact, abs=1e-10)
        assert split.l_align.value <= split.l_align_bound + 1e-10
        tightest = min(tightest, split.l_align_bound - split.l_align.value)
    assert tightest < 1e-9  # one dimension: equality


def test_affine_changes_of_a_dimension_change_nothing():
    h = normal(7, 2, 9, 3)
    one = cross_correlation_split(h, weight=0.1)
    two = cross_correlation_split(h * torch.tensor([3.0, 0.01, 50.0]) + 7, weight=0.1)
    assert one.loss == pytest.approx(two.loss, abs=1e-9)


def test_a_constant_dimension_counts_as_zero_correlation():
    h = normal(8, 2, 9, 3)
    alone = cross_correlation_split(h, weight=0.5)
    h = torch.cat([h, torch.full((2, 9, 1), 0.1, dtype=torch.float64)], dim=2)
    split = cross_correlation_split(h, weight=0.5)
    assert split.constant == 1
    assert split.l_1 == pytest.approx(alone.l_1 + 1)
    assert split.l_align_exact == pytest.approx(split.l_align.value)
    assert cross_correlation_split(torch.ones(2, 4, 3), weight=0.5).l_1 == 3.0


def test_single_precision_input_agrees_with_double_for_the_correlation():
    h = normal(9, 2, 50, 6)
    one, two = (cross_correlation_split(x, weight=0.5).loss for x in (h, h.float()))
    assert one == pytest.approx(two, abs=1e-5)


def test_a_weight_outside_zero_and_one_is_refused():
    with pytest.raises(InputError, match=r"weight is 1.5; expected a number in \[0, 1\]"):
        cross_correlation_split(normal(0, 2, 4, 3), weight=1.5)
