"""Our ResNets under the names of torchvision, timm and transformers."""

import re
from typing import Any

from torch import Tensor, nn

from contrascope.encoders.resnet import LAYERS
from contrascope.errors import InputError
from contrascope.exports.blueprint import Blueprint
from contrascope.exports.layout import Layout, normalising_code
from contrascope.exports.packages import package

WIDTH = 64
"""Channels of the first stage in torchvision and timm, which have no others."""


def torchvision_layout(made: Blueprint, tensors: dict[str, Tensor]) -> Layout:
    """Torchvision's names, which are our own; only of the usual width."""
    name, change = _usual(made, "torchvision"), _stem_code(made)

    def build(tensors: dict[str, Tensor]) -> nn.Module:
        model = package("torchvision.models").get_model(name, weights=None)
        model.fc = nn.Identity()
        return _loaded(_with_stem(model, made), tensors)

    code = f"""\
import torch, torchvision
from safetensors.torch import load_file

model = torchvision.models.{name}(weights=None)
model.fc = torch.nn.Identity()
{change}model.load_state_dict(load_file("model.safetensors"))
{normalising_code(made)}
h = model.eval()(images)"""
    return Layout(library="pytorch", tensors=tensors, code=code, build=build, remark=_remark(change))


def timm_layout(made: Blueprint, tensors: dict[str, Tensor]) -> Layout:
    """Timm's names, which are torchvision's; with the ImageNet stem timm opens the folder by itself."""
    name, change = _usual(made, "timm"), _stem_code(made, channels=False)

    def build(tensors: dict[str, Tensor]) -> nn.Module:
        model = package("timm").create_model(name, num_classes=0, in_chans=made.channels)
        return _loaded(_with_stem(model, made), tensors)

    by_itself = f"""\
import timm, torch

model = timm.create_model("local-dir:.", pretrained=True)
{normalising_code(made)}
h = model.eval()(images)"""
    by_hand = f"""\
import timm, torch
from safetensors.torch import load_file

model = timm.create_model("{name}", num_classes=0, in_chans={made.channels})
{change}model.load_state_dict(load_file("model.safetensors"))
{normalising_code(made)}
h = model.eval()(images)"""
    return Layout(
        library="timm",
        tensors=tensors,
        code=by_hand if change else by_itself,
        build=build,
        config={} if change else timm_config(name, made, tensors),
        remark=_remark(change),
    )


def timm_config(name: str, made: Blueprint, tensors: dict[str, Tensor]) -> dict[str, Any]:
    """The config.json that `timm.create_model("local-dir:...")` and the hub read."""
    width = next(value for key, value in reversed(tensors.items()) if key.endswith(".weight")).shape[0]
    size = [made.channels, made.side, made.side]
    known = {"input_size": size, "mean": made.settings.mean, "std": made.settings.std, "num_classes": 0}
    known |= {"crop_pct": 1.0, "interpolation": "bilinear", "first_conv": "conv1", "classifier": "fc"}
    return {
        "architecture": name,
        "num_classes": 0,
        "num_features": width,
        "model_args": {"num_classes": 0, "in_chans": made.channels},
        "pretrained_cfg": known,
    }


def transformers_layout(made: Blueprint, tensors: dict[str, Tensor]) -> Layout:
    """The names of `transformers.ResNetModel`, of any width; h is its `pooler_output`."""
    config, change = resnet_config(made), _stem_code(made, channels=False, prefix="embedder.")
    renamed = {transformers_key(key): value for key, value in tensors.items()}

    def build(tensors: dict[str, Tensor]) -> nn.Module:
        library = package("transformers")
        model = library.ResNetModel(library.ResNetConfig(**config))
        if change:
            stem = model.embedder.embedder.convolution
            model.embedder.embedder.convolution = _cifar_stem(stem.in_channels, stem.out_channels)
            model.embedder.pooler = nn.Identity()
        return PoolerOutput(_loaded(model, tensors))

    opening = 'model = transformers.AutoModel.from_pretrained(".")\n'
    if change:
        opening = (
            'model = transformers.ResNetModel(transformers.ResNetConfig.from_pretrained("."))\n'
            f'{change}model.load_state_dict(load_file("model.safetensors"))\n'
        )
    imports = "import torch, transformers\n" + ("from safetensors.torch import load_file\n" if change else "")
    code = f"""\
{imports}
{opening}{normalising_code(made)}
h = model.eval()(pixel_values=images).pooler_output.flatten(1)"""
    return Layout(
        library="transformers",
        tensors=renamed,
        code=code,
        build=build,
        config=config,
        remark=_remark(change),
    )


def resnet_config(made: Blueprint) -> dict[str, Any]:
    """The config.json of `transformers.ResNetModel`."""
    name, width = made.settings.name, made.settings.width or WIDTH
    wide = name == "resnet50"
    return {
        "architectures": ["ResNetModel"],
        "model_type": "resnet",
        "num_channels": made.channels,
        "embedding_size": width,
        "hidden_sizes": [width * 2**stage * (4 if wide else 1) for stage in range(4)],
        "depths": list(LAYERS[name]),
        "layer_type": "bottleneck" if wide else "basic",
        "hidden_act": "relu",
        "downsample_in_first_stage": False,
        "downsample_in_bottleneck": False,
    }


def transformers_key(key: str) -> str:
    """The name that `transformers.ResNetModel` has for one of torchvision's.

    >>> transformers_key("layer2.0.conv1.weight"), transformers_key("bn1.bias")
    ('encoder.stages.1.layers.0.layer.0.convolution.weight', 'embedder.embedder.normalization.bias')
    """
    part = {"conv": "convolution", "bn": "normalization", "0": "convolution", "1": "normalization"}
    stem = re.fullmatch(r"(conv|bn)1\.(\w+)", key)
    if stem:
        return f"embedder.embedder.{part[stem[1]]}.{stem[2]}"
    inner = re.fullmatch(r"layer(\d)\.(\d+)\.(?:(conv|bn)(\d)|downsample\.([01]))\.(\w+)", key)
    assert inner is not None, key
    block = f"encoder.stages.{int(inner[1]) - 1}.layers.{inner[2]}"
    if inner[5] is not None:
        return f"{block}.shortcut.{part[inner[5]]}.{inner[6]}"
    return f"{block}.layer.{int(inner[4]) - 1}.{part[inner[3]]}.{inner[6]}"


class PoolerOutput(nn.Module):
    """A model of transformers as a function from normalised images to its pooled output."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return self.model(pixel_values=images).pooler_output.flatten(1)


def usual(made: Blueprint) -> bool:
    """Whether torchvision and timm have a ResNet of this width."""
    return (made.settings.width or WIDTH) == WIDTH


def _usual(made: Blueprint, library: str) -> str:
    width = made.settings.width or WIDTH
    if width != WIDTH:
        raise InputError(
            f"{library} has no ResNet whose first stage is {width} wide, only {WIDTH}. Choose --to hf, which takes "
            "any width, safetensors or onnx."
        )
    return made.settings.name


def _stem_code(made: Blueprint, *, channels: bool = True, prefix: str = "") -> str:
    """Lines that give a library's ResNet our stem; empty where it has it already.

    `channels`: the library's own stem takes three channels only. `prefix`: where transformers keeps it.
    """
    width, count = made.settings.width or WIDTH, made.channels
    conv, pool = ("embedder.embedder.convolution", "embedder.pooler") if prefix else ("conv1", "maxpool")
    if made.settings.stem == "cifar":
        return (
            f"model.{conv} = torch.nn.Conv2d({count}, {width}, 3, padding=1, bias=False)\n"
            f"model.{pool} = torch.nn.Identity()\n"
        )
    if channels and count != 3:
        return f"model.{conv} = torch.nn.Conv2d({count}, {width}, 7, stride=2, padding=3, bias=False)\n"
    return ""


def _with_stem(model: nn.Module, made: Blueprint) -> nn.Module:
    if made.settings.stem == "cifar":
        model.conv1, model.maxpool = _cifar_stem(made.channels, WIDTH), nn.Identity()
    elif made.channels != 3:
        model.conv1 = nn.Conv2d(made.channels, WIDTH, 7, stride=2, padding=3, bias=False)
    return model


def _cifar_stem(channels: int, width: int) -> nn.Conv2d:
    return nn.Conv2d(channels, width, 3, padding=1, bias=False)


def _loaded(model: nn.Module, tensors: dict[str, Tensor]) -> nn.Module:
    model.load_state_dict(tensors, strict=True)
    return model.eval()


def _remark(change: str) -> str:
    if not change:
        return ""
    return (
        "The first layer is not the library's own, so that it must be replaced before the weights are loaded, "
        "as the lines above do."
    )
