"""Predictions by trivial statistics: right where there is a quadratic, nothing where there is noise."""

import pytest
import torch

from contrascope.diagnosis.trivial import FOLDS, PENALTIES, predicted


def draw(n, views=2, statistics=7, dim=6, seed=0):
    source = torch.Generator().manual_seed(seed)
    known = torch.rand(views, n, statistics, generator=source, dtype=torch.float64)
    return known, torch.randn(views, n, dim, generator=source, dtype=torch.float64)


def explained(rows, guess):
    centred = rows - rows.mean(dim=(0, 1))
    return float(1 - (guess - rows).square().sum() / centred.square().sum())


def quadratic(known, dim=6):
    source = torch.Generator().manual_seed(9)
    products = (known[..., :, None] * known[..., None, :]).flatten(2)
    terms = torch.cat((known, products), dim=2)
    return terms @ torch.randn(terms.shape[2], dim, generator=source, dtype=torch.float64) + 3.0


def test_a_quadratic_function_is_recovered():
    known, _ = draw(300)
    rows = quadratic(known)
    found = predicted(rows, known)
    assert explained(rows, found.rows) > 0.9999
    assert found.penalty == min(PENALTIES)


def test_part_of_the_variance_is_that_part():
    known, noise = draw(2000)
    signal = quadratic(known)
    signal = signal / signal.std(dim=(0, 1))
    assert explained(signal + noise, predicted(signal + noise, known).rows) == pytest.approx(0.5, abs=0.03)


def test_noise_is_not_explained_by_35_terms_at_40_images():
    shares = []
    for seed in range(20):
        known, noise = draw(40, views=1, seed=seed)
        shares.append(explained(noise, predicted(noise, known, seed=seed).rows))
        least = predicted(noise, known, seed=seed, penalties=(min(PENALTIES),))
        assert explained(noise, least.rows) < -0.5  # what a regression without a penalty would make of it
    # the mean of 32 other images is the best guess: its share is 1 - (1 + 1/32) 40/39 = -0.06
    assert sum(shares) / 20 == pytest.approx(-0.06, abs=0.05)
    assert max(shares) < 0.1


def test_a_quadratic_is_still_seen_at_40_images():
    known, noise = draw(40)
    rows = quadratic(known)
    rows = rows / rows.std(dim=(0, 1)) + 0.1 * noise
    assert explained(rows, predicted(rows, known).rows) > 0.8


def test_no_image_is_predicted_from_a_view_of_its_own():
    """The statistics name the image, so that a view in another fold would tell everything."""
    n = 60
    source = torch.Generator().manual_seed(0)
    image = torch.rand(1, n, 7, generator=source, dtype=torch.float64)
    known = image.repeat(4, 1, 1)  # all views of an image have the same statistics
    rows = torch.randn(1, n, 5, generator=source, dtype=torch.float64).repeat(4, 1, 1)  # and the same row
    assert abs(explained(rows, predicted(rows, known).rows)) < 0.1
    moved = predicted(rows, known, seed=1).rows
    assert torch.equal(moved[0], moved[1])


def test_rotations_scales_and_shifts_go_through():
    known, noise = draw(80)
    rows = quadratic(known) + noise
    turn = torch.linalg.qr(
        torch.randn(6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    ).Q
    one = predicted(rows, known).rows
    other = predicted(100 * rows @ turn - 7, known).rows
    torch.testing.assert_close(other, 100 * one @ turn - 7, atol=1e-6, rtol=1e-6)
    units = predicted(rows, 255 * known + 3).rows
    torch.testing.assert_close(units, one, atol=1e-6, rtol=1e-6)


def test_constant_statistics_predict_the_mean_of_the_other_folds():
    _, noise = draw(50)
    found = predicted(noise, torch.ones(2, 50, 7, dtype=torch.float64)).rows
    assert len(found[0].round(decimals=9).unique(dim=0)) == FOLDS
    assert abs(explained(noise, found)) < 0.1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_narrow_rows_are_predicted_as_wide_ones(dtype):
    known, _ = draw(100)
    rows = quadratic(known)
    found = predicted(rows.to(dtype), known.to(torch.float32)).rows
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, predicted(rows, known).rows, atol=0.05, rtol=0.01)
