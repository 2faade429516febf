import pytest
import torch
from scipy import stats

from contrascope.augment.jitter import ColorJitter, Grayscale, Invert, Solarize
from contrascope.draws import DrawKey
from contrascope.errors import InputError

NAMES = ("brightness", "contrast", "saturation", "hue")


def key(count):
    return DrawKey(seed=1, epoch=0, ids=torch.arange(count))


def test_adjustments_follow_each_images_own_order_as_in_torchvision(tv, pictures):
    images, op = pictures(48, 3, 9, 11), ColorJitter.of_strength(1.0, p=0.8)
    params = op.draw(key(48), (3, 9, 11))
    before = images.clone()
    ours = op.apply(images, params)
    assert torch.equal(images, before)
    assert len(params["order"].unique(dim=0)) > 15
    for n, expected in enumerate(images):
        for number in params["order"][n].tolist() if params["on"][n] else []:
            adjust = getattr(tv.functional, f"adjust_{NAMES[number]}")
            expected = adjust(expected, params[NAMES[number]][n].item())
        assert (ours[n] - expected).abs().max() < 1e-5


def test_factors_and_orders_are_distributed_as_torchvisions(tv):
    op, count = ColorJitter(brightness=0.4, contrast=1.3, saturation=0.2, hue=0.1, p=0.8), 2400
    params = op.draw(key(count), (3, 8, 8))
    reference = tv.ColorJitter(0.4, 1.3, 0.2, 0.1)
    torch.manual_seed(0)
    drawn = [reference.make_params([]) for _ in range(count)]
    for name in NAMES:
        theirs = [d[f"{name}_factor"] for d in drawn]
        assert stats.ks_2samp(params[name].numpy(), theirs).pvalue > 1e-3
    _, counts = params["order"].unique(dim=0, return_counts=True)
    assert len(counts) == 24
    assert stats.chisquare(counts.numpy()).pvalue > 1e-3
    assert abs(params["on"].float().mean().item() - 0.8) < 0.03


def test_an_amount_of_zero_leaves_the_adjustment_out(pictures):
    images, op = pictures(8, 3, 5, 5), ColorJitter(brightness=0.5)
    params = op.draw(key(8), (3, 5, 5))
    expected = (images * params["brightness"][:, None, None, None]).clamp(0, 1)
    assert torch.equal(op.apply(images, params), expected)


def test_gray_images_keep_hue_and_saturation(pictures):
    images = pictures(8, 1, 5, 5)
    op = ColorJitter(saturation=0.9, hue=0.4)
    assert torch.equal(op.apply(images, op.draw(key(8), (1, 5, 5))), images)
    assert torch.equal(Grayscale(p=1.0).apply(images, {"on": torch.ones(8, dtype=torch.bool)}), images)


@pytest.mark.parametrize(
    ("op", "name"),
    [(Solarize(p=0.5), "solarize"), (Invert(p=0.5), "invert"), (Grayscale(p=0.5), "rgb_to_grayscale")],
)
def test_a_switched_operation_equals_torchvisions_where_on_and_nothing_elsewhere(tv, pictures, op, name):
    images = pictures(16, 3, 7, 5)
    params = op.draw(key(16), (3, 7, 5))
    arguments = {"solarize": {"threshold": 0.5}, "rgb_to_grayscale": {"num_output_channels": 3}}.get(name, {})
    changed = getattr(tv.functional, name)(images, **arguments)
    expected = torch.where(params["on"][:, None, None, None], changed, images)
    assert 0 < params["on"].sum() < 16
    assert (op.apply(images, params) - expected).abs().max() < 1e-6


def test_strange_channels_and_amounts_are_refused():
    with pytest.raises(InputError, match=r"ColorJitter got images with 4 channels; expected 1 \(gray\) or 3"):
        ColorJitter(hue=0.1).draw(key(1), (4, 8, 8))
    with pytest.raises(InputError, match=r"strength is 3.0; expected a number in \[0, 2.5\]"):
        ColorJitter.of_strength(3.0)
    with pytest.raises(InputError, match="negative amount"):
        ColorJitter(brightness=-0.1)
