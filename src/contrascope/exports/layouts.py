"""Which layout an encoder has in which library, and why it has none where it has none."""

from dataclasses import replace
from typing import Literal

from torch import Tensor, nn

from contrascope.encoders.encoder import Encoder
from contrascope.encoders.foreign import HuggingFaceTrunk
from contrascope.encoders.resnet import ResNet
from contrascope.encoders.vit import VisionTransformer
from contrascope.errors import InputError
from contrascope.exports.blueprint import Blueprint, rebuilt, trunk_tensors
from contrascope.exports.layout import Layout, normalising_code
from contrascope.exports.packages import package
from contrascope.exports.resnet_layouts import (
    WIDTH,
    timm_layout,
    torchvision_layout,
    transformers_layout,
    usual,
)
from contrascope.exports.standalone import CODE, FILE, has_file, model_file
from contrascope.exports.transformers_itself import config_of, transformers_itself
from contrascope.exports.vit_layout import vit_timm_layout

Library = Literal["safetensors", "timm", "hf"]
"""Forms in which weights are exported."""

OWN_CODE = """\
from contrascope.exports.blueprint import load_encoder

encoder = load_encoder(".")
h = encoder(images)"""


def layout_of(encoder: Encoder, made: Blueprint, to: Library) -> Layout:
    """The layout of an encoder; refuses, with the reason and what to choose, where the library has no such network."""
    tensors = trunk_tensors(encoder)
    found = _layout(encoder, made, to, tensors)
    theirs = {id(value): name for name, value in found.tensors.items()}
    names = {name: theirs[id(value)] for name, value in tensors.items() if theirs[id(value)] != name}
    return replace(found, names=names)


def _layout(encoder: Encoder, made: Blueprint, to: Library, tensors: dict[str, Tensor]) -> Layout:
    if to == "safetensors":
        return own_layout(encoder, made, tensors)
    if to == "hf" and isinstance(encoder.trunk, HuggingFaceTrunk):
        return transformers_itself(encoder, encoder.trunk, made, tensors)
    if isinstance(encoder.trunk, ResNet) and (to == "hf" or usual(made)):
        return (timm_layout if to == "timm" else transformers_layout)(made, tensors)
    if isinstance(encoder.trunk, VisionTransformer) and to == "timm":
        return vit_timm_layout(made, encoder.trunk, tensors)
    name = made.settings.name
    if to == "timm" and name.startswith("timm:"):
        return _timm_itself(made, tensors)
    if has_file(encoder.trunk):
        return _file_layout(encoder, made, to, tensors)
    raise InputError(
        f"{name} has no counterpart in {'timm' if to == 'timm' else 'transformers'}: {_reason(encoder, made, to)} "
        "Choose --to safetensors (our own names, with the settings that rebuild it) or --to onnx (runs without Python)."
    )


def _reason(encoder: Encoder, made: Blueprint, to: Library) -> str:
    if isinstance(encoder.trunk, VisionTransformer):
        return "its ViTModel has a class token that takes part in every layer, and ours has none."
    if isinstance(encoder.trunk, ResNet):
        return f"its ResNets begin with {WIDTH} channels, and this one with {made.settings.width}."
    if made.settings.name == "convnet":
        return "it is a network of contrascope."
    return f"it is a network of another library ({made.settings.name.partition(':')[0]})."


def _file_layout(encoder: Encoder, made: Blueprint, to: Library, tensors: dict[str, Tensor]) -> Layout:
    """Our own names, with the network itself as a file beside them."""
    library = "timm" if to == "timm" else "transformers"
    plain = own_layout(encoder, made, tensors)
    remark = (
        f"{library} has no such network: {_reason(encoder, made, to)} So {FILE} beside the weights is the network, a "
        f"torch.nn.Module that needs neither {library} nor contrascope."
    )
    return replace(
        plain, library="pytorch", code=CODE, remark=remark, file=model_file(encoder.trunk, made, encoder.dim)
    )


def own_layout(encoder: Encoder, made: Blueprint, tensors: dict[str, Tensor]) -> Layout:
    """The network's own names; a ResNet of the usual width has those of torchvision."""
    code, library, remark = OWN_CODE, "contrascope", ""
    if isinstance(encoder.trunk, ResNet) and (made.settings.width or WIDTH) == WIDTH:
        theirs = torchvision_layout(made, tensors)
        code, library, remark = theirs.code, "pytorch", theirs.remark
        remark = f'{remark} With contrascope: `load_encoder(".")` of `contrascope.exports.blueprint`.'.strip()

    def build(tensors: dict[str, Tensor]) -> nn.Module:
        return rebuilt(made, tensors).trunk

    config = config_of(encoder.trunk) if isinstance(encoder.trunk, HuggingFaceTrunk) else {}
    file = model_file(encoder.trunk, made, encoder.dim) if has_file(encoder.trunk) else ""
    return Layout(
        library=library, tensors=tensors, code=code, build=build, remark=remark, config=config, file=file
    )


def _timm_itself(made: Blueprint, tensors: dict[str, Tensor]) -> Layout:
    name = made.settings.name.partition(":")[2]

    def build(tensors: dict[str, Tensor]) -> nn.Module:
        model = package("timm").create_model(name, num_classes=0, in_chans=made.channels)
        model.load_state_dict(tensors, strict=True)
        return model.eval()

    code = f"""\
import timm, torch
from safetensors.torch import load_file

model = timm.create_model({name!r}, num_classes=0, in_chans={made.channels})
model.load_state_dict(load_file("model.safetensors"))
{normalising_code(made)}
h = model.eval()(images)"""
    return Layout(library="timm", tensors=tensors, code=code, build=build)
