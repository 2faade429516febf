"""Lightness by hand, encoders that see it alone, and their maps."""

import pytest
import torch
from torch import nn

from contrascope.encoders.build import build_encoder, wrap_encoder
from contrascope.encoders.encoder import Encoder
from contrascope.encoders.lightness import from_light, light, lightness_alone
from contrascope.encoders.settings import EncoderSettings
from contrascope.encoders.twin import random_twin, weights_hash
from contrascope.errors import InputError


def pictures(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def small(name="convnet", *, channels=3, **settings):
    torch.manual_seed(0)
    width = 12 if name == "vit-tiny" else 4
    return build_encoder(
        EncoderSettings(name=name, width=width, **settings), channels=channels, size=8
    ).eval()


def by_hand(red, green, blue):
    """The gray of a colour's luminance, by the standard's two formulas."""
    parts = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (red, green, blue)]
    y = 0.2126729 * parts[0] + 0.7151522 * parts[1] + 0.0721750 * parts[2]
    return 12.92 * y if y <= 0.0031308 else 1.055 * y ** (1 / 2.4) - 0.055


@pytest.mark.parametrize("colour", [(1, 0, 0), (0, 1, 0), (0.2, 0.7, 0.4), (0.01, 0.0, 0.02), (0, 0, 0)])
def test_a_colour_becomes_the_gray_of_its_luminance(colour):
    found = lightness_alone(torch.tensor(colour, dtype=torch.float64).view(1, 3, 1, 1)).flatten()
    assert found.tolist() == pytest.approx([by_hand(*colour)] * 3, abs=1e-6)


def test_gray_stays_and_light_goes_both_ways():
    gray = pictures(2, 1, 4, 4).expand(-1, 3, -1, -1).double()
    torch.testing.assert_close(lightness_alone(gray), gray, rtol=0, atol=1e-7)
    values = torch.linspace(0, 1, 101, dtype=torch.float64)
    torch.testing.assert_close(from_light(light(values)), values, rtol=0, atol=1e-6)


def test_gradients_are_finite_at_black_and_white():
    ends = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 3, 1, 1).clone().requires_grad_()
    lightness_alone(ends).sum().backward()
    assert ends.grad.isfinite().all()
    assert (ends.grad > 0).all()


def test_an_encoder_of_lightness_is_blind_to_colour_and_says_so():
    seeing, blind = small(), small(gray=True)
    batch = pictures(3, 3, 8, 8)
    colourless = lightness_alone(batch)
    torch.testing.assert_close(blind(batch), blind(colourless), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(blind(batch), seeing(colourless), rtol=1e-4, atol=1e-5)
    assert (seeing(batch) - seeing(colourless)).abs().max() > 1e-3
    assert weights_hash(seeing) != weights_hash(blind)  # features are stored by it
    assert random_twin(blind).gray


def test_gray_comes_before_the_resizing():
    blind = Encoder(nn.Identity(), size=4, mean=(0.0,) * 3, std=(1.0,) * 3, resize=2, gray=True)
    batch = pictures(1, 3, 4, 4)
    plain = Encoder(nn.Identity(), size=4, mean=(0.0,) * 3, std=(1.0,) * 3, resize=2)
    torch.testing.assert_close(blind(batch), plain(lightness_alone(batch)))
    assert (plain(batch) - blind(batch)).abs().max() > 1e-3


def test_gray_images_have_no_lightness_to_take_out():
    with pytest.raises(InputError, match=r"3 channels to gray; got 1. Leave it out"):
        small(channels=1, gray=True)
    with pytest.raises(InputError, match="colourisation, the method that asks for it"):
        small(channels=1, gray=True, mean=(0.5, 0.5, 0.5), std=(1.0, 1.0, 1.0))
    with pytest.raises(InputError, match="got 2"):
        Encoder(nn.Identity(), size=4, mean=(0.0,) * 2, std=(1.0,) * 2, gray=True)


@pytest.mark.parametrize(
    ("name", "side"), [("convnet", 2), ("resnet18", 1), ("resnet50", 1), ("vit-tiny", 8)]
)
def test_maps_average_to_h(name, side):
    encoder = small(name)
    batch = pictures(3, 3, 8, 8)
    maps = encoder.maps(batch)
    assert maps.shape == (3, encoder.dim, side, side)
    torch.testing.assert_close(maps.mean((2, 3)), encoder(batch), rtol=1e-5, atol=1e-6)


def test_a_token_stands_where_its_patch_does():
    encoder = small("vit-tiny", patch=2)
    tokens = encoder.trunk.encoded(encoder.trunk.tokens(encoder.prepared(batch := pictures(1, 3, 8, 8))))
    torch.testing.assert_close(encoder.maps(batch)[0, :, 1, 3], tokens[0, 4 + 3])


def test_a_network_without_maps_is_refused():
    with pytest.raises(InputError, match="Flatten gives no maps"):
        wrap_encoder(nn.Flatten(), size=2).maps(torch.zeros(2, 3, 2, 2))
