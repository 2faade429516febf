import sys
import types

import pytest
import torch
from torch import nn

from contrascope.encoders import foreign
from contrascope.encoders.foreign import Foreign, FunctionEncoder
from contrascope.encoders.named import named_encoder, named_twin
from contrascope.encoders.twin import weights_hash
from contrascope.errors import InputError


def both(name, channels=3, size=8):
    encoder = named_encoder(name, channels=channels, size=size)
    return encoder, named_twin(name, encoder, channels=channels, size=size)


def test_a_name_of_ours_is_drawn_from_fixed_seeds_and_its_twin_from_another():
    torch.manual_seed(1)
    state = torch.random.get_rng_state()
    one, twin = both("convnet")
    torch.manual_seed(2)
    other, again = both("convnet")
    assert weights_hash(one) == weights_hash(other) != weights_hash(twin) == weights_hash(again)
    torch.manual_seed(1)
    both("convnet")
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not twin.training


def test_the_twin_sees_images_as_the_published_weights_do(monkeypatch):
    def published(name, *, channels, pretrained):
        trunk = nn.Conv2d(channels, 4, 3)
        return (
            Foreign(trunk=trunk, mean=(0.1, 0.2, 0.3), std=(0.7, 0.8, 0.9))
            if pretrained
            else Foreign(trunk=trunk)
        )

    monkeypatch.setattr(foreign, "timm_encoder", published)
    encoder, twin = both("timm:any")
    assert torch.equal(twin.mean, encoder.mean)
    assert torch.equal(twin.std, encoder.std)
    assert not torch.equal(twin.trunk.weight, encoder.trunk.weight)


class Pooled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)
        self.config = types.SimpleNamespace(num_channels=3)

    def forward(self, pixel_values):
        tokens = self.layer(pixel_values.mean(dim=(2, 3)))[:, None]
        return {"last_hidden_state": tokens, "pooler_output": tokens[:, 0]}


@pytest.mark.parametrize("missing", [["pooler.dense.weight"], []])
def test_the_twin_pools_as_the_encoder_does(monkeypatch, missing):
    fake = types.ModuleType("transformers")
    fake.AutoModel = types.SimpleNamespace(
        from_pretrained=lambda name, **how: (Pooled(), {"missing_keys": missing}),
        from_config=lambda config, **how: Pooled(),
    )
    fake.AutoConfig = types.SimpleNamespace(from_pretrained=lambda name, **how: None)
    monkeypatch.setitem(sys.modules, "transformers", fake)
    encoder, twin = both("hf:some/model")
    assert encoder.trunk.use_pooler == twin.trunk.use_pooler == (not missing)


class Loads(nn.Module):
    """Reads the same weights whenever it is built."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 2, 1)
        nn.init.constant_(self.conv.weight, 3)

    def forward(self, images):
        return self.conv(images).mean(dim=(2, 3))


class NeedsDepth(Loads):
    def __init__(self, channels: int, depth: int) -> None:
        super().__init__(channels)


def means(images):
    return images.mean(dim=(2, 3))


def makes_a_function(channels):
    return means


@pytest.fixture
def theirs(monkeypatch):
    module = types.ModuleType("their_encoders")
    for thing in (Loads, NeedsDepth, means, makes_a_function):
        setattr(module, thing.__name__, thing)
    module.ready = Loads(3)
    monkeypatch.setitem(sys.modules, "their_encoders", module)


@pytest.mark.usefixtures("theirs")
@pytest.mark.parametrize("name", ["Loads", "ready"])
def test_weights_that_an_import_path_brings_along_are_drawn_anew(name):
    encoder, twin = both(f"their_encoders:{name}")
    assert (encoder.trunk.conv.weight == 3).all()
    assert twin.trunk.conv.weight.abs().max() < 1
    assert weights_hash(both(f"their_encoders:{name}")[1]) == weights_hash(twin)


@pytest.mark.usefixtures("theirs")
@pytest.mark.parametrize("name", ["means", "makes_a_function"])
def test_a_function_of_images_is_an_encoder_without_a_twin(name):
    encoder, twin = both(f"their_encoders:{name}")
    assert isinstance(encoder.trunk, FunctionEncoder)
    assert (encoder.dim, twin) == (3, None)


@pytest.mark.usefixtures("theirs")
def test_a_class_that_needs_more_than_is_offered_is_refused():
    with pytest.raises(InputError, match="needs depth; only channels and size are offered"):
        both("their_encoders:NeedsDepth")
