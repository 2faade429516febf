"""The generator at any side, the discriminator's layers and their singular values."""

from dataclasses import replace

import pytest
import torch
from bigan_cases import FULL, bigan, drawn, settled, turns
from torch.nn.utils import parametrize

from contrascope.encoders.build import build_encoder
from contrascope.encoders.settings import EncoderSettings
from contrascope.methods.adversarial.discriminator import PairDiscriminator, SpectralNorm
from contrascope.methods.adversarial.generator import ImageGenerator


@pytest.mark.parametrize("side", [(1, 1), (5, 7), (8, 8), (9, 9), (24, 24), (25, 40)])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_images_of_any_side_and_number_of_channels_are_made_and_scored(side, channels):
    torch.manual_seed(0)
    generator = ImageGenerator(widths=(8, 6, 4), latents=5, channels=channels, grid=3)
    discriminator = PairDiscriminator(channels=channels, latents=5, width=2)
    z = torch.randn(4, 5)
    images = generator(z, side)
    assert images.shape == (4, channels, *side)
    assert images.min() >= 0
    assert images.max() <= 1
    assert images.flatten(1).var(dim=0).max() > 0
    assert discriminator(images, z).shape == (4, 1)


def test_the_maps_of_24_px_are_of_3_6_12_and_24(monkeypatch):
    seen = []
    network = ImageGenerator(widths=(8, 6, 4), latents=5, channels=3, grid=3)
    for unit in network.units:
        unit.register_forward_hook(lambda _, inputs, out: seen.append((inputs[0].shape[1:], out.shape[1:])))
    network.norm.register_forward_hook(lambda _, inputs, out: seen.append(out.shape[1:]))
    network(torch.zeros(2, 5), (24, 24))
    assert seen == [
        (8, 3, 3),
        ((8, 6, 6), (6, 6, 6)),
        ((6, 12, 12), (4, 12, 12)),
        ((4, 24, 24), (3, 24, 24)),
    ]


@pytest.mark.parametrize(("size", "grid"), [(24, 6), (32, 8), (9, 3)])
def test_the_grid_follows_the_encoders_side_unless_it_is_set(size, grid):
    encoder = build_encoder(EncoderSettings(name="convnet", width=4), channels=3, size=size)
    assert bigan(encoder=encoder, grid=None).generator.grid == grid
    assert bigan(encoder=encoder, grid=5).generator.grid == 5
    assert bigan(grid=None).generator.grid == 4


@pytest.mark.parametrize("side", [5, 8, 11])
def test_views_of_another_side_than_the_encoders_are_taken(side):
    encoder = build_encoder(EncoderSettings(name="convnet", width=4), channels=3, size=8)
    method = bigan(encoder=encoder, grid=None, batch_norm=True, **FULL)
    views = drawn(method, channels=3)
    images = torch.rand(1, 16, 3, side, side)
    for one in turns(method, replace(views, groups=(images,))):
        output = method(one)
        output.terms.total.backward()
        assert output.h.shape == (1, 16, 32)


def test_a_singular_value_is_found_and_the_layer_divided_by_it():
    torch.manual_seed(0)
    weight = torch.randn(4, 3, 3, 3, dtype=torch.float64)
    norm = SpectralNorm(weight)
    for _ in range(300):
        norm.iterate(weight)
    largest = torch.linalg.matrix_norm(weight.flatten(1), 2)
    torch.testing.assert_close(norm(weight), weight / largest)
    assert norm(torch.zeros_like(weight)).abs().max() == 0


def test_every_layer_of_the_discriminator_has_norm_one_or_none_has():
    method = settled(bigan(**FULL))
    layers = [one for one in method.discriminator.modules() if parametrize.is_parametrized(one)]
    assert len(layers) == 3 + 2 + 2 + 2
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=1e-4)
    free = bigan(spectral_norm=False)
    assert not any(parametrize.is_parametrized(one) for one in free.discriminator.modules())
    for one in turns(free, drawn(free)):
        free(one).terms.total.backward()
    free.after_step(0.0)


def test_a_score_does_not_depend_on_how_often_the_discriminator_has_run():
    method = bigan(**FULL)
    images, z = torch.rand(3, 1, 6, 6), torch.randn(3, 5)
    first = method.discriminator(images, z)
    assert torch.equal(method.discriminator(images, z), first)
    torch.testing.assert_close(method.discriminator(images[1:2], z[1:2]), first[1:2])


def test_bf16_scores_are_close_and_the_loss_is_in_single_precision():
    method = bigan(**FULL)
    for one in turns(method, drawn(method)):
        expected = method(one).terms
        with torch.autocast("cpu", dtype=torch.bfloat16):
            terms = method(one).terms
        assert terms.total.dtype == torch.float32
        torch.testing.assert_close(terms.total, expected.total, rtol=0.02, atol=0.02)
