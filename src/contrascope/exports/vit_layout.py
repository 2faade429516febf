"""Our vision transformer under the names of timm."""

import functools
import re

from torch import Tensor, nn

from contrascope.encoders.vit import VisionTransformer, sine_positions
from contrascope.errors import InputError
from contrascope.exports.blueprint import Blueprint
from contrascope.exports.layout import Layout, normalising_code
from contrascope.exports.packages import package

NAMES = {
    "embed": "patch_embed.proj",
    "qkv": "attn.qkv",
    "proj": "attn.proj",
    "mlp.0": "mlp.fc1",
    "mlp.2": "mlp.fc2",
}
"""Our name of a layer to timm's, where they differ."""


def vit_timm_layout(made: Blueprint, trunk: VisionTransformer, tensors: dict[str, Tensor]) -> Layout:
    """Timm's `VisionTransformer` without class token, its positions set to our fixed ones.

    Our layer norms add 1e-5 where timm's add 1e-6, hence the `norm_layer` of the code.
    """
    dim, side = tensors["embed.weight"].shape[0], made.side // trunk.patch
    if made.side % trunk.patch:
        raise InputError(f"images of {made.side} px are not a multiple of the patch of {trunk.patch} px.")
    renamed = {timm_key(key): value for key, value in tensors.items()}
    renamed["pos_embed"] = sine_positions(side, side, dim)[None].clone()
    first = trunk.blocks[0]
    options = {
        "img_size": made.side,
        "patch_size": trunk.patch,
        "in_chans": made.channels,
        "num_classes": 0,
        "embed_dim": dim,
        "depth": len(trunk.blocks),
        "num_heads": int(first.heads),  # pyright: ignore[reportArgumentType]
        "class_token": False,
        "global_pool": "avg",
        "fc_norm": False,
    }

    def build(tensors: dict[str, Tensor]) -> nn.Module:
        norm = functools.partial(nn.LayerNorm, eps=trunk.norm.eps)
        transformer = package("timm.models.vision_transformer").VisionTransformer
        model = transformer(**options, norm_layer=norm)
        model.load_state_dict(tensors, strict=True)
        return model.eval()

    words = ", ".join(f"{key}={value!r}" for key, value in options.items())
    code = f"""\
import functools, torch
from safetensors.torch import load_file
from timm.models.vision_transformer import VisionTransformer

norm = functools.partial(torch.nn.LayerNorm, eps={trunk.norm.eps})
options = dict({words})
model = VisionTransformer(**options, norm_layer=norm)
model.load_state_dict(load_file("model.safetensors"))
{normalising_code(made)}
h = model.eval()(images)"""
    remark = f"The positions are those of images of {made.side} px; for another side export the run again."
    return Layout(library="timm", tensors=renamed, code=code, build=build, remark=remark)


def timm_key(key: str) -> str:
    """The name that timm's `VisionTransformer` has for one of ours.

    >>> timm_key("blocks.3.mlp.2.bias"), timm_key("embed.weight"), timm_key("blocks.0.norm1.weight")
    ('blocks.3.mlp.fc2.bias', 'patch_embed.proj.weight', 'blocks.0.norm1.weight')
    """
    block, layer, kind = re.fullmatch(r"(blocks\.\d+\.)?(.+)\.(weight|bias)", key).groups()  # pyright: ignore[reportOptionalMemberAccess]
    return f"{block or ''}{NAMES.get(layer, layer)}.{kind}"
