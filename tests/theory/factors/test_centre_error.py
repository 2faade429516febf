import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.errors import InputError
from contrascope.intervals import share_interval
from contrascope.theory.factors.centre_error import nearest_centre_error
from contrascope.theory.factors.divergence import divergence


def blobs(seed=0, *, views=3, n=40, dim=5, classes=4, apart=1.0):
    source = torch.Generator().manual_seed(seed)
    y = torch.cat([torch.arange(classes), torch.randint(classes, (n - classes,), generator=source)])
    mu = apart * torch.randn(classes, dim, generator=source, dtype=torch.float64)
    return mu[y] + torch.randn(views, n, dim, generator=source, dtype=torch.float64), 3 * y - 2


def slow_error(h, y):
    """Every image judged by centres of all the others."""
    wrong = torch.zeros(len(h), len(y), dtype=torch.float64)
    for i, label in enumerate(y.tolist()):
        others = torch.arange(len(y)) != i
        centres = {k: h[:, others & (y == k)].mean(dim=(0, 1)) for k in sorted(set(y[others].tolist()))}
        for view in range(len(h)):
            wrong[view, i] = min(centres, key=lambda k: (h[view, i] - centres[k]).square().sum()) != label
    return wrong


@pytest.mark.parametrize("apart", [0.3, 1.0, 3.0])
def test_the_error_equals_slow_loops_that_leave_each_image_out(apart):
    h, y = blobs(5, apart=apart)
    found, wrong = nearest_centre_error(h, y, draws=1), slow_error(h, y)
    assert found.error.value == pytest.approx(wrong.mean().item(), abs=1e-12)
    for k, share in zip(found.classes.tolist(), found.per_class.tolist(), strict=True):
        assert share == pytest.approx(wrong[:, y == k].mean().item(), abs=1e-12)
    low, high = share_interval(wrong.mean(dim=0))
    assert found.error.low <= low
    assert found.error.high == pytest.approx(high)


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_noise_is_at_chance_however_many_features_there_are(classes):
    source, chance = torch.Generator().manual_seed(classes), 1 - 1 / classes
    y = torch.arange(1000) % classes
    found = [
        nearest_centre_error(torch.randn(1, 1000, 256, generator=source), y, draws=1).error for _ in range(6)
    ]
    assert sum(one.value for one in found) / 6 == pytest.approx(chance, abs=0.03)
    assert sum(one.low <= chance for one in found) >= 5


def test_the_interval_holds_the_error_of_exact_centres():
    """Two classes at -1 and 1 with unit noise along 1 of 30 directions: exact centres err 15.87 % of the time."""
    source, hit, high = torch.Generator().manual_seed(0), 0, 0
    for _ in range(100):
        y = torch.arange(120) % 2
        h = torch.randn(1, 120, 30, generator=source, dtype=torch.float64)
        h[0, :, 0] += 2.0 * y - 1
        found = nearest_centre_error(h, y, draws=1).error
        hit += found.low <= 0.1587 <= found.high
        high += found.value > 0.1587
    assert high > 65
    assert hit >= 85


@settings(derandomize=True, deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**31 - 1), classes=st.integers(2, 5))
def test_order_of_images_and_views_names_and_rotation_change_nothing(seed, classes):
    h, y = blobs(seed, classes=classes)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    rotation = torch.linalg.qr(blobs(seed, views=1, n=5)[0][0]).Q
    moved = nearest_centre_error((h @ rotation).flip(0)[:, order] + 9, 5 - y[order])
    assert moved.error.value == pytest.approx(nearest_centre_error(h, y).error.value)
    assert moved.per_class.flip(0).tolist() == pytest.approx(nearest_centre_error(h, y).per_class.tolist())


@pytest.mark.parametrize("block_rows", [1, 7, 100])
def test_block_sizes_and_precision_change_nothing(block_rows):
    h, y = blobs(2)
    h = h.float()
    base, again = (
        nearest_centre_error(h, y, draws=1),
        nearest_centre_error(h, y, draws=1, block_rows=block_rows),
    )
    assert again.error == base.error == nearest_centre_error(h.double(), y, draws=1).error
    torch.testing.assert_close(again.per_class, base.per_class)


def test_a_row_at_equal_distances_goes_to_the_lower_class():
    """Without it the centre of each class is the other image of it; the third row is as far from both."""
    h = torch.tensor([[[0.0], [0.0], [3.0], [6.0]]])
    assert nearest_centre_error(h, torch.tensor([0, 0, 1, 1])).per_class.tolist() == [0.0, 0.5]


@pytest.mark.parametrize("value", [0.0, 0.1, 1234.567])
def test_constant_features_err_on_all_but_the_lowest_class(value):
    h, y = torch.full((2, 30, 7), value), torch.arange(30) % 3
    assert nearest_centre_error(h, y).per_class.tolist() == [0.0, 1.0, 1.0]
    assert divergence(h, y).simplex_distance == pytest.approx(0.5)


def test_rounding_of_the_centres_does_not_decide_among_equal_ones():
    source = torch.Generator().manual_seed(0)
    y = torch.cat([torch.arange(4), torch.arange(4), torch.randint(4, (89,), generator=source)])
    for value in torch.rand(20, generator=source, dtype=torch.float64).tolist():
        h = torch.full((3, 97, 5), value, dtype=torch.float64)
        assert nearest_centre_error(h, y).per_class.tolist() == [0.0, 1.0, 1.0, 1.0]


def test_separated_classes_have_no_error_far_from_the_origin():
    h, y = blobs(6, apart=0.0, n=43)
    h = 1e-4 * h + 100 + 1e-2 * y[:, None]
    y[:3], h[:, :3] = y[5], h[:, 5:6]  # no class of a single image
    keep = torch.tensor([(y == k).sum() > 1 for k in y])
    assert nearest_centre_error(h[:, keep], y[keep]).error.value == 0


def test_an_image_alone_in_its_class_counts_as_wrong_and_halves_without_a_class_are_fine():
    h = torch.tensor([[[1.0, 0.0], [1.0, 0.1], [0.0, 2.0]]])
    found = nearest_centre_error(h, torch.tensor([0, 0, 1]), draws=1)
    assert found.per_class.tolist() == [0.0, 1.0]
    assert found.error.low <= found.error.value <= found.error.high


def test_one_class_and_nan_are_refused():
    h, y = blobs(8)
    with pytest.raises(InputError, match=r"name 1 class; expected at least 2.*label column"):
        nearest_centre_error(h, torch.zeros(40, dtype=torch.int64))
    h[1, 3, 1] = math.nan
    with pytest.raises(InputError, match=r"h\[1\]: row 3"):
        nearest_centre_error(h, y)
