"""Figure 10's toy against a slow rotation, and the Gaussian group against its closed form."""

import math

import pytest
import torch

from contrascope.errors import InputError
from contrascope.geometry.toys import gaussian_group, rotated_points, rotation_rank


def test_a_quarter_turn_moves_the_pixel_where_a_slow_rotation_does():
    rows = rotated_points(360.0, images=50, side=9, seed=3).view(50, 9, 9)
    start = rotated_points(0.0, images=2, side=9, seed=3)[0].view(9, 9)
    y, x = (v - 4.0 for v in divmod(int(start.argmax()), 9))
    distances = []
    for image in rows:
        mass = image.sum().item()
        if mass > 0.99:  # the pixel did not leave the square
            down = sum((k - 4) * image[k].sum().item() for k in range(9)) / mass
            right = sum((k - 4) * image[:, k].sum().item() for k in range(9)) / mass
            distances.append(math.hypot(down, right))
    assert len(distances) > 5
    assert distances == pytest.approx([math.hypot(y, x)] * len(distances), abs=0.35)


@pytest.mark.parametrize("degrees", [30.0, 90.0])
def test_angles_fill_the_range_in_degrees_from_0_to_its_end(degrees):
    image = rotated_points(degrees, images=200, side=65, seed=3).view(200, 65, 65)
    axis = torch.arange(65, dtype=torch.float64) - 32
    place = torch.complex((image.sum(dim=1) * axis).sum(dim=1), (image.sum(dim=2) * axis).sum(dim=1))
    start = rotated_points(0.0, images=2, side=65, seed=3)[0].argmax().item()
    turned = (place / complex(start % 65 - 32, start // 65 - 32)).angle().rad2deg()
    assert turned.min().item() == pytest.approx(0.0, abs=0.03 * degrees)
    assert turned.max().item() == pytest.approx(degrees, abs=0.03 * degrees)
    assert turned.mean().item() == pytest.approx(degrees / 2, rel=0.15)


def test_rank_grows_with_the_range_of_the_rotation():
    ranks = [
        rotation_rank(x, threshold=1e-6, images=200, side=16, seed=0) for x in (0.0, 5.0, 20.0, 90.0, 360.0)
    ]
    assert ranks[0] == 0
    assert ranks == sorted(ranks)
    assert ranks[-1] > 5 * ranks[1]


def test_the_rank_is_that_of_a_covariance_written_out():
    rows = rotated_points(45.0, images=60, side=8, seed=1)
    centred = rows - rows.mean(dim=0)
    values = torch.linalg.eigvalsh(centred.T @ centred / 60)
    assert rotation_rank(45.0, threshold=1e-4, images=60, side=8, seed=1) == int((values >= 1e-4).sum())
    relative = int((values >= 1e-4 * values.max()).sum())
    assert rotation_rank(45.0, threshold=1e-4, relative=True, images=60, side=8, seed=1) == relative


def test_the_group_acts_by_its_own_exponential():
    toy = gaussian_group(images=20, dim=5, planes=2, spread=2.0)
    for h, moved, strength in zip(toy.h, toy.moved, toy.strength, strict=True):
        assert torch.allclose(torch.matrix_exp(strength * toy.generator) @ h, moved, atol=1e-12)


def test_the_closed_form_is_the_limit_of_many_images():
    toy = gaussian_group(images=100_000, dim=4, planes=1, spread=1.0, inside=1.5, outside=0.5)
    total = toy.h.var(dim=0, correction=0).sum()
    measured = (toy.moved - toy.h).square().sum(dim=1).mean() / (2 * total)
    assert measured.item() == pytest.approx(toy.moved_share, abs=0.01)


def test_wrong_input_is_refused():
    with pytest.raises(InputError, match="angle_range=nan"):
        rotated_points(math.nan)
    with pytest.raises(InputError, match="planes=3"):
        gaussian_group(images=5, dim=4, planes=3)
