import importlib
import json

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from contrascope.encoders.settings import EncoderSettings
from contrascope.errors import InputError, MissingExtraError
from contrascope.exports import weights
from contrascope.exports.blueprint import blueprint
from contrascope.exports.layout import encoded, normalised, require_same
from contrascope.exports.packages import package
from contrascope.exports.weights import write_weights

RESNETS = [
    ("resnet18", {"stem": "cifar", "mean": (0.3,), "std": (0.2,)}, 1),
    ("resnet34", {"stem": "imagenet", "resize": 32}, 3),
    ("resnet18", {"stem": "imagenet", "gray": True}, 3),
    pytest.param("resnet50", {"stem": "cifar"}, 3, marks=pytest.mark.slow),
    pytest.param("resnet50", {"stem": "imagenet"}, 1, marks=pytest.mark.slow),
]
each_resnet = pytest.mark.parametrize(("name", "options", "channels"), RESNETS)


def written(make_encoder, folder, to, name, options, channels=3, size=16):
    encoder = make_encoder(name, channels=channels, size=size, **options)
    made = blueprint(encoder, EncoderSettings(name=name, **options))
    pictures = torch.rand(4, channels, size, size, generator=torch.Generator().manual_seed(4))
    folder.mkdir(exist_ok=True)
    return encoder, pictures, write_weights(encoder, made, to, folder, pictures)


def assert_code_gives_the_same(encoder, pictures, found, folder, run_code):
    assert found.difference is not None
    expected = encoded(encoder, pictures)
    assert found.difference < 1e-5 * max(1.0, float(expected.abs().max()))
    theirs = run_code(found.layout.code, folder, pictures).double()
    assert float((theirs - expected).abs().max()) < 1e-5 * max(1.0, float(expected.abs().max()))


@pytest.mark.usefixtures("torchvision")
@each_resnet
def test_torchvision_loads_the_weights_strictly_and_gives_the_same(
    make_encoder, tmp_path, run_code, name, options, channels
):
    encoder, pictures, found = written(make_encoder, tmp_path, "safetensors", name, options, channels)
    assert found.layout.library == "pytorch"
    assert_code_gives_the_same(encoder, pictures, found, tmp_path, run_code)


@pytest.mark.usefixtures("torchvision")  # timm imports it
@each_resnet
def test_timm_loads_the_weights_strictly_and_gives_the_same(
    make_encoder, tmp_path, run_code, name, options, channels
):
    pytest.importorskip("timm")
    encoder, pictures, found = written(make_encoder, tmp_path, "timm", name, options, channels)
    assert (tmp_path / "config.json").exists() == (options["stem"] == "imagenet")
    assert_code_gives_the_same(encoder, pictures, found, tmp_path, run_code)


@pytest.mark.usefixtures("torchvision")
def test_timm_loads_the_vision_transformer_and_gives_the_same(make_encoder, tmp_path, run_code):
    pytest.importorskip("timm")
    options = {"width": 48, "patch": 4}
    encoder, pictures, found = written(make_encoder, tmp_path, "timm", "vit-tiny", options)
    assert_code_gives_the_same(encoder, pictures, found, tmp_path, run_code)
    assert "class_token=False" in found.layout.code


@pytest.mark.usefixtures("torchvision")
@each_resnet
def test_transformers_loads_the_weights_strictly_and_gives_the_same(
    make_encoder, tmp_path, run_code, name, options, channels
):
    pytest.importorskip("transformers")
    encoder, pictures, found = written(make_encoder, tmp_path, "hf", name, options, channels)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "resnet"
    assert_code_gives_the_same(encoder, pictures, found, tmp_path, run_code)


@pytest.mark.usefixtures("torchvision")
def test_transformers_takes_a_resnet_of_any_width_and_the_others_say_who_does(
    make_encoder, tmp_path, run_code
):
    pytest.importorskip("transformers")
    options = {"width": 8, "stem": "imagenet"}
    encoder, pictures, found = written(make_encoder, tmp_path, "hf", "resnet18", options)
    assert_code_gives_the_same(encoder, pictures, found, tmp_path, run_code)
    _, _, found = written(make_encoder, tmp_path / "timm", "timm", "resnet18", options)
    assert found.layout.remark.startswith(
        "timm has no such network: its ResNets begin with 64 channels, and this one with 8."
    )


@pytest.mark.parametrize(("name", "options"), [("convnet", {"width": 4}), ("resnet18", {"width": 8})])
def test_own_weights_come_back_through_the_code_of_the_card(make_encoder, tmp_path, run_code, name, options):
    encoder, pictures, found = written(make_encoder, tmp_path, "safetensors", name, options)
    assert found.difference == 0.0
    assert torch.equal(run_code(found.layout.code, tmp_path, pictures), encoder(pictures).detach())


def test_a_mapping_that_is_wrong_is_refused_with_the_difference(make_encoder, tmp_path, monkeypatch):
    layout_of = weights.layout_of

    def swapped(encoder, made, to):
        found = layout_of(encoder, made, to)
        for key, value in found.tensors.items():
            if key.endswith("running_mean"):
                value += 1.0
        return found

    monkeypatch.setattr(weights, "layout_of", swapped)
    with pytest.raises(
        InputError, match=r"differs from the encoder by [\d.]+, more than .*nothing was written"
    ):
        written(make_encoder, tmp_path, "safetensors", "convnet", {"width": 4})


def test_outputs_of_another_shape_and_nan_are_refused():
    ones = torch.ones(2, 3)
    with pytest.raises(InputError, match=r"gives outputs of shape \(2, 4\), the encoder \(2, 3\)"):
        require_same(ones, torch.ones(2, 4), tolerance=1.0, what="timm model")
    with pytest.raises(InputError, match="differs from the encoder by nan"):
        require_same(ones, torch.full((2, 3), float("nan")), tolerance=1.0, what="timm model")
    assert require_same(100 * ones, 100 * ones + 0.5, tolerance=0.01, what="timm model") == 0.5


def test_without_the_library_the_weights_are_written_and_the_reason_is_told(
    make_encoder, tmp_path, monkeypatch
):
    find = importlib.import_module

    def absent(name):
        if name.partition(".")[0] == "timm":
            raise ModuleNotFoundError("No module named 'timm'", name="timm")
        return find(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    options = {"stem": "cifar"}
    encoder, _, found = written(make_encoder, tmp_path, "timm", "resnet18", options)
    assert found.difference is None
    assert "pip install 'contrascope[timm]'" in found.unchecked
    assert set(load_file(tmp_path / "model.safetensors")) == set(encoder.trunk.state_dict())


def test_a_package_that_breaks_on_import_is_not_called_missing(monkeypatch):
    def broken(name):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(InputError, match=r"timm is installed but cannot be imported: operator") as caught:
        package("timm")
    assert not isinstance(caught.value, MissingExtraError)


@pytest.mark.usefixtures("torchvision")
def test_timms_own_networks_go_back_to_timm(make_encoder, tmp_path, run_code):
    pytest.importorskip("timm")
    encoder, pictures, found = written(make_encoder, tmp_path, "timm", "timm:resnet10t", {}, size=32)
    assert_code_gives_the_same(encoder, pictures, found, tmp_path, run_code)


def test_normalised_is_what_the_encoder_hands_to_its_network(make_encoder, images):
    encoder = make_encoder(width=4, resize=24)
    with torch.no_grad():
        torch.testing.assert_close(encoder.trunk(normalised(encoder, images)), encoder(images))


@pytest.mark.usefixtures("torchvision")
def test_transformers_prepares_pictures_as_the_encoder_does(make_encoder, tmp_path, images):
    transformers = pytest.importorskip("transformers")
    encoder, _, _ = written(make_encoder, tmp_path, "hf", "resnet18", {"width": 8, "stem": "cifar"})
    processor = transformers.AutoImageProcessor.from_pretrained(tmp_path)
    pixels = (images[0] * 255).to(torch.uint8)
    picture = Image.fromarray(pixels.permute(1, 2, 0).numpy())
    found = processor(picture, return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(found, normalised(encoder, pixels[None].float() / 255), rtol=1e-5, atol=1e-5)


def test_a_network_of_lightness_alone_is_said_to_be_one(make_encoder, tmp_path):
    _, _, found = written(
        make_encoder, tmp_path, "hf", "resnet18", {"width": 8, "stem": "cifar", "gray": True}
    )
    assert "trained on lightness alone" in found.layout.remark
    assert not (tmp_path / "preprocessor_config.json").exists()
    (tmp_path / "own").mkdir()
    _, _, own = written(make_encoder, tmp_path / "own", "safetensors", "convnet", {"width": 4, "gray": True})
    assert own.layout.remark == ""
    assert own.difference == 0
