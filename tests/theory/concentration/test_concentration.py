"""sigma(delta) against brute force; monotone, invariant, exact where it says so; grids and intervals."""

import math

import networkx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.errors import InputError
from contrascope.theory.bounds.error_bounds import best_error_bound
from contrascope.theory.concentration.augmented_distance import augmented_distance
from contrascope.theory.concentration.clique_curve import clique_curve
from contrascope.theory.concentration.concentration import Concentration, concentration, delta_grid
from contrascope.theory.concentration.sigma import best_sigma_delta, sigma_interval
from contrascope.theory.worlds.shift_world import shift_distance, shift_views


def points(seed, n, dim):
    return torch.randn(n, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def gaps(rows):
    return torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")


def largest(distance, delta):
    n, best = len(distance), 0
    for bits in range(1, 1 << n):
        members = [i for i in range(n) if bits >> i & 1]
        if len(members) > best and all(distance[i, j] <= delta for i in members for j in members):
            best = len(members)
    return best


@settings(derandomize=True, deadline=None, max_examples=12)
@given(seed=st.integers(0, 2**31 - 1), n=st.integers(1, 9), dim=st.integers(1, 4))
def test_brackets_of_small_classes_are_exact_and_equal_brute_force(seed, n, dim):
    rows = torch.cat([points(seed, n, dim), points(seed + 1, 3, dim)])
    y = torch.tensor([4] * n + [9] * 3)
    distance = gaps(rows)
    deltas = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.5, 9.0], dtype=torch.float64)
    found = concentration(distance, y, deltas)
    assert bool(found.exact.all())
    assert found.classes.tolist() == [4, 9]
    for row, members in enumerate((slice(0, n), slice(n, None))):
        part = distance[members, members]
        truth = [largest(part, delta) / len(part) for delta in deltas.tolist()]
        assert found.lower[row].tolist() == pytest.approx(truth, abs=1e-12)


def test_curves_rise_and_the_minimum_and_the_mean_are_those_of_the_classes():
    y = torch.arange(90) % 3
    distance = gaps(points(0, 90, 3) * torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)[y][:, None])
    grid = delta_grid(distance, y, size=9)
    found = concentration(distance, y, grid, seconds=2.0)
    assert bool((found.lower.diff(dim=1) >= 0).all())
    assert bool((found.upper.diff(dim=1) >= 0).all())
    assert bool((found.width >= 0).all())
    torch.testing.assert_close(found.sigma_low, found.lower.min(dim=0).values)
    torch.testing.assert_close(found.mean_high, found.upper.sum(dim=0) / 3)
    assert found.sigma_low.tolist() == found.lower[2].tolist()  # the widest class concentrates least


@pytest.mark.parametrize("seconds", [0.0, 0.3])
def test_with_little_time_the_bracket_still_contains_the_exact_value(seconds):
    distance = gaps(points(1, 70, 4)).numpy()
    deltas = np.quantile(distance, [0.1, 0.3, 0.5, 0.7]).tolist()
    exact = clique_curve(distance, deltas, seconds=60)
    assert [len(clique) for clique in exact.cliques] == list(exact.upper)
    short = clique_curve(distance, deltas, seconds=seconds)
    for clique, low, high in zip(exact.cliques, short.cliques, short.upper, strict=True):
        assert len(low) <= len(clique) <= high
    for clique, delta in zip(short.cliques, deltas, strict=True):
        assert distance[np.ix_(clique, clique)].max() <= delta


@pytest.mark.slow
@pytest.mark.parametrize("n", [60, 100, 150])
@pytest.mark.parametrize("density", [0.2, 0.5])
def test_geometric_graphs_are_solved_and_networkx_agrees(n, density):
    distance = gaps(points(n, n, 5)).numpy()
    delta = float(np.quantile(distance[np.triu_indices(n, 1)], density))
    found = clique_curve(distance, [delta], seconds=60)
    near = (distance <= delta) & ~np.eye(n, dtype=bool)
    truth = networkx.max_weight_clique(networkx.from_numpy_array(near), weight=None)[1]
    assert (len(found.cliques[0]), found.upper[0]) == (truth, truth)


@settings(derandomize=True, deadline=None, max_examples=5)
@given(seed=st.integers(0, 2**31 - 1), scale=st.floats(0.1, 10))
def test_order_of_images_and_unit_of_distance_change_nothing(seed, scale):
    distance, y = gaps(points(seed, 24, 3)), torch.arange(24) % 2
    grid = delta_grid(distance, y, size=5)
    found = concentration(distance, y, grid)
    order = torch.randperm(24, generator=torch.Generator().manual_seed(seed))
    mixed = concentration(distance[order][:, order], y[order], grid)
    torch.testing.assert_close(found.lower, mixed.lower)
    scaled = concentration(distance * scale, y, delta_grid(distance * scale, y, size=5))
    torch.testing.assert_close(found.lower, scaled.lower)


def test_float32_distances_give_the_curve_of_float64():
    distance, y = gaps(points(3, 60, 4)), torch.zeros(60, dtype=torch.int64)
    grid = delta_grid(distance, y, size=6) + 1e-5
    both = [concentration(part, y, grid.to(part.dtype), seconds=5.0) for part in (distance, distance.float())]
    torch.testing.assert_close(both[0].lower, both[1].lower)


def test_the_grid_holds_quantiles_of_distances_within_classes_only():
    rows = torch.tensor([[0.0], [1.0], [3.0], [100.0], [104.0]], dtype=torch.float64)
    y = torch.tensor([0, 0, 0, 1, 1])
    assert delta_grid(gaps(rows), y, size=4, low=0.0, high=1.0).tolist() == [1.0, 2.0, 3.0, 4.0]
    rng = points(4, 300, 2)
    inner = gaps(rng)
    pooled = inner[torch.triu_indices(300, 300, 1).unbind(0)]
    grid = delta_grid(inner, torch.zeros(300, dtype=torch.int64), size=5)
    expected = torch.quantile(
        pooled, torch.linspace(0.05, 0.8, 5, dtype=torch.float64), interpolation="lower"
    )
    torch.testing.assert_close(grid, expected)


def test_estimates_fall_to_the_known_distance_and_sigma_as_views_grow():
    images = torch.rand(30, 3, 16, generator=torch.Generator().manual_seed(0)).double()
    truth = shift_distance(images, reach=0.3)
    y = torch.zeros(30, dtype=torch.int64)
    grid = delta_grid(truth, y, size=7)
    target = concentration(truth, y, grid)
    errors, missing = [], []
    for num_views in (1, 8, 64):
        found = augmented_distance(shift_views(images, reach=0.3, num_views=num_views))
        assert bool((found >= truth - 1e-9).all())
        errors.append((found - truth).mean().item())
        missing.append((target.lower - concentration(found, y, grid).lower).mean().item())
    assert errors[2] < 0.15 * errors[0]
    assert errors[0] > errors[1] > errors[2]
    assert missing[0] > missing[2] >= 0
    assert missing[2] < 0.1


def test_the_known_distance_is_the_minimum_over_a_fine_grid_of_shifts():
    images = torch.rand(2, 1, 5, generator=torch.Generator().manual_seed(1)).double()
    images[1] += 1.0
    shifts = torch.linspace(-0.8, 0.8, 3201, dtype=torch.float64)
    gap = (images[0, 0] - images[1, 0] + shifts[:, None]).norm(dim=1).min().item()
    assert shift_distance(images, reach=0.4)[0, 1].item() == pytest.approx(gap, abs=1e-6)


def curve(low, high, counts=(400,)):
    low, high = (torch.tensor(part, dtype=torch.float64) for part in (low, high))
    return Concentration(
        deltas=torch.arange(1.0, 1 + low.shape[1]),
        classes=torch.arange(len(low)),
        counts=torch.tensor(counts),
        lower=low,
        upper=high,
    )


def test_an_interval_holds_the_mean_sigma_of_many_samples():
    """Largest cliques of Gaussian samples: the interval of each sample covers the mean over samples."""
    found = []
    for seed in range(40):
        rows = points(seed, 30, 2)
        deltas = torch.tensor([1.5], dtype=torch.float64)
        found.append(concentration(gaps(rows), torch.zeros(30, dtype=torch.int64), deltas))
    mean = torch.stack([one.lower for one in found]).mean().item()
    covered = [sigma_interval(one).low.item() <= mean <= sigma_interval(one).high.item() for one in found]
    assert sum(covered) >= 38
    widths = [(one.high - one.low).item() for one in map(sigma_interval, found)]
    assert max(widths) < 0.7  # not so wide that it says nothing


def test_intervals_narrow_with_images_widen_with_the_bracket_and_stay_in_range():
    small, large = (sigma_interval(curve([[0.3]], [[0.3]], counts=(n,))) for n in (50, 5000))
    assert small.low.item() < large.low.item() < 0.3 < large.high.item() < small.high.item()
    wide = sigma_interval(curve([[0.3]], [[0.5]]))
    assert wide.low.item() == sigma_interval(curve([[0.3]], [[0.3]])).low.item()
    assert wide.high.item() == sigma_interval(curve([[0.5]], [[0.5]])).high.item()
    ends = sigma_interval(curve([[1 / 400, 1.0]], [[1 / 400, 1.0]]))
    assert ends.low[0, 0].item() == 1 / 400
    assert ends.high[0, 1].item() == 1.0


def test_poisson_ends_solve_their_equation():
    found = sigma_interval(curve([[0.02]], [[0.02]], counts=(10_000,)), level=0.9)
    for end in (found.low.item(), found.high.item()):
        mean = end * 10_000
        assert 200 * math.log(200 / mean) - 200 + mean == pytest.approx(math.log(40), rel=1e-9)


def test_the_best_point_is_the_one_with_the_smallest_bound_that_holds():
    found = curve([[0.7, 0.99, 1.0]], [[0.7, 0.99, 1.0]])
    found = Concentration(**{**vars(found), "deltas": torch.tensor([0.0, 0.001, 0.5], dtype=torch.float64)})
    worst, centres, priors = torch.zeros(10), torch.eye(3), torch.ones(3) / 3
    best = best_sigma_delta(found, worst, centres, priors, lipschitz=1.0)
    assert (best.sigma, best.delta) == (0.99, 0.001)
    assert best.bound.holds
    assert best.bound.value == pytest.approx(0.01)
    alone = best_error_bound(worst, centres, priors, sigma=0.99, delta=0.001, lipschitz=1.0)
    assert best.bound == alone


def test_bad_input_is_refused():
    y, deltas = torch.zeros(2, dtype=torch.int64), torch.ones(1)
    good = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    with pytest.raises(InputError, match="3 labels for 2 images"):
        concentration(good, torch.zeros(3, dtype=torch.int64), deltas)
    with pytest.raises(InputError, match="not symmetric"):
        concentration(torch.tensor([[0.0, 1.0], [2.0, 0.0]]), y, deltas)
    with pytest.raises(InputError, match="negative or non-finite"):
        concentration(good * float("nan"), y, deltas)
    with pytest.raises(InputError, match="rising"):
        concentration(good, y, torch.tensor([2.0, 1.0]))
    with pytest.raises(InputError, match="seconds=-1"):
        concentration(good, y, deltas, seconds=-1.0)
    with pytest.raises(InputError, match="0 images"):
        concentration(torch.zeros(0, 0), torch.zeros(0, dtype=torch.int64), deltas)
    with pytest.raises(InputError, match="no class has two images"):
        delta_grid(good, torch.tensor([0, 1]))
    with pytest.raises(InputError, match="size=0"):
        delta_grid(good, y, size=0)
    with pytest.raises(InputError, match=r"level=1\.5"):
        sigma_interval(curve([[0.5]], [[0.5]]), level=1.5)
    with pytest.raises(InputError, match="reach=-1"):
        shift_distance(torch.zeros(2, 1, 3), reach=-1.0)
    with pytest.raises(InputError, match="num_views=0"):
        shift_views(torch.zeros(2, 1, 3), reach=1.0, num_views=0)


def test_progress_names_each_class():
    heard = []
    concentration(gaps(points(5, 6, 2)), torch.arange(6) % 2, torch.ones(1), tell=heard.append)
    assert [line[:16] for line in heard] == ["class 0 (1 of 2)", "class 1 (2 of 2)"]
