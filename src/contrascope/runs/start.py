"""Weights that a run starts from: of a run, of an export of ours, or of a file in the names of torchvision and timm."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from contrascope import records
from contrascope.encoders.encoder import Encoder
from contrascope.encoders.partial import restrict
from contrascope.encoders.settings import EncoderSettings, continues
from contrascope.encoders.settings import pretrained as known_library
from contrascope.errors import InputError
from contrascope.exports.blueprint import SETTINGS, load_encoder
from contrascope.features.sealed import read_sealed
from contrascope.methods.base import Method
from contrascope.progress import Say, unheard
from contrascope.records.inside import parsed
from contrascope.runs.build import build
from contrascope.runs.load import load_run
from contrascope.runs.settings import RunSettings

CLASSIFIER = ("fc.", "head.", "heads.", "head_dist.", "classifier.")
"""What names of classifiers begin with; an encoder has none."""
HOLDERS = ("state_dict", "model_state_dict", "model")
"""Keys under which training scripts keep the tensors of a `.pth`."""
WRAPPERS = ("module.", "trunk.")
"""What is taken off all names where all begin with it."""
COUNTER = "num_batches_tracked"
"""A count of batch norm that old files lack."""
NAMED = 3


@dataclass(frozen=True, kw_only=True)
class StartWeights:
    """Tensors to start from."""

    about: str
    """Where they came from, in words."""
    tensors: dict[str, Tensor]
    """By name, as the network calls them."""
    encoder: Encoder | None = None
    """The encoder that they were part of, where it is known."""


def started(settings: RunSettings, shape: tuple[int, int, int], *, say: Say = unheard) -> Method:
    """Networks and method of a new run; its encoder starts from `encoder.weights` where the settings name some.

    The momentum copy and all else that a method makes of the encoder begin with the same weights. Of them is trained
    what `encoder.train_last` or `encoder.lora` leave.
    """
    _refuse_part_of_nothing(settings.encoder)
    path = settings.encoder.weights
    found = None if path is None else start_weights(Path(path).expanduser())

    def fill(encoder: Encoder) -> None:
        if found is not None:
            take(encoder, found)
        restrict(encoder, settings.encoder)

    method = build(settings, shape, start=fill)
    if found is not None:
        say(f"starts from {found.about}")
    elif settings.encoder.pretrained:
        say(f"starts from the weights of {settings.encoder.name}")
    if (part := trained_part(method.encoder)) is not None:
        say(f"{part} of the encoder's weights are trained")
    return method


def trained_part(encoder: nn.Module) -> str | None:
    """How many of an encoder's weights are trained, in words; None where all are."""
    counts = [(value.numel(), value.requires_grad) for value in encoder.parameters()]
    moved, all_of_them = sum(count for count, moves in counts if moves), sum(count for count, _ in counts)
    return None if moved == all_of_them else f"{moved:,} of {all_of_them:,}"


def _refuse_part_of_nothing(settings: EncoderSettings) -> None:
    """Refuses to train a part of weights that nobody trained; what an import path loads, nobody knows."""
    if continues(settings) or (":" in settings.name and not known_library(settings.name)):
        return
    for name, value in (("train_last", settings.train_last), ("lora", settings.lora)):
        if value is not None:
            raise InputError(
                f"encoder.{name} is {value}, and the encoder starts from random weights, which have to be trained. "
                "Name weights to start from (--encoder.weights, or --encoder.pretrained), or leave it out."
            )


def method_for(
    settings: RunSettings, out: Path, shape: tuple[int, int, int], *, say: Say = unheard
) -> Method:
    """The method of a run in folder `out`: `started` for a new one; one that goes on has weights in a checkpoint."""
    if records.checkpoint_folders(out):
        return build(settings, shape, start=lambda encoder: restrict(encoder, settings.encoder))
    return started(settings, shape, say=say)


def start_weights(path: Path) -> StartWeights:
    """The weights of a run's newest checkpoint, of an exported folder, or of a .safetensors, .pth or .pt file.

    Tensors alone are read, never code. Raises `InputError` for anything else.
    """
    if path.is_dir() and (path / SETTINGS).is_file():
        encoder = load_encoder(path)
        return _of_encoder(encoder, f"the export {path}")
    if path.is_dir() and (path / records.SETTINGS).is_file():
        run = load_run(path)
        assert isinstance(run.method.encoder, Encoder)
        return _of_encoder(run.method.encoder, f"the run {path}, step {run.step}")
    if not path.is_file():
        raise InputError(
            f"encoder.weights is {path}, which is {'a folder of neither' if path.is_dir() else 'not there'}; expected "
            "a run, an export of ours, or a .safetensors, .pth or .pt file. Check the path."
        )
    tensors = _safetensors(path) if path.suffix == ".safetensors" else _pickled(path)
    return StartWeights(about=f"{path} ({len(tensors)} tensors)", tensors=tensors)


def take(encoder: Encoder, start: StartWeights) -> None:
    """Puts the tensors into the encoder's network; names and shapes must agree, a classifier's are left out.

    Raises `InputError` for tensors that are missing, unknown, of another shape, or not finite, and for a known encoder
    that normalises its images otherwise.
    """
    _same_input(encoder, start)
    own = encoder.trunk.state_dict()
    found = {
        name: tensor
        for name, tensor in start.tensors.items()
        if name in own or not name.startswith(CLASSIFIER)
    }
    missing = [name for name in own if name not in found and not name.endswith(COUNTER)]
    unknown = [name for name in found if name not in own]
    if missing or unknown:
        parts = [
            f"{what} {_listed(names)}" for what, names in (("lack", missing), ("also have", unknown)) if names
        ]
        raise InputError(
            f"the weights of {start.about} are of another network than the encoder: they {' and '.join(parts)}. "
            "Choose the encoder that they are of (--encoder.name, and its width and depth)."
        )
    for name, tensor in found.items():
        if tensor.shape != own[name].shape:
            raise InputError(
                f"{name} is {_shape(tensor)} in {start.about} and {_shape(own[name])} in the encoder. Give it the same "
                "sizes (--encoder.width, --encoder.stem, --data.size, channels)."
            )
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise InputError(f"{name} of {start.about} holds values that are not finite. Take other weights.")
    encoder.trunk.load_state_dict({**own, **found})


def _of_encoder(encoder: Encoder, about: str) -> StartWeights:
    tensors = {name: value.detach().cpu().clone() for name, value in encoder.trunk.state_dict().items()}
    return StartWeights(about=about, tensors=tensors, encoder=encoder)


def _same_input(encoder: Encoder, start: StartWeights) -> None:
    known = start.encoder
    if known is None:
        return
    for name in ("mean", "std"):
        mine, theirs = getattr(encoder, name).flatten().tolist(), getattr(known, name).flatten().tolist()
        if mine != theirs:
            words = " ".join(f"{value:.6g}" for value in theirs)
            raise InputError(
                f"{start.about} takes images with another {name} than this encoder. Add --encoder.{name} {words}"
            )
    if encoder.gray != known.gray:
        raise InputError(
            f"{start.about} sees {'gray' if known.gray else 'colour'} images and this encoder does not. Add "
            f"--encoder.{'gray' if known.gray else 'no-gray'}"
        )


def _safetensors(path: Path) -> dict[str, Tensor]:
    with parsed(path, "file of tensors", "Check the path, or download it again."):
        return _unwrapped(read_sealed(path)[0])


def _pickled(path: Path) -> dict[str, Tensor]:
    with parsed(path, "file of weights", "Save its state_dict as safetensors."):
        try:
            held: Any = torch.load(path, map_location="cpu", weights_only=True)
        except UnpicklingError as error:
            raise InputError(
                f"{path} holds more than tensors, and is not read: code could run. Save its state_dict, as safetensors."
            ) from error
    for key in HOLDERS:
        if isinstance(held, Mapping) and isinstance(held.get(key), Mapping):
            held = held[key]
    if not isinstance(held, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in held.items()
    ):
        raise InputError(f"{path} is no state_dict: expected names with tensors. Save model.state_dict().")
    return _unwrapped(dict(held))


def _unwrapped(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names without what all of them begin with."""
    for prefix in WRAPPERS:
        if tensors and all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    return tensors


def _listed(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "one number"
