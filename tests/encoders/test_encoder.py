import pytest
import torch
from torch import nn

from contrascope.encoders.build import BUILT_IN, build_encoder, wrap_encoder
from contrascope.encoders.encoder import Encoder, pooled
from contrascope.encoders.settings import EncoderSettings
from contrascope.errors import InputError


def images(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


each_built_in = pytest.mark.parametrize("name", BUILT_IN)
SMALL = {"resnet18": 8, "resnet34": 8, "resnet50": 8, "convnet": 8, "vit-tiny": 12}


@each_built_in
@pytest.mark.parametrize(("channels", "size"), [(1, 8), (3, 32)])
def test_every_built_in_encoder_tells_images_apart_and_gives_dim_numbers_each(name, channels, size):
    encoder = build_encoder(
        EncoderSettings(name=name, width=SMALL[name]), channels=channels, size=size
    ).eval()
    batch = images(3, channels, size, size)
    h = encoder(batch)
    assert h.shape == (3, encoder.dim)
    assert (h[0] - h[1]).abs().max() > 1e-4
    torch.testing.assert_close(encoder(batch[1:2])[0], h[1], rtol=1e-4, atol=1e-5)


@each_built_in
def test_gradients_reach_every_parameter(name):
    encoder = build_encoder(EncoderSettings(name=name, width=SMALL[name]), channels=3, size=32)
    weights = images(encoder.dim, seed=1)
    (encoder(images(4, 3, 32, 32)) @ weights).square().sum().backward()
    for key, parameter in encoder.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.abs().max() > 0, key


def test_images_are_normalised_by_channel():
    encoder = Encoder(nn.Identity(), size=1, mean=(0.5, 0.25), std=(0.5, 2.0))
    h = encoder(torch.tensor([1.0, 0.75]).view(1, 2, 1, 1))
    assert h.tolist() == [[1.0, 0.25]]


def test_mean_and_std_are_saved_with_the_weights():
    encoder = build_encoder(
        EncoderSettings(name="convnet", width=4, mean=(0.1,), std=(0.2,)), channels=1, size=8
    )
    other = build_encoder(EncoderSettings(name="convnet", width=4), channels=1, size=8)
    other.load_state_dict(encoder.state_dict())
    batch = images(2, 1, 8, 8)
    assert torch.equal(other.eval()(batch), encoder.eval()(batch))


def test_the_default_normalisation_of_colour_is_imagenets():
    encoder = build_encoder(EncoderSettings(name="convnet", width=4), channels=3, size=32)
    assert encoder.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    assert encoder.std.flatten().tolist() == pytest.approx([0.229, 0.224, 0.225])


def test_tokens_maps_and_model_outputs_are_pooled_as_stated():
    tokens = torch.tensor([[[1.0], [2.0], [6.0]]])
    assert pooled(tokens).tolist() == [[3.0]]
    assert pooled(tokens, "cls").tolist() == [[1.0]]
    assert pooled(torch.tensor([[[[1.0, 3.0]]]])).tolist() == [[2.0]]
    output = {"last_hidden_state": tokens, "pooler_output": torch.tensor([[9.0]])}
    assert pooled(output).tolist() == [[9.0]]
    assert pooled(output, "mean").tolist() == [[3.0]]
    assert pooled({"last_hidden_state": tokens, "pooler_output": None}).tolist() == [[3.0]]


def test_resize_brings_images_to_the_networks_side():
    encoder = wrap_encoder(nn.Flatten(), size=8, resize=2)
    assert encoder.dim == 12
    left_dark = torch.cat([torch.zeros(1, 3, 8, 4), torch.ones(1, 3, 8, 4)], dim=3)
    h = encoder(left_dark).view(3, 2, 2)
    assert (h[..., 0] < 0.2).all()
    torch.testing.assert_close(h[..., 0] + h[..., 1], torch.ones(3, 2))


def test_the_dry_run_leaves_training_mode_and_running_statistics_alone():
    norm = nn.BatchNorm2d(3)
    encoder = wrap_encoder(norm, size=4, mean=(0.5,) * 3, std=(0.1,) * 3)
    assert encoder.training
    assert norm.training
    assert norm.running_mean.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(("size", "stride", "pooling"), [(32, 1, "Identity"), (96, 2, "MaxPool2d")])
def test_the_stem_follows_the_image_side(size, stride, pooling):
    trunk = build_encoder(EncoderSettings(width=4), channels=3, size=size).trunk
    assert trunk.conv1.stride == (stride, stride)
    assert type(trunk.maxpool).__name__ == pooling


def test_a_wrong_name_suggests_the_right_one():
    with pytest.raises(InputError, match=r"no encoder 'resnet81'. Did you mean 'resnet18'\?.*timm:NAME"):
        build_encoder(EncoderSettings(name="resnet81"), channels=3, size=32)


def test_other_channels_than_built_for_are_refused():
    encoder = build_encoder(EncoderSettings(name="convnet", width=4), channels=1, size=8)
    with pytest.raises(InputError, match="built for 1 channels; got images with 3"):
        encoder(images(2, 3, 8, 8))


def test_wrong_settings_are_refused_by_what_they_say():
    with pytest.raises(InputError, match=r"one number for each of the 1 channels; got \(0.1, 0.2\)"):
        build_encoder(EncoderSettings(name="convnet", mean=(0.1, 0.2)), channels=1, size=8)
    with pytest.raises(InputError, match="must be at least 1; got 3, 0"):
        build_encoder(EncoderSettings(), channels=3, size=0)
    with pytest.raises(
        InputError, match="no published weights for 'resnet18' here; use 'torchvision:resnet18'"
    ):
        build_encoder(EncoderSettings(pretrained=True), channels=3, size=32)
    with pytest.raises(InputError, match="std above 0"):
        Encoder(nn.Flatten(), size=1, mean=(0.0,), std=(0.0,))
    with pytest.raises(InputError, match="got shape \\(3,\\)"):
        pooled(torch.zeros(3))


def test_an_encoder_that_cannot_take_the_size_says_so():
    with pytest.raises(InputError, match=r"does not take 3 x 8 x 8 images: .* Set `resize`"):
        wrap_encoder(nn.Sequential(nn.Flatten(), nn.Linear(5, 2)), size=8)
