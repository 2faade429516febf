"""LiDAR against a direct evaluation of its definition, by hand, and under every kind of collapse."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from contrascope.errors import InputError
from contrascope.theory.factors.lidar import lidar
from contrascope.theory.factors.spectrum import effective_rank_of


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def rotation(seed, dim):
    return torch.linalg.qr(normal(seed, dim, dim)).Q


def slow_lidar(h, delta, epsilon):
    views, count, dim = h.shape
    h = h.numpy()
    means = [sum(h[v, i] for v in range(views)) / views for i in range(count)]
    centre = sum(means) / count
    between, within = np.zeros((dim, dim)), np.zeros((dim, dim))
    for i in range(count):
        between += np.outer(means[i] - centre, means[i] - centre)
        for v in range(views):
            within += np.outer(h[v, i] - means[i], h[v, i] - means[i])
    between /= count - 1
    within = within / (count * (views - 1)) + delta * np.eye(dim)
    root = np.linalg.inv(np.real(sqrtm(within)))
    values = np.linalg.eigvalsh(root @ between @ root).clip(0)
    shares = [v / values.sum() + epsilon for v in values]
    return math.exp(-sum(p * math.log(p) for p in shares if p > 0))


def noisy_views(seed, views, count, dim, noise=0.3):
    return normal(seed, 1, count, dim) + noise * normal(seed + 1, views, count, dim)


@pytest.mark.parametrize(("views", "count", "dim"), [(2, 12, 4), (5, 30, 7), (3, 4, 9)])
@pytest.mark.parametrize(("delta", "epsilon"), [(1e-4, 1e-8), (0.5, 1e-3)])
@pytest.mark.parametrize("chunk_images", [1, 5, 1000])
def test_it_equals_the_definition_for_any_chunk(views, count, dim, delta, epsilon, chunk_images):
    h = noisy_views(0, views, count, dim)
    found = lidar(h, delta=delta, epsilon=epsilon, chunk_images=chunk_images)
    assert found == pytest.approx(slow_lidar(h, delta, epsilon), abs=1e-10)


def test_by_hand_two_features_told_apart_with_different_clarity():
    """Between-image variances 1 and 1, within-image variances a = 1 and b = 3: eigenvalues 1 and 1/3."""
    images = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64) * math.sqrt(3 / 4)
    sway = torch.tensor([math.sqrt(1 / 2), math.sqrt(3 / 2)], dtype=torch.float64)
    across = sway * torch.tensor([[1.0, 1], [1, -1], [-1, 1], [1, 1]], dtype=torch.float64)
    across[3] = sway * torch.tensor([-1.0, -1.0], dtype=torch.float64)
    signs = across / sway
    assert signs[:, 0] @ signs[:, 1] == 0
    found = lidar(torch.stack([images + across, images - across]), delta=1e-12, epsilon=0.0)
    assert found == pytest.approx(4 / 3**0.75, abs=1e-9)


def test_noise_in_a_direction_takes_it_out_of_the_count():
    """RankMe and the covariance's rank count a direction of pure noise; LiDAR does not."""
    clear = torch.cat([normal(2, 1, 500, 4).expand(8, 500, 4), torch.zeros(8, 500, 4)], dim=2)
    noise = torch.cat([torch.zeros(8, 500, 4), normal(3, 8, 500, 4)], dim=2)
    h = clear + noise + 0.01 * normal(4, 8, 500, 8)
    assert effective_rank_of(h[0]) > 7.5
    assert 3.9 < lidar(h) < 4.1


def test_equal_embeddings_of_all_images_are_rank_zero():
    assert lidar(torch.full((3, 20, 6), 0.1)) == 0
    for seed in range(5):
        per_view = normal(seed, 4, 1, 6).expand(4, 20, 6)
        assert lidar(per_view, chunk_images=7) == 0


def test_images_on_a_line_have_rank_one():
    line = normal(6, 1, 50, 1) * normal(7, 6)
    assert lidar(line.expand(2, 50, 6)) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("clusters", [2, 5])
def test_images_at_k_points_have_rank_k_minus_one(clusters):
    points = torch.eye(8, dtype=torch.float64)[:clusters].repeat(10, 1)
    assert lidar(points.expand(3, -1, -1)) == pytest.approx(clusters - 1, abs=1e-5)


def test_views_that_agree_leave_the_effective_rank_of_the_images():
    h = normal(8, 300, 6) * torch.arange(1, 7)
    assert lidar(h.expand(2, 300, 6), epsilon=0.0) == pytest.approx(effective_rank_of(h), abs=1e-9)


def test_rows_uniform_on_the_sphere_have_nearly_full_rank():
    images = torch.nn.functional.normalize(normal(9, 3000, 16), dim=1)
    assert 15.9 < lidar(images + 0.05 * normal(10, 4, 3000, 16)) < 16.001


def test_fewer_images_than_features_cap_it_at_n_minus_one():
    found = lidar(noisy_views(11, 4, 6, 40, noise=0.01))
    assert 4 < found < 5.0001


@settings(derandomize=True, deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), views=st.integers(2, 4), count=st.integers(2, 9), dim=st.integers(1, 6))
def test_order_of_images_and_views_rotation_and_shift_change_nothing(seed, views, count, dim):
    h = noisy_views(seed, views, count, dim)
    source = torch.Generator().manual_seed(seed)
    moved = h[torch.randperm(views, generator=source)][:, torch.randperm(count, generator=source)]
    moved = moved @ rotation(seed, dim) + normal(seed + 2, dim)
    assert lidar(moved, chunk_images=2) == pytest.approx(lidar(h), rel=1e-7)


def test_swapping_views_between_images_is_not_the_same():
    h = noisy_views(12, 2, 30, 5, noise=0.05) * torch.tensor([1.0, 1, 1, 0.1, 0.1])
    mixed = torch.stack([h[0], h[1].roll(1, dims=0)])
    assert abs(lidar(mixed) - lidar(h)) > 0.1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lower_precision_costs_only_the_rounding_of_the_input(dtype):
    h = noisy_views(13, 3, 100, 8)
    assert lidar(h.to(dtype)) == pytest.approx(lidar(h.to(dtype).double()), rel=1e-12)
    assert lidar(h.float()) == pytest.approx(lidar(h), rel=1e-5)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: lidar(torch.ones(1, 9, 3)), r"shape \[1, 9, 3\]; .* at least 2 views of each of 2 images"),
        (lambda: lidar(torch.ones(3, 1, 3)), "at least 2 views of each of 2 images"),
        (lambda: lidar(torch.full((2, 3, 1), math.nan)), r"h\[0\] from image 0: row 0 holds a non-finite"),
        (lambda: lidar(torch.ones(2, 3, 1), delta=0.0), "delta=0.0"),
        (lambda: lidar(torch.ones(2, 3, 1), chunk_images=0), "chunk_images=0"),
    ],
)
def test_bad_input_is_refused_in_words(call, words):
    with pytest.raises(InputError, match=words):
        call()
