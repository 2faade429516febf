"""The geometry of networks: projectors folded to matrices, planted invariances found, bad input refused."""

import math

import pytest
import torch
from torch import nn

from contrascope import linalg
from contrascope.augment.policy import to_float
from contrascope.data.imageset import InMemoryImages
from contrascope.diagnosis.exhibits import Networks
from contrascope.diagnosis.folding import affine_layers
from contrascope.diagnosis.geometry import feature_geometry
from contrascope.diagnosis.operation_rows import operation_rows
from contrascope.diagnosis.settings import GeometryProbeSettings, GeometrySettings
from contrascope.encoders.projector import build_projector
from contrascope.encoders.settings import ProjectorSettings
from contrascope.errors import InputError
from contrascope.geometry.spans import column_space, unexplained

QUICK = GeometrySettings(images=64, draws=0, points=16, paths=16, subspace=8, directions=4)


def normal(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def projector(*, hidden=(), batch_norm=False, batch_norm_out=False, in_dim=6, out=3):
    torch.manual_seed(0)
    made = build_projector(
        ProjectorSettings(hidden=hidden, out=out, batch_norm=batch_norm, batch_norm_out=batch_norm_out),
        in_dim,
    )
    made.train()
    for k in range(3):
        made(normal(k, 20, in_dim))
    return made.eval()


@pytest.mark.parametrize("hidden", [(), (8,), (8, 5)])
@pytest.mark.parametrize("norms", [(False, False), (True, False), (True, True)])
def test_folded_layers_give_the_projector(hidden, norms):
    made = projector(hidden=hidden, batch_norm=norms[0], batch_norm_out=norms[1])
    layers = affine_layers(made)
    assert layers is not None
    assert len(layers) == len(hidden) + 1
    rows = normal(9, 12, 6)
    ours = rows.double()
    for place, layer in enumerate(layers):
        ours = (ours.clamp(min=0) if place else ours) @ layer.weight.T + layer.bias
    assert torch.allclose(ours, made(rows).double(), atol=1e-5)


class Doubled(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, rows):
        return self.layer(self.layer(rows))


@pytest.mark.parametrize(
    "module",
    [
        None,
        nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 3)),
        nn.Sequential(nn.Linear(6, 3), nn.ReLU()),
        Doubled(),
    ],
)
def test_what_is_no_relu_network_is_not_folded(module):
    assert affine_layers(module) is None


class SmallGelu(nn.Module):
    """Two linear layers with a GELU that no module shows."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(6, 6, bias=False), nn.Linear(6, 6, bias=False)
        for layer in (self.one, self.two):
            nn.init.normal_(layer.weight, std=1e-3)

    def forward(self, rows):
        return self.two(torch.nn.functional.gelu(self.one(rows)))


def test_folding_asks_for_agreement_relative_to_the_outputs_and_their_precision():
    torch.manual_seed(0)
    assert affine_layers(SmallGelu()) is None
    assert affine_layers(nn.Linear(6, 3).bfloat16()) is not None
    assert affine_layers(nn.BatchNorm1d(6, affine=False)) is not None


def test_a_linear_projector_is_measured_by_its_matrix():
    made, h = projector(), normal(1, 2, 80, 6)
    z = made(h.flatten(0, 1)).view(2, 80, 3).detach()
    found = feature_geometry(h, z, projector=made, labels={"y": torch.arange(80) % 2}, settings=QUICK)
    assert found.projector is not None
    assert found.projector.depth == 0
    assert found.projector.distinct == 1
    assert found.projector.matrix.relative == 3
    assert found.projector.local_relative is None
    weight = made.layers[0].weight.detach()
    assert list(found.projector.matrix.singular_values) == pytest.approx(
        torch.linalg.svdvals(weight).tolist(), rel=1e-5
    )
    assert 0 < found.negatives.unexplained < 1
    assert found.negatives.unexplained_chance == 0.5
    assert 0.2 < found.negatives.sharing["y"].value < 0.8
    assert found.negatives.chance["y"] == pytest.approx(39 / 79)
    assert sum(found.negatives.histogram_unit) == 80
    assert found.loss.upper_bound - found.loss.loss == pytest.approx(found.loss.gap)
    assert found.augmented.relative == 6


def test_an_mlp_is_measured_by_its_jacobians_and_its_pieces():
    made, h = projector(hidden=(10,)), normal(2, 2, 40, 6)
    z = made(h.flatten(0, 1)).view(2, 40, 3).detach()
    found = feature_geometry(h, z, projector=made, clean=h[0], settings=QUICK)
    assert found.projector.depth == 1
    assert found.projector.matrix is None
    assert 1 <= found.projector.local_relative.mean <= 3
    assert found.projector.dimension == pytest.approx(found.projector.local_relative.mean)
    assert 10 < found.projector.distinct <= 40
    assert found.projector.crossed.mean > 2
    assert found.negatives.unexplained is None
    assert 0 < found.negatives.unexplained_local < 1
    assert 1 - 3 / 6 <= found.negatives.unexplained_chance < 1
    assert found.clean == found.augmented


def test_without_a_projector_the_encoder_chooses_the_negatives():
    found = feature_geometry(normal(3, 2, 30, 4), None, settings=QUICK)
    assert found.projector is None
    assert found.negatives.unexplained is None


@pytest.mark.parametrize("hidden", [(), (8,)])
def test_memory_grows_with_the_images_and_not_with_their_square(hidden, largest_tensor, monkeypatch):
    monkeypatch.setattr(linalg, "BLOCK_FLOATS", 1 << 18)
    made = projector(hidden=hidden)
    largest = []
    for count in (1500, 3000):
        h = normal(1, 2, count, 6)
        z = made(h.flatten(0, 1)).view(2, count, -1).detach()
        labels = {"label": torch.arange(count) % 7}
        with largest_tensor() as seen:
            feature_geometry(h, z, projector=made, clean=h[0], labels=labels, settings=QUICK)
        largest.append(seen.largest)
    assert largest[1] <= 2 * largest[0] < 1500 * 2 * 1500


def test_a_collapsed_encoder_is_numbers_and_not_nan():
    found = feature_geometry(
        torch.ones(2, 30, 6), torch.ones(2, 30, 3), projector=projector(), settings=QUICK
    )
    assert found.loss.gap == pytest.approx(0.0, abs=1e-6)
    assert found.negatives.distance_spread.mean == 0.0
    assert found.negatives.unexplained == 0.0
    assert found.augmented.relative == 1


class MeanAndRest(nn.Module):
    """Brightness of the image first, then the horizontal profile of its brightness over that."""

    def forward(self, images):
        mean = images.mean(dim=(1, 2, 3))[:, None]
        return torch.cat([mean, images.mean(dim=(1, 2)) / mean], dim=1)


class Drop(nn.Module):
    def forward(self, h):
        return h[:, 1:]


def images(count=120):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(40, 150, (count, 3, 8, 8), generator=generator, dtype=torch.uint8)
    return InMemoryImages(images=pixels)


def test_a_projector_that_forgets_brightness_removes_its_direction_and_no_other():
    weight = torch.eye(9)[1:]
    linear = nn.Linear(9, 8, bias=False)
    linear.weight.data = weight
    subject = Networks(encoder=MeanAndRest(), projector=linear)
    names = ("brightness", "shift")
    found = {row.name: row for row in operation_rows(subject, images(), names=names, settings=QUICK)}
    bright, shift = found["brightness"], found["shift"]
    assert bright.removed == pytest.approx(1.0, abs=1e-3)
    assert bright.layers["z"].moved < 1e-6 < bright.layers["h"].moved
    assert bright.generator.seen < 0.1
    assert bright.generator.explained > 0.9
    assert bright.derivative.cosine > 0.99
    assert bright.derivative.removed == pytest.approx(1.0, abs=1e-6)
    variances = MeanAndRest()(to_float(images().images)).var(dim=0)
    assert bright.derivative.variance_share == pytest.approx(
        (variances[0] / variances.sum()).item(), rel=1e-3
    )
    assert shift.removed < 0.5
    assert shift.layers["z"].moved > 0.1
    assert shift.derivative is None
    assert bright.removed_chance == pytest.approx(1 / 9)


def test_an_operation_that_changes_nothing_has_no_numbers_but_that():
    gray = images().images[:, :1].expand(-1, 3, -1, -1).contiguous()
    linear = nn.Linear(9, 4, bias=False)
    subject = Networks(encoder=MeanAndRest(), projector=linear)
    asked = {"names": ("saturation", "hue", "gray", "brightness"), "settings": QUICK}
    *still, bright = operation_rows(subject, InMemoryImages(images=gray), **asked)
    for row in still:
        assert row.layers["h"].moved < 1e-6
        assert row.layers["h"].directions == 0
        assert (row.removed, row.generator, row.derivative, row.angles) == (None, None, None, ())
    assert bright.removed is not None


def test_rows_are_the_same_for_any_batch_and_name_themselves_first():
    subject, heard = Networks(encoder=MeanAndRest()), []
    one = list(operation_rows(subject, images(), settings=QUICK, names=("hue", "flip"), tell=heard.append))
    other = list(operation_rows(subject, images(), settings=QUICK, names=("hue", "flip"), batch_size=7))
    assert heard == ["hue", "flip"]
    for a, b in zip(one, other, strict=True):
        assert a.layers["h"].moved == pytest.approx(b.layers["h"].moved, rel=1e-4, abs=1e-9)
    assert one[1].generator is None
    assert one[0].removed is None


def test_a_column_of_the_picture_agrees_with_the_pure_function():
    linear = nn.Linear(9, 2, bias=False)
    subject = Networks(encoder=MeanAndRest(), projector=linear)
    (row,) = operation_rows(subject, images(), names=("flip",), settings=QUICK)
    pixels = images().images.float() / 255
    shift = (MeanAndRest()(pixels.flip(3)) - MeanAndRest()(pixels)).detach()
    expected = unexplained(shift, column_space(linear.weight.detach().T))
    assert row.removed == pytest.approx(expected, abs=1e-5)


def test_wrong_input_is_refused():
    with pytest.raises(InputError, match="needs 2 views"):
        feature_geometry(torch.ones(1, 5, 2), None)
    with pytest.raises(InputError, match="z: row 0 holds"):
        feature_geometry(torch.full((2, 5, 2), math.nan), None, settings=QUICK)
    with pytest.raises(InputError, match="at least 4"):
        list(operation_rows(Networks(encoder=MeanAndRest()), images(3), settings=QUICK))
    with pytest.raises(InputError, match="geometry directions is 0"):
        GeometrySettings(directions=0)
    with pytest.raises(InputError, match="geometry beta is -1"):
        GeometrySettings(beta=-1.0)
    with pytest.raises(InputError, match=r"geometry\.times is -1"):
        GeometryProbeSettings(times=-1)
