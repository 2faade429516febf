import pytest
import torch
from scipy import stats

from contrascope.augment.occlusion import Cutout, GaussianNoise
from contrascope.draws import DrawKey
from contrascope.errors import InputError


def key(count):
    return DrawKey(seed=4, epoch=0, ids=torch.arange(count))


def test_a_cutout_equals_torchvisions_erase(tv, pictures):
    images, op = pictures(10, 3, 8, 11), Cutout(side=0.6, fill=0.25, p=1.0)
    params = op.draw(key(10), (3, 8, 11))
    for image, box, got in zip(images, params["box"].tolist(), op.apply(images, params), strict=True):
        assert torch.equal(got, tv.functional.erase(image, *box, torch.tensor(0.25)))


def test_every_pixel_is_the_centre_equally_often():
    box = Cutout(side=0.2, p=1.0).draw(key(3000), (1, 5, 5))["box"]  # a side of one pixel
    assert box[:, 2:].unique().item() == 1
    counts = (box[:, 0] * 5 + box[:, 1]).bincount(minlength=25)
    assert stats.chisquare(counts.numpy()).pvalue > 1e-3


def test_noise_is_normal_of_the_given_spread_and_clamped():
    op, images = GaussianNoise(sigma=0.05, p=1.0), torch.full((20, 3, 16, 16), 0.5)
    params = op.draw(key(20), (3, 16, 16))
    noise = (op.apply(images, params) - images).flatten() / 0.05
    assert stats.kstest(noise.numpy(), "norm").pvalue > 1e-3
    assert op.apply(torch.ones_like(images), params).max() == 1


def test_a_square_larger_than_the_image_is_refused():
    with pytest.raises(InputError, match=r"side is \(1.5, 1.5\)"):
        Cutout(side=1.5)
