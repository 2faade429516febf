import importlib
import sys
import types

import pytest
import torch
from torch import nn

from contrascope.encoders.build import build_encoder
from contrascope.encoders.encoder import pooled
from contrascope.encoders.foreign import PACKAGES, HuggingFaceTrunk
from contrascope.encoders.settings import EncoderSettings
from contrascope.errors import InputError, MissingExtraError


@pytest.mark.parametrize("extra", PACKAGES)
def test_a_missing_package_names_the_extra_to_install(monkeypatch, extra):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(MissingExtraError, match=rf"pip install contrascope\[{extra}\]"):
        build_encoder(EncoderSettings(name=f"{extra}:anything"), channels=3, size=32)


def test_a_package_that_breaks_on_import_is_not_called_missing(monkeypatch):
    def broken(name):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(
        InputError, match=r"installed but cannot be imported: operator torchvision::nms"
    ) as caught:
        build_encoder(EncoderSettings(name="torchvision:resnet18"), channels=3, size=32)
    assert not isinstance(caught.value, MissingExtraError)


class Average(nn.Module):
    """Asks for the channels, as a user's class may."""

    def __init__(self, channels: int, depth: int = 2) -> None:
        super().__init__()
        self.channels, self.depth = channels, depth

    def forward(self, images):
        assert images.shape[1] == self.channels
        return images.mean(dim=(2, 3))


@pytest.fixture
def their_module(monkeypatch):
    module = types.ModuleType("their_networks")
    module.Average, module.ready, module.number = Average, nn.Flatten(), 3
    monkeypatch.setitem(sys.modules, "their_networks", module)


@pytest.mark.usefixtures("their_module")
def test_import_paths_give_classes_with_what_they_ask_for_and_ready_modules():
    encoder = build_encoder(EncoderSettings(name="their_networks:Average"), channels=2, size=4)
    assert (encoder.dim, encoder.trunk.channels, encoder.trunk.depth) == (2, 2, 2)
    assert build_encoder(EncoderSettings(name="their_networks:ready"), channels=2, size=4).dim == 32


@pytest.mark.usefixtures("their_module")
def test_wrong_import_paths_are_refused():
    with pytest.raises(InputError, match=r"their_networks has no 'Averege'. Did you mean 'Average'\?"):
        build_encoder(EncoderSettings(name="their_networks:Averege"), channels=2, size=4)
    with pytest.raises(InputError, match="no module 'their_netwerks'"):
        build_encoder(EncoderSettings(name="their_netwerks:Average"), channels=2, size=4)
    with pytest.raises(InputError, match=r"must be or return a torch.nn.Module; got int"):
        build_encoder(EncoderSettings(name="their_networks:number"), channels=2, size=4)
    with pytest.raises(InputError, match="must load its own weights"):
        build_encoder(EncoderSettings(name="their_networks:ready", pretrained=True), channels=2, size=4)


class TwoTokens(nn.Module):
    def forward(self, pixel_values):
        mean = pixel_values.mean(dim=(2, 3))
        tokens = torch.stack([mean, 3 * mean], dim=1)
        return {"last_hidden_state": tokens, "pooler_output": 100 * mean}


@pytest.mark.parametrize(("use_pooler", "factor"), [(True, 100.0), (False, 2.0)])
def test_a_pooler_without_trained_weights_is_replaced_by_the_mean_of_tokens(use_pooler, factor):
    output = HuggingFaceTrunk(TwoTokens(), use_pooler=use_pooler)(torch.full((1, 1, 2, 2), 0.5))
    assert pooled(output).tolist() == [[0.5 * factor]]


def fake_transformers(missing):
    class Auto:
        @staticmethod
        def from_pretrained(name, *, config, trust_remote_code, weights_only, output_loading_info):
            assert (trust_remote_code, weights_only) == (False, True)
            model = TwoTokens()
            model.config = types.SimpleNamespace(num_channels=3)
            return model, {"missing_keys": missing}

    module = types.ModuleType("transformers")
    module.AutoModel = Auto
    module.AutoConfig = types.SimpleNamespace(from_pretrained=lambda name, trust_remote_code: None)
    return module


@pytest.mark.parametrize(("missing", "factor"), [([], 100.0), (["pooler.dense.weight"], 2.0)])
def test_hugging_face_checkpoints_decide_whether_their_pooler_counts(monkeypatch, missing, factor):
    monkeypatch.setitem(sys.modules, "transformers", fake_transformers(missing))
    settings = EncoderSettings(name="hf:some/model", pretrained=True, mean=(0.0,) * 3, std=(1.0,) * 3)
    encoder = build_encoder(settings, channels=3, size=4)
    assert encoder(torch.full((1, 3, 4, 4), 0.5)).tolist() == [[0.5 * factor] * 3]
    with pytest.raises(InputError, match="takes 3 channels; got images with 1"):
        build_encoder(EncoderSettings(name="hf:some/model", pretrained=True), channels=1, size=4)


@pytest.mark.usefixtures("torchvision")
def test_torchvision_encoders_lose_only_their_last_layer():
    torch.manual_seed(0)
    encoder = build_encoder(EncoderSettings(name="torchvision:mobilenet_v3_small"), channels=3, size=32)
    assert encoder.dim == 1024


@pytest.mark.usefixtures("torchvision")
def test_torchvision_refuses_wrong_names_and_grey_images():
    with pytest.raises(InputError, match=r"no classifier 'resnet81'. Did you mean 'resnet18'\?"):
        build_encoder(EncoderSettings(name="torchvision:resnet81"), channels=3, size=32)
    with pytest.raises(InputError, match="take 3 channels; got 1"):
        build_encoder(EncoderSettings(name="torchvision:resnet18"), channels=1, size=32)


@pytest.mark.usefixtures("torchvision")  # timm imports it
def test_timm_encoders_take_any_channels_and_give_their_pooled_features():
    pytest.importorskip("timm")
    torch.manual_seed(0)
    encoder = build_encoder(EncoderSettings(name="timm:resnet10t"), channels=1, size=32).eval()
    images = torch.rand(2, 1, 32, 32)
    assert encoder.dim == encoder.trunk.num_features == 512
    normalised = (images - 0.5) / 0.5
    expected = encoder.trunk.forward_features(normalised).mean(dim=(2, 3))
    torch.testing.assert_close(encoder(images), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match=r"timm has no model 'resnet10'. Did you mean"):
        build_encoder(EncoderSettings(name="timm:resnet10"), channels=1, size=32)
