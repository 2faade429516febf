import doctest
import itertools
import math
import pathlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.errors import InputError
from contrascope.intervals import resample_counts
from contrascope.theory.factors.divergence import class_centres
from contrascope.theory.factors.resampled import positive_interval
from contrascope.theory.factors.variance import class_variance, few_shot_bound


def world(seed=0, num_views=2, n=30, dim=4, classes=3, apart=2.0):
    source = torch.Generator().manual_seed(seed)
    y = torch.cat([torch.arange(classes), torch.randint(classes, (n - classes,), generator=source)])
    mu = apart * torch.randn(classes, dim, generator=source, dtype=torch.float64)
    scale = torch.rand(classes, dim, generator=source, dtype=torch.float64) * 2
    return mu[y] + scale[y] * torch.randn(num_views, n, dim, generator=source, dtype=torch.float64), y


def rows_of(h, y):
    return [h[:, y == k].flatten(0, 1).numpy() for k in y.unique().tolist()]


def slow_cdnv(rows, weights=None, directions=None):
    """Mean CDNV and mean directional CDNV over ordered pairs of classes, from the definitions."""
    weights = [np.ones(len(r)) for r in rows] if weights is None else weights
    mu = [np.average(r, axis=0, weights=w) for r, w in zip(rows, weights, strict=True)]
    var = [np.average([(x - m) @ (x - m) for x in r], weights=w)
           for r, m, w in zip(rows, mu, weights, strict=True)]  # fmt: skip
    directions = mu if directions is None else directions
    cdnv, directional = [], []
    for i, j in itertools.permutations(range(len(rows)), 2):
        square = (mu[i] - mu[j]) @ (mu[i] - mu[j])
        u = (directions[j] - directions[i]) / np.linalg.norm(directions[j] - directions[i])
        cdnv.append((var[i] + var[j]) / (2 * square))
        along = [((x - mu[i]) @ u) ** 2 for x in rows[i]]
        directional.append(np.average(along, weights=weights[i]) / square)
    return np.mean(cdnv), np.mean(directional)


def test_cdnv_and_its_directional_form_equal_slow_loops():
    h, y = world()
    result = class_variance(h, y)
    slow = slow_cdnv(rows_of(h, y))
    assert (result.mean_cdnv.value, result.mean_directional.value) == pytest.approx(slow, rel=1e-10)


def test_spread_across_the_line_of_centres_counts_in_the_cdnv_alone():
    h = torch.tensor([[[0.0, -3.0], [0.0, 3.0], [2.0, -1.0], [4.0, 1.0]]])
    result = class_variance(h, torch.tensor([0, 0, 1, 1]))
    assert result.variance.tolist() == [9.0, 2.0]
    assert result.square_distance[0, 1] == 9.0
    assert result.cdnv[0, 1].item() == pytest.approx((9 + 2) / 18)
    assert result.directional.tolist() == [[0.0, 0.0], [pytest.approx(1 / 9), 0.0]]


@settings(derandomize=True, deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**31 - 1), classes=st.integers(2, 4), shots=st.sampled_from([1, 4, None]))
def test_scale_shift_rotation_and_order_change_nothing(seed, classes, shots):
    h, y = world(seed, classes=classes)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    rotation = torch.linalg.qr(world(seed, 1, 4, 4, classes=2)[0][0]).Q
    moved = (2.5 * h @ rotation + 7).flip(0)[:, order]
    base, other = class_variance(h, y), class_variance(moved, y[order])
    torch.testing.assert_close(other.cdnv, base.cdnv, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(other.directional, base.directional, rtol=1e-8, atol=1e-10)
    assert base.mean_directional.value <= 2 * base.mean_cdnv.value + 1e-12
    torch.testing.assert_close(
        few_shot_bound(moved, y[order], shots=shots).pairs,
        few_shot_bound(h, y, shots=shots).pairs,
        rtol=1e-7,
        atol=1e-10,
    )


@pytest.mark.parametrize("block_rows", [1, 4, 100])
def test_block_sizes_change_nothing(block_rows):
    h, y = world(1)
    base, blocks = class_variance(h, y, draws=20), class_variance(h, y, draws=20, block_rows=block_rows)
    for a, b in ((base.mean_cdnv, blocks.mean_cdnv), (base.mean_directional, blocks.mean_directional)):
        assert (a.value, a.low, a.high) == pytest.approx((b.value, b.low, b.high), rel=1e-9)
    again = few_shot_bound(h, y, shots=2, block_rows=block_rows).pairs
    torch.testing.assert_close(again, few_shot_bound(h, y, shots=2).pairs, rtol=1e-10, atol=1e-12)


def test_float32_far_from_the_origin_agrees_with_float64():
    h, y = world(2)
    h = (h + 50).float()
    result, slow = class_variance(h, y), slow_cdnv(rows_of(h.double(), y))
    assert (result.mean_cdnv.value, result.mean_directional.value) == pytest.approx(slow, rel=1e-8)
    single, double = few_shot_bound(h, y, shots=3), few_shot_bound(h.double(), y, shots=3)
    torch.testing.assert_close(single.pairs, double.pairs, rtol=1e-12, atol=0)


def test_the_interval_is_the_spread_of_resampled_images_with_held_directions():
    h, y = world(3, n=45)
    rows, slow = rows_of(h, y), []
    held = [r.mean(axis=0) for r in rows]
    for counts in zip(
        *(
            torch.cat(list(resample_counts(len(r) // 2, draws=30, seed=5, key=f"class_variance {k}")))
            for k, r in enumerate(rows)
        ),
        strict=True,
    ):
        # stretched by sqrt(n / (n - 1)) about the class's own mean: weights 1 + s (count - 1)
        stretch = [math.sqrt(len(c) / max(1, len(c) - 1)) for c in counts]
        weights = [(1 + s * (c - 1)).repeat(2).numpy() for s, c in zip(stretch, counts, strict=True)]
        slow.append(slow_cdnv(rows, weights, held))
    result = class_variance(h, y, draws=30, seed=5)
    for column, found in zip(np.array(slow).T, (result.mean_cdnv, result.mean_directional), strict=True):
        expected = positive_interval(found.value, torch.tensor(column))
        assert (found.low, found.high) == pytest.approx(expected, rel=1e-8)


def margins(rows, shots, i, j):
    """|x - c_j|^2 - |x - c_i|^2 of every row x of class i and every ordered draw of both centres."""
    centres = [
        np.array([np.mean(draw, axis=0) for draw in itertools.product(rows[k], repeat=shots)]) for k in (i, j)
    ]
    near = ((rows[i][:, None] - centres[0]) ** 2).sum(axis=2)
    far = ((rows[i][:, None] - centres[1]) ** 2).sum(axis=2)
    return far[:, None, :] - near[:, :, None]


def exact_error(rows, shots):
    """Error of the few-shot nearest-centre classifier, over all draws; ties are errors; classes alike."""
    draws = [
        np.array([np.mean(draw, axis=0) for draw in itertools.product(r, repeat=shots)]) for r in rows
    ]  # fmt: skip
    errors = []
    for i, own in enumerate(rows):
        wrong = []
        for x in own:
            square = [((c - x) ** 2).sum(axis=1) for c in draws]
            others = [np.sort(s) for k, s in enumerate(square) if k != i]
            farther = np.ones(len(square[i]))
            for s in others:  # all centres are drawn independently
                farther *= 1 - np.searchsorted(s, square[i], side="right") / len(s)
            wrong.append(1 - farther.mean())
        errors.append(np.mean(wrong))
    return float(np.mean(errors))


def small_world(seed):
    """Two or three classes of two to four rows: skewed, heavy-tailed, or of very different spread."""
    source = np.random.default_rng(seed)
    classes, dim = int(source.integers(2, 4)), int(source.integers(1, 4))
    rows = []
    for _ in range(classes):
        count = int(source.integers(2, 5))
        noise = source.standard_normal((count, dim)) ** int(source.choice([1, 3]))
        rows.append(source.standard_normal(dim) * 4 + noise * source.choice([0.05, 0.3, 1.0]))
    h = torch.tensor(np.concatenate(rows))[None]
    y = torch.cat([torch.full((len(r),), k) for k, r in enumerate(rows)])
    return h, y, rows


def test_the_bound_holds_on_a_thousand_random_worlds_against_the_exact_error():
    informative, slack = 0, []
    for seed in range(1000):
        h, y, rows = small_world(seed)
        shots = 1 + seed % 3
        bound = few_shot_bound(h, y, shots=shots)
        error = exact_error(rows, shots)
        assert error <= bound.value + 1e-12
        assert bound.vacuous == (bound.value >= 1 - 1 / len(rows))
        assert bound.value <= min(bound.directional, bound.isotropic) + 1e-12
        informative += not bound.vacuous
        slack.append(bound.value - error)
    assert informative > 400
    assert np.median(slack) < 0.2


def test_the_bound_with_exact_centres_holds_on_a_thousand_random_worlds():
    for seed in range(1000):
        h, y, _ = small_world(seed)
        centres, classes = class_centres(h, y)
        near = torch.stack([(h - centre).square().sum(dim=2) for centre in centres]).argmin(dim=0)
        wrong = (classes[near] != y).double().mean(dim=0)
        per_class = torch.stack([wrong[y == k].mean() for k in classes])
        bound = few_shot_bound(h, y, shots=None)
        assert (per_class <= bound.per_class + 1e-12).all()


def test_with_exact_centres_the_bound_is_reached():
    """Class 0 at 0 and 4/3, 3 times and once: mean 1/3, boundary at 4/3 for a centre at 7/3."""
    h = torch.tensor([[[0.0], [0.0], [0.0], [4 / 3], [7 / 3]]], dtype=torch.float64)
    bound = few_shot_bound(h, torch.tensor([0, 0, 0, 0, 1]), shots=None)
    assert bound.pairs[0, 1].item() == pytest.approx(0.25)
    assert bound.pairs[1, 0].item() == 0


@pytest.mark.parametrize("shots", [1, 2, 3])
def test_in_one_dimension_the_terms_are_the_exact_moments_of_the_margin(shots):
    source = np.random.default_rng(shots)
    rows = [source.standard_normal((3, 1)) ** 3, 5 + 2 * source.standard_normal((4, 1)) ** 2]
    h = torch.tensor(np.concatenate(rows))[None]
    terms = few_shot_bound(h, torch.tensor([0, 0, 0, 1, 1, 1, 1]), shots=shots).terms
    square = float((rows[0].mean() - rows[1].mean()) ** 2)
    both = [margins(rows, shots, i, j) / square for i, j in ((0, 1), (1, 0))]
    assert terms.gap == pytest.approx(np.mean([m.mean() for m in both]), rel=1e-10)
    noise = terms.row + terms.shots + terms.cross + terms.norms
    assert noise == pytest.approx(np.mean([m.var() for m in both]), rel=1e-10)


def test_in_more_dimensions_the_terms_are_just_above_the_exact_variance():
    for seed in range(40):
        source = np.random.default_rng(seed)
        rows = [source.standard_normal((4, 3)), 4 + source.standard_normal((3, 3)) ** 3]
        h, y = torch.tensor(np.concatenate(rows))[None], torch.tensor([0] * 4 + [1] * 3)
        terms = few_shot_bound(h, y, shots=2).terms
        square = ((rows[0].mean(axis=0) - rows[1].mean(axis=0)) ** 2).sum()
        exact = np.mean([(margins(rows, 2, i, j) / square).var() for i, j in ((0, 1), (1, 0))])
        noise = terms.row + terms.shots + terms.cross + terms.norms
        assert exact <= noise * (1 + 1e-12)
        assert noise <= 2 * exact


def test_more_labels_never_worsen_the_bound_of_equal_variances_and_end_at_the_directional_limit():
    source = torch.Generator().manual_seed(0)
    part = torch.randn(1, 50, 20, generator=source, dtype=torch.float64)
    h = torch.cat([part, part.flip(2) + 1.5], dim=1)
    y = torch.arange(100) // 50
    values = [few_shot_bound(h, y, shots=shots).value for shots in (1, 2, 5, 20, 1000, None)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 2 * values[-1]
    directional = class_variance(h, y).directional
    limit = (4 * directional / (1 + 4 * directional)).sum().item() / 2
    assert values[-1] == pytest.approx(limit, rel=1e-12)
    assert values[-2] == pytest.approx(limit, rel=0.05)


def test_the_isotropic_bound_at_one_label_is_sixteen_times_the_cdnv():
    h = torch.tensor([[[-1.0], [1.0], [39.0], [41.0]]])
    y = torch.tensor([0, 0, 1, 1])
    cdnv = class_variance(h, y).mean_cdnv.value
    assert few_shot_bound(h, y, shots=1).isotropic == pytest.approx(16 * cdnv)
    assert few_shot_bound(h, y, shots=None).isotropic == pytest.approx(4 * cdnv)


@pytest.mark.parametrize("value", [0.0, 0.1, 321.5])
def test_constant_features_have_infinite_cdnv_and_a_vacuous_bound(value):
    h, y = torch.full((2, 12, 5), value), torch.arange(12) % 3
    result = class_variance(h, y, draws=10)
    assert math.isinf(result.mean_cdnv.value)
    assert math.isinf(result.mean_directional.value)
    for shots in (1, None):
        bound = few_shot_bound(h, y, shots=shots)
        assert (bound.value, bound.vacuous, bound.per_class.tolist()) == (1.0, True, [1.0, 1.0, 1.0])
        assert all(math.isfinite(v) for v in vars(bound.terms).values())


def test_single_images_without_spread_have_bound_zero():
    h = torch.tensor([[[0.0], [1.0]]])
    bound = few_shot_bound(h, torch.tensor([3, 9]), shots=1)
    assert (bound.value, bound.vacuous, bound.chance) == (0.0, False, 0.5)
    assert class_variance(h, torch.tensor([3, 9])).mean_cdnv.value == 0.0


def test_two_of_three_centres_that_coincide_spoil_their_own_classes_alone():
    h = torch.tensor([[[-1.0], [1.0], [-2.0], [2.0], [1000.0]]])
    bound = few_shot_bound(h, torch.tensor([0, 0, 1, 1, 2]), shots=2)
    assert bound.per_class[:2].tolist() == [1.0, 1.0]
    assert bound.per_class[2] < 1e-4


def test_the_example_of_the_page_runs():
    page = pathlib.Path(__file__).parents[3] / "docs" / "theory" / "few_shot.md"
    result = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert (result.failed, result.attempted > 3) == (0, True)


def test_one_class_no_label_and_nan_are_refused():
    h, y = world()
    with pytest.raises(InputError, match="name 1 class"):
        class_variance(h, torch.zeros_like(y))
    with pytest.raises(InputError, match=r"shots=0; expected at least 1"):
        few_shot_bound(h, y, shots=0)
    h[0, 2, 1] = math.inf
    with pytest.raises(InputError, match=r"h\[0\]: row 2"):
        few_shot_bound(h, y, shots=1)
