"""A network of transformers, back in the folder that transformers opens by itself."""

from typing import Any

import torch
from torch import Tensor, nn

from contrascope.encoders.encoder import Encoder, pooled
from contrascope.encoders.foreign import HuggingFaceTrunk
from contrascope.exports.blueprint import Blueprint
from contrascope.exports.layout import Layout, normalising_code
from contrascope.exports.packages import package


class PooledModel(nn.Module):
    """A model of transformers as a function from normalised images to one vector an image."""

    def __init__(self, trunk: nn.Module, pool: Any) -> None:
        super().__init__()
        self.trunk, self.pool = trunk, pool

    def forward(self, images: Tensor) -> Tensor:
        return pooled(self.trunk(images), self.pool)


def transformers_itself(
    encoder: Encoder, trunk: HuggingFaceTrunk, made: Blueprint, tensors: dict[str, Tensor]
) -> Layout:
    """The model's own names, with its own config.json."""
    config, kind = config_of(trunk), type(trunk.model).__name__
    settings: Any = type(trunk.model.config)

    def build(tensors: dict[str, Tensor]) -> nn.Module:
        library = package("transformers")
        model = getattr(library, kind)(settings.from_dict(config))
        model.load_state_dict(tensors, strict=True)
        return PooledModel(HuggingFaceTrunk(model.eval(), use_pooler=trunk.use_pooler), encoder.pool).eval()

    code = f"""\
import torch, transformers

model = transformers.AutoModel.from_pretrained(".")
{normalising_code(made)}
output = model.eval()(pixel_values=images)
h = {_line(encoder, trunk, made)}"""
    renamed = {name.removeprefix("model."): value for name, value in tensors.items()}
    return Layout(library="transformers", tensors=renamed, code=code, build=build, config=config)


def config_of(trunk: HuggingFaceTrunk) -> dict[str, Any]:
    """What config.json holds of a model of transformers."""
    known: Any = trunk.model.config
    return {**known.to_dict(), "architectures": [type(trunk.model).__name__]}


def _line(encoder: Encoder, trunk: HuggingFaceTrunk, made: Blueprint) -> str:
    """How its output becomes one vector."""
    with torch.no_grad():
        output = trunk.eval()(torch.zeros(1, made.channels, made.side, made.side, dtype=torch.float32))
    ready = encoder.pool == "auto" and output.get("pooler_output") is not None
    name = "pooler_output" if ready else "last_hidden_state"
    ways = {2: "", 3: "[:, 0]" if encoder.pool == "cls" else ".mean(dim=1)", 4: ".mean(dim=(2, 3))"}
    return f"output.{name}{ways[output[name].ndim]}"
