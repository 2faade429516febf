import importlib
import json
import sys
import types
from pathlib import Path

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
    with pytest.raises(MissingExtraError, match=rf"pip install 'contrascope\[{extra}\]'"):
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


class Bomb:
    def __reduce__(self):
        return Path.touch, (Path("boom"),)


CODE = {"AutoConfig": "theirs.EvilConfig", "AutoModel": "theirs.Evil"}


@pytest.fixture
def their_folder(tmp_path, monkeypatch, torchvision):
    """A folder of Hugging Face's with code beside its weights; the working folder is an empty one."""
    transformers = pytest.importorskip("transformers")
    folder, here = tmp_path / "model", tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    sizes = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8, "image_size": 8}
    model = transformers.ViTModel(transformers.ViTConfig(num_hidden_layers=1, patch_size=4, **sizes))
    model.save_pretrained(folder)
    (folder / "theirs.py").write_text("open('boom', 'w')\nfrom transformers import ViTConfig as EvilConfig\n")

    def with_settings(**changes):
        file = folder / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))
        return folder

    return with_settings


@pytest.mark.filterwarnings("ignore")
def test_pickled_weights_of_a_folder_are_numbers_or_are_refused(their_folder):
    folder = their_folder()
    encoder = build_encoder(EncoderSettings(name=f"hf:{folder}", pretrained=True), channels=3, size=8)
    weights = {key: value for key, value in encoder.trunk.model.state_dict().items()}
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    again = build_encoder(EncoderSettings(name=f"hf:{folder}", pretrained=True), channels=3, size=8)
    assert all(torch.equal(value, weights[key]) for key, value in again.trunk.model.state_dict().items())
    torch.save(weights | {"more": Bomb()}, folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"pickled weights of .* hold more than numbers, and are not read"):
        build_encoder(EncoderSettings(name=f"hf:{folder}", pretrained=True), channels=3, size=8)
    assert not Path("boom").exists()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("pretrained", [True, False])
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_type": "theirs", "auto_map": CODE}, "contains custom code"),
        (
            {"attn_implementation": "stranger/kernels"},
            "asks for 'stranger/kernels', which is code from the hub",
        ),
        ({"_attn_implementation": "stranger/kernels:fn"}, "asks for 'stranger/kernels:fn', which is code"),
        (
            {"model_type": "clip", "attn_implementation": {"vision_config": "stranger/nested"}},
            "asks for 'stranger/nested', which is code",
        ),
        ({"hidden_size": "seven"}, "transformers cannot open"),
        ({"experts_implementation": "stranger/moe"}, "asks for 'stranger/moe', which is code"),
    ],
)
def test_code_that_a_folder_brings_along_is_not_run(their_folder, changes, said, pretrained):
    folder = their_folder(**changes)
    with pytest.raises(InputError, match=said):
        build_encoder(EncoderSettings(name=f"hf:{folder}", pretrained=pretrained), channels=3, size=8)
    assert not Path("boom").exists()
    assert not any("theirs" in name for name in sys.modules)


@pytest.mark.filterwarnings("ignore")
def test_a_folder_whose_architecture_is_known_opens_without_its_code(their_folder):
    folder = their_folder(auto_map=CODE)
    assert build_encoder(EncoderSettings(name=f"hf:{folder}", pretrained=True), channels=3, size=8).dim == 8
    assert not Path("boom").exists()


@pytest.mark.usefixtures("torchvision")
@pytest.mark.parametrize("pretrained", [True, False])
@pytest.mark.parametrize(
    "source", ["hf-hub:stranger/net", "hf_hub:stranger/net", "local-dir:{folder}", "stranger/net"]
)
def test_timm_names_are_those_of_timm_alone(tmp_path, source, pretrained):
    pytest.importorskip("timm")
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "resnet10t", "pretrained_cfg": {}}))
    torch.save({"fc": Bomb()}, tmp_path / "pytorch_model.bin")
    name = f"timm:{source.format(folder=tmp_path)}"
    with pytest.raises(InputError, match="timm has no model"):
        build_encoder(EncoderSettings(name=name, pretrained=pretrained), channels=3, size=32)
