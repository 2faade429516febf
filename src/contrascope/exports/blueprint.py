"""What rebuilds an encoder: its settings with every choice made, beside its weights, in a folder."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from contrascope import records
from contrascope.encoders.build import build_encoder
from contrascope.encoders.encoder import Encoder
from contrascope.encoders.foreign import HuggingFaceTrunk
from contrascope.encoders.resnet import ResNet
from contrascope.encoders.settings import EncoderSettings
from contrascope.errors import InputError
from contrascope.features.sealed import read_sealed, save_sealed
from contrascope.records.inside import parsed
from contrascope.records.typed import read_tree
from contrascope.settings import from_json, to_json

WEIGHTS, SETTINGS, CONFIG = "model.safetensors", "encoder.json", "config.json"


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """Settings of an encoder in which nothing is left to be found out, and the images that it takes."""

    settings: EncoderSettings
    """Resolved: stem, mean, std and resize are those in use."""
    channels: int
    """Channels of an image."""
    size: int
    """Side in px of the images that it was built for, before `resize`."""
    use_pooler: bool = True
    """Whether a network of transformers gives the output of its pooler, whose weights came with it."""

    @property
    def side(self) -> int:
        """Side in px of the images that the network itself sees."""
        return self.settings.resize or self.size

    def __post_init__(self) -> None:
        if self.channels < 1 or self.size < 1:
            raise InputError(
                f"an encoder is for images of at least 1 channel and 1 px; got {self.channels} and {self.size}."
            )


LIBRARY_ONLY = ("pos_embed",)
"""Tensors that a library keeps and our network computes."""
_PARTS = tuple(one.name for one in fields(Blueprint))


def blueprint(encoder: Encoder, settings: EncoderSettings) -> Blueprint:
    """The blueprint of a built encoder.

    >>> made = blueprint(build_encoder(EncoderSettings(name="convnet"), channels=1, size=8), EncoderSettings())
    >>> made.settings.mean, made.size
    ((0.5,), 8)
    """
    stem = settings.stem
    if isinstance(encoder.trunk, ResNet):
        stem = "cifar" if isinstance(encoder.trunk.maxpool, nn.Identity) else "imagenet"
    resolved = replace(
        settings,
        stem=stem,
        mean=_shortest(encoder.mean),
        std=_shortest(encoder.std),
        resize=encoder.resize,
        gray=encoder.gray,
        pretrained=False,
        weights=None,
        train_last=None,
        lora=None,
    )
    pooler = encoder.trunk.use_pooler if isinstance(encoder.trunk, HuggingFaceTrunk) else True
    return Blueprint(settings=resolved, channels=len(encoder.mean), size=encoder.size, use_pooler=pooler)


def _shortest(values: Tensor) -> tuple[float, ...]:
    """The shortest decimals that give the same float32 numbers."""
    return tuple(float(str(value)) for value in values.cpu().flatten().numpy().astype(np.float32))


def trunk_tensors(encoder: Encoder) -> dict[str, Tensor]:
    """The network's weights and statistics on the CPU, each with its own memory, under its own names."""
    state = encoder.trunk.state_dict()
    return {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in state.items()
    }


def save_tensors(tensors: dict[str, Tensor], folder: Path) -> Path:
    """Writes model.safetensors with the mark that transformers and timm look for."""
    save_sealed(tensors, folder / WEIGHTS, {"format": "pt"})
    return folder / WEIGHTS


def save_blueprint(made: Blueprint, folder: Path, **more: Any) -> Path:
    """Writes encoder.json."""
    value = {
        "kind": "Encoder",
        "channels": made.channels,
        "size": made.size,
        "use_pooler": made.use_pooler,
        **more,
    }
    records.write_json(folder / SETTINGS, value | {"settings": to_json(made.settings)})
    return folder / SETTINGS


def is_export(folder: Path) -> bool:
    """Whether a folder is that of an exported encoder."""
    return (folder / SETTINGS).is_file() and (folder / WEIGHTS).is_file()


def load_encoder(folder: Path | str) -> Encoder:
    """The encoder of an exported folder (model.safetensors and encoder.json), in evaluation mode.

    It takes images in [0, 1] and normalises them itself. No code of the folder is run. Raises `InputError` where a
    file is missing or damaged, or where the weights have other names or shapes than the settings ask for.
    """
    folder = Path(folder).expanduser()
    made, names = read_blueprint(folder)
    try:
        with parsed(folder / WEIGHTS, "file of tensors", "Export the run again."):
            tensors, _ = read_sealed(folder / WEIGHTS)
        return rebuilt(made, _own_names(tensors, names))
    except FileNotFoundError:
        raise InputError(f"no {WEIGHTS} in {folder}: is this the folder of an export?") from None
    except RuntimeError as error:
        raise InputError(f"{folder / WEIGHTS} does not fit {SETTINGS}: {error}") from error


def read_blueprint(folder: Path) -> tuple[Blueprint, dict[str, str]]:
    """The blueprint of an exported folder, and what our tensors are called in its weights where that differs.

    A network of transformers is rebuilt by the folder's own config.json.
    """
    told = folder / SETTINGS
    known = read_tree(told, typed=True)  # on the hub's cache, a link
    made = from_json(Blueprint, {key: known[key] for key in _PARTS if key in known}, path=str(told))
    names = known.get("names", {})
    if not isinstance(names, dict) or not all(isinstance(one, str) for one in names.values()):
        raise InputError(f"{told} has names that are no words; expected one a tensor. Export the run again.")
    if made.settings.name.startswith("hf:") and (folder / CONFIG).is_file():
        made = replace(made, settings=replace(made.settings, name=f"hf:{folder}"))
    return made, names


def _own_names(tensors: dict[str, Tensor], names: dict[str, str]) -> dict[str, Tensor]:
    """Tensors under the names of our network; what only the library keeps beside them is left out."""
    lost = [theirs for theirs in names.values() if theirs not in tensors]
    if lost:
        raise InputError(f"{WEIGHTS} lacks {lost[0]}, which {SETTINGS} names. Export the run again.")
    if not names:
        return tensors
    taken = set(names.values())
    kept = {name: value for name, value in tensors.items() if name not in taken}
    return kept | {name: tensors[theirs] for name, theirs in names.items()}


def rebuilt(made: Blueprint, tensors: dict[str, Tensor]) -> Encoder:
    """The encoder of a blueprint with these weights, in evaluation mode; names and shapes must agree."""
    with torch.random.fork_rng(devices=[]):
        encoder = drawn_blueprint(made)
    own = encoder.trunk.state_dict()
    extra = [name for name in tensors if name not in own and name not in LIBRARY_ONLY]
    if extra:
        raise RuntimeError(f"it also has {extra[0]}")
    encoder.trunk.load_state_dict(
        {name: value for name, value in tensors.items() if name in own}, strict=True
    )
    return encoder.eval()


def drawn_blueprint(made: Blueprint) -> Encoder:
    """The encoder of a blueprint with weights that torch's global generator draws."""
    encoder = build_encoder(made.settings, channels=made.channels, size=made.size)
    if isinstance(encoder.trunk, HuggingFaceTrunk):
        encoder.trunk.use_pooler = made.use_pooler
    return encoder
