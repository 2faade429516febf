"""What a projector sees of operations and of negatives: planted by hand, and image by image from Jacobians."""

import pytest
import torch
from torch import nn

from contrascope.data.imageset import InMemoryImages
from contrascope.diagnosis.exhibits import Networks
from contrascope.diagnosis.geometry import feature_geometry
from contrascope.diagnosis.operation_rows import operation_rows
from contrascope.diagnosis.settings import GeometrySettings

QUICK = GeometrySettings(images=64, draws=0, points=16, paths=16, subspace=8, directions=1)


class MeanAndRest(nn.Module):
    """Brightness of the image first, then the horizontal profile of its brightness over that."""

    def forward(self, images):
        mean = images.mean(dim=(1, 2, 3))[:, None]
        return torch.cat([mean, images.mean(dim=(1, 2)) / mean], dim=1)


def images(count=60):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(40, 150, (count, 3, 8, 8), generator=generator, dtype=torch.uint8)
    return InMemoryImages(images=pixels)


def mlp(*widths):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(*widths[:2]), nn.ReLU(), nn.Linear(*widths[1:]))


def unseen(projector, points, displacements):
    """Share of squared length outside the row space of the Jacobian at each point, one after another."""
    left = total = 0.0
    for point, row in zip(points, displacements, strict=True):
        jacobian = torch.autograd.functional.jacobian(projector, point[None])[0, :, 0].double()
        beyond = row.double() - torch.linalg.pinv(jacobian, rtol=1e-4) @ jacobian @ row.double()
        left, total = left + beyond.square().sum().item(), total + row.double().square().sum().item()
    return left / total


def test_an_mlp_that_forgets_brightness_removes_its_direction_and_not_that_of_a_flip():
    made = mlp(9, 64, 8)
    made[0].weight.data[:, 0] = 0.0
    subject = Networks(encoder=MeanAndRest(), projector=made)
    bright, flip = operation_rows(subject, images(), names=("brightness", "flip"), settings=QUICK)
    assert bright.removed == pytest.approx(1.0, abs=1e-3)
    assert flip.removed == pytest.approx(0.0, abs=1e-3)
    assert bright.removed_chance == flip.removed_chance == pytest.approx(1 / 9)


def test_an_mlp_is_asked_at_each_image_for_the_displacement_of_that_image():
    made, pixels = mlp(9, 4, 3), images().images.float() / 255
    h, turned = MeanAndRest()(pixels), MeanAndRest()(pixels.flip(3))
    made[0].bias.data = -(made[0].weight.data @ h.mean(dim=0))  # every gate is open for half of the images
    subject = Networks(encoder=MeanAndRest(), projector=made)
    (row,) = operation_rows(subject, images(), names=("flip",), settings=QUICK)
    assert row.removed == pytest.approx(unseen(made, h[:16], (turned - h)[:16]), abs=1e-5)


def test_a_direction_half_way_into_a_column_space_is_at_45_degrees_to_it():
    linear = nn.Linear(9, 1, bias=False)
    linear.weight.data = torch.eye(9)[:1] + torch.eye(9)[1:2]
    subject = Networks(encoder=MeanAndRest(), projector=linear)
    (row,) = operation_rows(subject, images(), names=("brightness",), settings=QUICK)
    assert row.angles == pytest.approx((45.0,), abs=1e-3)
    assert row.removed == pytest.approx(0.5, abs=1e-3)


def test_an_mlp_is_asked_at_first_views_for_second_views_less_negatives():
    made = mlp(6, 4, 3)
    h = torch.randn(2, 40, 6, generator=torch.Generator().manual_seed(1))
    z = made(h).detach()
    found = feature_geometry(h, z, projector=made, settings=QUICK)
    unit, shift = nn.functional.normalize(z, dim=2), []
    for i in range(16):
        cosine = unit @ unit[0, i]
        cosine[:, i] = -2.0
        shift.append(h[1, i] - h.flatten(0, 1)[cosine.flatten().argmax()])
    assert found.negatives.unexplained_local == pytest.approx(unseen(made, h[0, :16], shift), abs=1e-5)


def test_negatives_half_way_into_a_column_space_are_at_45_degrees_to_it():
    linear = nn.Linear(2, 1, bias=False)
    linear.weight.data = torch.tensor([[1.0, 0.0]])
    found = feature_geometry(torch.eye(2).expand(2, 2, 2), None, projector=linear, settings=QUICK)
    assert found.negatives.angles == pytest.approx((45.0,), abs=1e-4)
    assert found.negatives.unexplained == pytest.approx(0.5)


def test_each_distance_to_the_negatives_is_in_its_own_unit():
    h = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 2.0]]).expand(2, 3, 2)  # nearest: 1, 0, 0
    found = feature_geometry(h, None, settings=QUICK).negatives
    typical = (2 * (2 / 3 + 8 / 9)) ** 0.5  # variances of the two columns
    assert found.distance_unit.mean == pytest.approx(2**0.5 / 3)
    assert found.distance_unit.median == pytest.approx(0.0, abs=1e-6)
    assert found.distance_spread.mean == pytest.approx((1 + 1 + 5**0.5) / 3 / typical)
    assert found.distance_spread.median == pytest.approx(1 / typical)
    for counts, places in ((found.histogram_unit, {0: 2, 28: 1}), (found.histogram_spread, {11: 2, 25: 1})):
        assert {place: count for place, count in enumerate(counts) if count} == places
