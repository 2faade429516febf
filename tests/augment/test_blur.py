import pytest
import torch

from contrascope.augment.blur import GaussianBlur, gaussian, smooth
from contrascope.draws import DrawKey
from contrascope.errors import InputError


@pytest.mark.parametrize("kernel_size", [1, 3, 7])
@pytest.mark.parametrize("shape", [(3, 12, 19), (1, 8, 5)])
def test_a_blur_equals_torchvisions(tv, pictures, kernel_size, shape):
    images, op = pictures(9, *shape), GaussianBlur(kernel_size=kernel_size, p=1.0)
    params = op.draw(DrawKey(seed=0, epoch=0, ids=torch.arange(9)), shape)
    ours = op.apply(images, params)
    for image, sigma, got in zip(images, params["sigma"].tolist(), ours, strict=True):
        expected = tv.functional.gaussian_blur(image, kernel_size, sigma)
        assert (got - expected).abs().max() < 2e-6


def test_a_kernel_wider_than_the_image_reflects_again_and_again():
    images = torch.tensor([[[[0.0, 1.0, 0.5]]]])
    weights = torch.tensor(
        [[0.0, 0.0, 0.0, 0.5]]
    )  # the mean of the pixels three to the left and to the right
    # the row goes on as ... 0.5 1 | 0 1 0.5 | 1 0 1 0.5: one pixel high, so only columns are reflected
    assert smooth(images, weights)[0, 0, 0].tolist() == [1.0, 0.25, 1.0]


def test_weights_are_a_normalised_gaussian():
    weights = gaussian(torch.tensor([0.7, 2.0]), 5)
    assert torch.allclose(weights[:, 0] + 2 * weights[:, 1:].sum(1), torch.ones(2))
    ratio = weights[:, 3] / weights[:, 0]
    assert torch.allclose(ratio, (-4.5 / torch.tensor([0.49, 4.0])).exp(), rtol=1e-4)


def test_the_kernel_defaults_to_a_tenth_of_the_side_made_odd(pictures):
    images = pictures(1, 1, 64, 64)
    params = {"on": torch.tensor([True]), "sigma": torch.tensor([9.0])}
    assert torch.equal(
        GaussianBlur().apply(images, params), GaussianBlur(kernel_size=7).apply(images, params)
    )


def test_an_even_kernel_is_refused():
    with pytest.raises(InputError, match="kernel_size is 4; expected an odd number"):
        GaussianBlur(kernel_size=4)
