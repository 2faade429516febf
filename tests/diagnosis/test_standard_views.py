"""Standard views: the same for every encoder, mild, and of what the images allow."""

import pytest
import torch

from contrascope.augment.views import make_views
from contrascope.diagnosis.standard_views import shuffled_pixels, standard_policies
from contrascope.draws import PROBE_EPOCH

BOTH = "crop and colour"


def pictures(channels, count=32, side=16):
    source = torch.Generator().manual_seed(channels)
    coarse = torch.rand(count, channels, 4, 4, generator=source)
    smooth = torch.nn.functional.interpolate(coarse, size=side, mode="bilinear", align_corners=False)
    return (255 * smooth).round().to(torch.uint8)


def views(policy, channels):
    pixels = pictures(channels)
    return make_views(pixels, policy, ids=torch.arange(32), seed=0, epoch=PROBE_EPOCH, num_views=2)[0]


@pytest.mark.parametrize(
    ("channels", "names"),
    [
        (3, ["crop", "colour", BOTH, "affine"]),
        (1, ["crop", "colour", BOTH, "affine"]),
        (2, ["crop", "affine"]),
        (4, ["crop", "affine"]),
    ],
)
def test_every_policy_changes_images_mildly_and_keeps_their_shape(channels, names):
    found = standard_policies(channels)
    assert list(found) == names
    plain = pictures(channels).float() / 255
    for name, policy in found.items():
        assert policy.name == name
        both = views(policy, channels)
        assert both.shape == (2, 32, channels, 16, 16)
        assert both.isfinite().all()
        assert -1e-6 <= both.min() <= both.max() <= 1 + 1e-6
        assert (both[0] != both[1]).flatten(1).any(dim=1).all()
        # a view is nearer to its image than to the next one, as a median: the image is still there
        own = (both[0] - plain).square().flatten(1).mean(dim=1)
        other = (both[0] - plain.roll(1, dims=0)).square().flatten(1).mean(dim=1)
        assert (own < other).double().mean() > 0.5


def test_the_same_every_time():
    one, other = (views(standard_policies(3)[BOTH], 3) for _ in range(2))
    assert torch.equal(one, other)


def test_shuffled_pixels_keep_every_colour_and_no_form():
    images = pictures(3).float() / 255
    found = shuffled_pixels(images)
    assert found.shape == images.shape
    for image, mixed in zip(images, found, strict=True):
        assert torch.equal(
            torch.unique(image.flatten(1).T, dim=0), torch.unique(mixed.flatten(1).T, dim=0)
        )  # pixels move whole: their channels stay together
    assert torch.equal(found, shuffled_pixels(images))
    assert not torch.equal(found, shuffled_pixels(images, seed=1))
    steps = (images[..., 1:] - images[..., :-1]).abs().mean()
    assert (found[..., 1:] - found[..., :-1]).abs().mean() > 2 * steps


def test_each_image_has_an_order_of_its_own():
    one = torch.arange(64.0).view(1, 1, 8, 8).repeat(5, 1, 1, 1)
    assert len(torch.unique(shuffled_pixels(one).flatten(1), dim=0)) == 5
