import pytest
import torch
from scipy import stats

from contrascope.augment.warp import Affine, Elastic
from contrascope.draws import DrawKey
from contrascope.errors import InputError

FULL = {"degrees": 40.0, "translate": 0.2, "scale": (0.7, 1.4), "shear": 20.0}


def key(count):
    return DrawKey(seed=2, epoch=0, ids=torch.arange(count))


@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 9, 14)])
def test_an_affine_map_equals_torchvisions(tv, pictures, shape):
    images, op = pictures(12, *shape), Affine(**FULL)
    params = op.draw(key(12), shape)
    ours = op.apply(images, params)
    for n, image in enumerate(images):
        expected = tv.functional.affine(
            image,
            angle=params["angle"][n].item(),
            translate=params["translate"][n].tolist(),
            scale=params["scale"][n].item(),
            shear=[params["shear"][n].item(), 0.0],
            interpolation=tv.InterpolationMode.BILINEAR,
        )
        assert (ours[n] - expected).abs().max() < 1e-4


def test_affine_parameters_are_distributed_as_torchvisions(tv):
    params = Affine(**FULL).draw(key(2000), (3, 20, 41))
    reference = tv.RandomAffine(40.0, (0.2, 0.2), (0.7, 1.4), 20.0)
    torch.manual_seed(0)
    drawn = [reference.make_params([torch.zeros(3, 20, 41)]) for _ in range(2000)]
    for name in ("angle", "scale"):
        assert stats.ks_2samp(params[name].numpy(), [d[name] for d in drawn]).pvalue > 1e-3
    assert stats.ks_2samp(params["shear"].numpy(), [d["shear"][0] for d in drawn]).pvalue > 1e-3
    for axis in (0, 1):
        theirs = [d["translate"][axis] for d in drawn]
        assert stats.ks_2samp(params["translate"][:, axis].numpy(), theirs).pvalue > 1e-3


def test_a_quarter_turn_by_hand():
    images = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    params = {
        "on": torch.tensor([True]),
        "angle": torch.tensor([90.0]),
        "shear": torch.zeros(1),
        "scale": torch.ones(1),
        "translate": torch.zeros(1, 2),
    }
    turned = Affine(degrees=90.0).apply(images, params)  # clockwise on the screen, as torchvision's affine
    assert turned.round(decimals=5)[0, 0].abs().tolist() == [[0.0, 1.0], [0.0, 0.0]]


def test_an_elastic_deformation_equals_torchvisions(tv, pictures):
    images, op = pictures(6, 3, 12, 15), Elastic(alpha=30.0, sigma=1.5, p=1.0)
    params = op.draw(key(6), (3, 12, 15))
    ours = op.apply(images, params)
    for image, displacement, got in zip(images, params["displacement"], ours, strict=True):
        expected = tv.functional.elastic(image, displacement[None])
        assert (got - expected).abs().max() < 1e-4
        assert (got - image).abs().max() > 0.02


def test_displacements_are_distributed_as_torchvisions(tv):
    op = Elastic(alpha=8.0, sigma=1.0)
    ours = op.draw(key(400), (1, 9, 13))["displacement"]
    torch.manual_seed(0)
    reference = tv.ElasticTransform(8.0, 1.0)
    theirs = torch.cat([reference.make_params([torch.zeros(1, 9, 13)])["displacement"] for _ in range(400)])
    for y, x, axis in [(0, 0, 0), (4, 6, 1), (4, 6, 0), (8, 12, 1)]:
        assert stats.ks_2samp(ours[:, y, x, axis].numpy(), theirs[:, y, x, axis].numpy()).pvalue > 1e-3
    pairs = [(t[:, 4, 6, 0] * t[:, 4, 7, 0]).mean() / t[:, 4, 6, 0].var() for t in (ours, theirs)]
    assert abs(pairs[0] - pairs[1]) < 0.15


def test_a_negative_rotation_range_is_refused():
    with pytest.raises(InputError, match="negative amount or a shear of 90 degrees"):
        Affine(degrees=-3.0)
