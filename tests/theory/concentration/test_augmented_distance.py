"""Nearest views against loops in float64, exact for bytes, the same under any tile."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.errors import InputError
from contrascope.theory.concentration.augmented_distance import augmented_distance, normalised_pixels


def normal(seed, *shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


def pixels(seed, *shape):
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def slow(views, other=None):
    left, right = views.double(), (views if other is None else other).double()
    out = torch.zeros(left.shape[1], right.shape[1], dtype=torch.float64)
    for i in range(left.shape[1]):
        for j in range(right.shape[1]):
            gaps = [(left[a, i] - right[b, j]).norm() for a in range(len(left)) for b in range(len(right))]
            out[i, j] = 0.0 if other is None and i == j else min(gaps)
    return out


@pytest.mark.parametrize("block_floats", [1, 40, 1 << 22])
def test_float64_views_equal_slow_loops(block_floats):
    views = normal(0, 3, 7, 5)
    torch.testing.assert_close(
        augmented_distance(views, block_floats=block_floats), slow(views), rtol=1e-10, atol=1e-10
    )


@pytest.mark.parametrize("block_floats", [1, 40, 1 << 22])
def test_bytes_are_exact(block_floats):
    views = pixels(0, 3, 7, 12)
    found = augmented_distance(views, block_floats=block_floats)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, (slow(views) / 255).float(), rtol=1e-7, atol=0)


@pytest.mark.parametrize("images", [257, 300, 601])
def test_every_pair_of_more_images_than_a_tile_on_the_diagonal_holds_is_measured(images):
    views, whole = normal(4, 2, images, 3), pixels(5, 2, images, 6)
    for drawn, unit in ((views, 1.0), (whole, 255.0)):
        rows = drawn.double() / unit
        gaps = torch.cdist(rows[:, None], rows[None], compute_mode="donot_use_mm_for_euclid_dist")
        expected = gaps.amin(dim=(0, 1)).fill_diagonal_(0)
        torch.testing.assert_close(augmented_distance(drawn).double(), expected, rtol=1e-6, atol=1e-6)


def test_bytes_at_the_ends_of_their_range_and_in_many_columns_stay_exact():
    views = torch.zeros(1, 2, 70_000, dtype=torch.uint8)
    views[0, 1] = 255
    views[0, 1, -1] = 254
    expected = ((69_999 + (254 / 255) ** 2) ** 0.5, torch.finfo(torch.float32).eps)
    assert augmented_distance(views)[0, 1].item() == pytest.approx(expected[0], rel=expected[1])


@pytest.mark.parametrize("spread", [1.0, 1e-2, 1e-4])
def test_float32_agrees_with_float64_to_3e_6_however_far_the_views_are_from_their_mean(spread):
    base = normal(1, 1, 20, 300)
    views = (base + spread * normal(2, 4, 20, 300)).float()
    views[:, 10:] = views[:, :10] + spread * normal(3, 4, 10, 300).float()  # near pairs far from the mean
    torch.testing.assert_close(
        augmented_distance(views).double(), augmented_distance(views.double()), rtol=3e-6, atol=0
    )


def test_distances_are_symmetric_to_the_last_bit():
    for dtype in (torch.float32, torch.float64):
        found = augmented_distance(normal(12, 3, 61, 500, dtype=dtype), block_floats=5000)
        assert torch.equal(found, found.T)


def test_views_that_are_nearly_equal_keep_their_digits():
    views = normal(4, 2, 6, 30).float() + 100
    views[1, 3] = views[0, 2]
    views[1, 3, 0] += 1e-3
    gap = (views[1, 3].double() - views[0, 2].double()).norm().item()
    assert augmented_distance(views)[2, 3].item() == pytest.approx(gap, rel=1e-6)


def test_a_shared_view_is_at_distance_zero_and_the_diagonal_is_zero():
    views = normal(5, 3, 4, 9)
    views[2, 1] = views[0, 3]
    found = augmented_distance(views)
    assert found[1, 3].item() == found[3, 1].item() == 0.0
    assert found.diagonal().abs().max().item() == 0.0
    assert augmented_distance(torch.ones(2, 3, 4)).abs().max().item() == 0.0


@pytest.mark.parametrize("block_floats", [1, 60, 1 << 22])
def test_distances_to_other_images_equal_slow_loops(block_floats):
    left, right = normal(6, 2, 5, 4), normal(7, 3, 6, 4)
    torch.testing.assert_close(
        augmented_distance(left, right, block_floats=block_floats), slow(left, right), rtol=1e-10, atol=1e-10
    )
    some, others = pixels(8, 2, 5, 6), pixels(9, 3, 4, 6)
    torch.testing.assert_close(
        augmented_distance(some, others, block_floats=block_floats),
        (slow(some, others) / 255).float(),
        rtol=1e-7,
        atol=0,
    )


@settings(derandomize=True, deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**31 - 1), n=st.integers(1, 7), views=st.integers(1, 4), dim=st.integers(1, 6))
def test_order_of_views_and_images_and_moving_all_change_nothing_and_more_views_only_bring_nearer(
    seed, n, views, dim
):
    rows = normal(seed, views, n, dim)
    found = augmented_distance(rows)
    assert torch.equal(found, found.T)
    torch.testing.assert_close(augmented_distance(rows.flip(0)), found)
    torch.testing.assert_close(augmented_distance(rows.flip(1)), found.flip(0, 1))
    torch.testing.assert_close(augmented_distance(rows + 3), found, rtol=1e-6, atol=1e-9)
    more = torch.cat([rows, normal(seed + 1, 1, n, dim)])
    assert bool((augmented_distance(more) <= found + 1e-9).all())


def test_normalised_pixels_have_mean_zero_and_deviation_one_and_forget_brightness_and_contrast():
    views = normal(10, 2, 5, 40)
    found = normalised_pixels(views)
    torch.testing.assert_close(found.mean(dim=2), torch.zeros(2, 5, dtype=torch.float64), atol=1e-12, rtol=0)
    torch.testing.assert_close(found.square().mean(dim=2), torch.ones(2, 5, dtype=torch.float64))
    torch.testing.assert_close(normalised_pixels(0.2 * views + 7), found)
    bytes_ = pixels(11, 2, 5, 40)
    torch.testing.assert_close(
        normalised_pixels(bytes_).double(), normalised_pixels(bytes_.double()), rtol=1e-6, atol=1e-6
    )


def test_a_constant_view_becomes_zeros():
    views = torch.full((1, 2, 7), 0.3)
    views[0, 1, 0] = 1.0
    found = normalised_pixels(views)
    assert found[0, 0].tolist() == [0.0] * 7
    assert augmented_distance(found)[0, 1].item() == pytest.approx(7**0.5, rel=1e-6)


def test_bad_views_are_refused():
    with pytest.raises(InputError, match=r"shape \[0, 3, 2\]"):
        augmented_distance(torch.zeros(0, 3, 2))
    with pytest.raises(InputError, match="row 4 holds a non-finite"):
        augmented_distance(
            torch.zeros(2, 3, 2).index_put((torch.tensor(1), torch.tensor(1)), torch.tensor(float("nan")))
        )
    with pytest.raises(InputError, match="Give both as bytes"):
        augmented_distance(torch.zeros(1, 2, 3), torch.zeros(1, 2, 3, dtype=torch.uint8))
    with pytest.raises(InputError, match="block_floats=0"):
        augmented_distance(torch.zeros(1, 2, 3), block_floats=0)
    with pytest.raises(InputError, match="non-finite"):
        normalised_pixels(torch.full((1, 2, 3), float("inf")))
