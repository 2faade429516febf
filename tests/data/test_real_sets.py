import time

import pytest
import torch

from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.data.stream import StreamedImages

pytestmark = pytest.mark.data


def opened(path, **more):
    return open_images(DataSettings(source=path, **more))


@pytest.mark.slow
def test_all_cifar_images_open_in_seconds(real):
    path = real("cifar10-jpeg")
    start = time.perf_counter()
    images = opened(path)
    assert time.perf_counter() - start < 60
    assert images.images.shape == (50000, 3, 32, 32)
    assert images.y[:5].tolist() == [6, 9, 9, 4, 1]
    assert images.class_names["label"][6] == "frog"
    mean = images.images[::10].double().mean((0, 2, 3)) / 255
    assert torch.allclose(mean, torch.tensor([0.4913, 0.4821, 0.4465]).double(), atol=0.01)


def test_jpeg_and_exact_cifar_show_the_same_images(real):
    exact = opened(real("cifar10-exact-5k"), split="test")
    jpeg = opened(real("cifar10-jpeg"), split="test").select(torch.arange(1000))
    error = (exact.images.double() - jpeg.images.double()).pow(2).mean()
    assert error.item() == pytest.approx(65.4, rel=0.1)
    assert torch.equal(exact.y, jpeg.y)


def test_tiny_imagenet_streams_its_gray_and_colour_images(real):
    path = real("tiny-imagenet-200")
    streamed = opened(path, split="validation", memory_budget_mb=20)
    assert isinstance(streamed, StreamedImages)
    assert streamed.shape == (3, 64, 64)
    assert torch.bincount(streamed.y).tolist() == [50] * 200
    order = torch.randperm(10000, generator=torch.Generator().manual_seed(0))[:512]
    images = torch.cat([images for _, images in streamed.batches(order, 128)])
    assert torch.equal(images, opened(path, split="validation").gather(order))
    assert (images[:, 0] == images[:, 1]).flatten(1).all(1).any()


def test_mnist_has_three_equal_channels_and_official_first_labels(real):
    images = opened(real("mnist"), split="test")
    assert images.y[:5].tolist() == [7, 2, 1, 0, 4]
    assert torch.equal(images.images[:, 0], images.images[:, 2])
