import pytest
import torch
from scipy import stats

from contrascope.augment.crop import RandomResizedCrop
from contrascope.augment.resample import triangle_taps
from contrascope.draws import DrawKey
from contrascope.errors import InputError


def key(count, **parts):
    return DrawKey(**({"seed": 0, "epoch": 0, "ids": torch.arange(count)} | parts))


@pytest.mark.parametrize("size", [None, 5, 32])
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 17, 40), (3, 45, 23)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_a_crop_equals_torchvisions(tv, pictures, size, shape, dtype):
    images = pictures(24, *shape, dtype=dtype)
    op = RandomResizedCrop(size=size)
    params = op.draw(key(24), shape)
    ours = op.sample(images, torch.arange(24), params["box"], None)
    out = list(op.output_shape(shape)[1:])
    for image, box, got in zip(images, params["box"].tolist(), ours, strict=True):
        expected = tv.functional.resized_crop(image, *box, out, antialias=True)
        expected = expected / 255 if dtype == torch.uint8 else expected
        # bytes: torchvision's integer resize rounds weights and result
        assert (got - expected).abs().max() <= (1.01 / 255 if dtype == torch.uint8 else 1e-5)


def test_boxes_are_distributed_as_torchvisions(tv):
    op, count = RandomResizedCrop(), 3000
    boxes = op.draw(key(count), (3, 30, 61))["box"].float()
    reference = tv.RandomResizedCrop(8)
    torch.manual_seed(0)
    image = torch.zeros(3, 30, 61)
    drawn = [reference.make_params([image]) for _ in range(count)]
    other = torch.tensor([[d["top"], d["left"], d["height"], d["width"]] for d in drawn]).float()
    for ours, theirs in zip(boxes.T, other.T, strict=True):
        assert stats.ks_2samp(ours.numpy(), theirs.numpy()).pvalue > 1e-3


def test_when_no_try_fits_the_central_box_of_allowed_ratio_is_taken():
    op = RandomResizedCrop(scale=(1.0, 1.0), ratio=(1.0, 1.0))
    assert op.draw(key(2), (3, 10, 20))["box"].tolist() == [[0, 5, 10, 10]] * 2
    assert op.draw(key(2), (3, 21, 10))["box"].tolist() == [[5, 0, 10, 10]] * 2


def test_the_whole_box_returns_the_image(pictures):
    images = pictures(2, 3, 7, 9)
    box = torch.tensor([[0, 0, 7, 9]] * 2)
    assert torch.equal(RandomResizedCrop().apply(images, {"box": box}), images)


def test_a_row_of_two_pixels_becomes_four_by_hand():
    images = torch.tensor([[[[0.0, 1.0]]]])
    got = RandomResizedCrop(size=4).apply(images, {"box": torch.tensor([[0, 0, 1, 2]])})
    assert got[0, 0, 0].tolist() == [0.0, 0.25, 0.75, 1.0]


def test_mirroring_within_the_sampling_is_mirroring_after_it(pictures):
    images, op = pictures(6, 3, 16, 16, dtype=torch.uint8), RandomResizedCrop(size=9)
    box, source = op.draw(key(6), (3, 16, 16))["box"], torch.arange(6)
    flip = torch.tensor([True, False] * 3)
    plain, mirrored = op.sample(images, source, box, None), op.sample(images, source, box, flip)
    assert torch.equal(mirrored[1::2], plain[1::2])
    assert torch.equal(mirrored[::2], plain[::2].flip(3))


@pytest.mark.parametrize(("full", "out"), [(9, 9), (9, 20), (50, 7), (33, 32), (8, 1)])
def test_taps_add_up_to_one_and_stay_in_the_box(full, out):
    length = torch.arange(1, full + 1)
    start = (full - length) // 2
    index, weight = triangle_taps(start, length, full=full, out=out)
    assert torch.allclose(weight.sum(0), torch.ones(full, out))
    assert bool((index >= start[:, None]).all())
    assert bool((index < (start + length)[:, None]).all())


def test_nonsense_settings_are_refused():
    with pytest.raises(InputError, match=r"scale is \(0.5, 2.0\)"):
        RandomResizedCrop(scale=(0.5, 2.0))
    with pytest.raises(InputError, match="size is 0; expected a side of at least 1 pixel"):
        RandomResizedCrop(size=0)
    with pytest.raises(InputError, match=r"p is 1.5; expected a probability"):
        RandomResizedCrop(p=1.5)


@pytest.mark.parametrize("box", [[-1, 0, 4, 4], [0, 0, 4, 0], [0, 5, 4, 4], [6, 0, 3, 4]])
def test_a_box_outside_the_image_is_refused(pictures, box):
    images = pictures(2, 3, 8, 8)
    boxes = torch.tensor([[0, 0, 8, 8], box])
    with pytest.raises(InputError, match=r"the box of image 1 is .* in an image of 8 x 8 pixels"):
        RandomResizedCrop().apply(images, {"box": boxes, "on": torch.tensor([True, True])})
