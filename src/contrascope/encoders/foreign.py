"""Encoders of other libraries: timm, Hugging Face transformers, torchvision, or any import path."""

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pickle import UnpicklingError
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from contrascope.errors import InputError, did_you_mean
from contrascope.extras import missing_extra
from contrascope.imports import import_typed, not_ending
from contrascope.machine.torchvision_operators import complete_torchvision

PACKAGES = {"timm": "timm", "hf": "transformers", "torchvision": "torchvision"}
"""Prefix of a name (also the extra to install) to the package it needs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Foreign:
    """A network of another library, and the normalisation that its weights were trained with, if known."""

    trunk: nn.Module
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


def _package(prefix: str) -> ModuleType:
    name = PACKAGES[prefix]
    complete_torchvision()  # all three import it
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise missing_extra(name, f"an encoder '{prefix}:...'") from error
    except (ImportError, RuntimeError) as error:
        raise InputError(
            f"{name} is installed but cannot be imported: {error}. Install builds of torch and {name} "
            "that belong together."
        ) from error


def timm_encoder(name: str, *, channels: int, pretrained: bool) -> Foreign:
    """Timm's model without classifier: its own global pooling gives h."""
    timm = _package("timm")
    if not timm.is_model(name):
        raise InputError(f"timm has no model {name!r}. {did_you_mean(name, timm.list_models())}")
    model = timm.create_model(name, pretrained=pretrained, num_classes=0, in_chans=channels)
    if not pretrained or channels != 3:
        return Foreign(trunk=model)
    return Foreign(trunk=model, mean=model.pretrained_cfg["mean"], std=model.pretrained_cfg["std"])


def torchvision_encoder(name: str, *, channels: int, pretrained: bool) -> Foreign:
    """Torchvision's model, its last fully connected layer replaced by the identity; colour images only."""
    _package("torchvision")
    models = importlib.import_module("torchvision.models")
    known = models.list_models(module=models)
    if name not in known:
        raise InputError(f"torchvision has no classifier {name!r}. {did_you_mean(name, known)}")
    if channels != 3:
        raise InputError(
            f"torchvision's models take 3 channels; got {channels}. Use 'timm:...' or 'resnet18'."
        )
    model = models.get_model(name, weights="DEFAULT" if pretrained else None)
    linears = [key for key, module in model.named_modules() if isinstance(module, nn.Linear)]
    if not linears:
        raise InputError(f"torchvision's {name!r} has no fully connected layer to remove; wrap it yourself.")
    model.set_submodule(linears[-1], nn.Identity())
    return Foreign(trunk=model)


class HuggingFaceTrunk(nn.Module):
    """A transformers model that takes images by position; a pooler without trained weights is not used."""

    def __init__(self, model: nn.Module, *, use_pooler: bool) -> None:
        super().__init__()
        self.model, self.use_pooler = model, use_pooler

    def forward(self, images: Tensor) -> dict[str, Any]:
        output = dict(self.model(pixel_values=images))
        if not self.use_pooler:
            output.pop("pooler_output", None)
        return output


def hf_encoder(name: str, *, channels: int, pretrained: bool) -> Foreign:
    """`transformers.AutoModel` of a hub name or folder; of CLIP-like models the vision half.

    h is `pooler_output` where the model has one whose weights came with it, else the mean of all tokens (the
    class token among them); `pool="cls"` takes the class token alone. Code that a folder or repository brings along is
    not run, and pickled weights are read as numbers alone.
    """
    transformers = _package("hf")
    try:
        config = transformers.AutoConfig.from_pretrained(name, trust_remote_code=False)
        _refuse_kernels(name, config)
        if pretrained:
            model, info = transformers.AutoModel.from_pretrained(
                name, config=config, trust_remote_code=False, weights_only=True, output_loading_info=True
            )
        else:
            model, info = transformers.AutoModel.from_config(config, trust_remote_code=False), {}
    except (InputError, ImportError):
        raise
    except UnpicklingError as error:
        raise InputError(
            f"the pickled weights of {name!r} hold more than numbers, and are not read. Save them as safetensors."
        ) from error
    except Exception as error:  # a wrong config.json ends in errors of many types
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"transformers cannot open {name!r}: {why} Give a name of the "
            "Hugging Face hub or a folder with config.json."
        ) from error
    model = getattr(model, "vision_model", model)
    wanted = getattr(model.config, "num_channels", channels)
    if wanted != channels:
        raise InputError(f"{name!r} takes {wanted} channels; got images with {channels}.")
    untrained = any("pooler" in key for key in info.get("missing_keys", ()))
    return Foreign(trunk=HuggingFaceTrunk(model, use_pooler=not untrained))


def _refuse_kernels(name: str, config: Any) -> None:
    """Refuses attention by a repository of kernels, which is code that transformers would fetch and run."""
    for key in ("_attn_implementation", "_experts_implementation"):
        asked = getattr(config, key, None)
        if isinstance(asked, str) and "/" in asked:
            raise InputError(
                f"the config.json of {name!r} asks for {asked!r}, which is code from the hub and not run here. "
                f"Take `{key.removeprefix('_')}` out of it."
            )
    for part in vars(config).values() if config is not None else ():
        if hasattr(part, "_attn_implementation"):
            _refuse_kernels(name, part)


class FunctionEncoder(nn.Module):
    """A function of images as a network without weights.

    >>> FunctionEncoder(nn.functional.relu)
    FunctionEncoder(relu)
    """

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, images: Tensor) -> Any:
        return self.function(images)

    def extra_repr(self) -> str:
        return getattr(self.function, "__qualname__", type(self.function).__name__)


def imported_encoder(path: str, *, channels: int, size: int) -> Foreign:
    """`package.module:Object`: a module or a function of images as it is, or a class or function that makes one.

    What makes one is called with those of `channels` and `size` that it has parameters for; a function that asks for
    anything else is itself the encoder. A class that is no `nn.Module` is not called. Raises `InputError` where a file
    names the path and nobody allowed it.

    >>> type(imported_encoder("torch.nn:Flatten", channels=1, size=8).trunk).__name__
    'Flatten'
    """
    made = import_typed(path, what="encoder")
    if isinstance(made, type) and not issubclass(made, nn.Module):
        raise InputError(f"encoder {path!r} is the class {made.__qualname__}, which is no torch.nn.Module.")
    if not isinstance(made, nn.Module) and callable(made):
        made = _called(made, {"channels": channels, "size": size}, path)
    if not isinstance(made, nn.Module):
        raise InputError(f"encoder {path!r} must be or return a torch.nn.Module; got {type(made).__name__}.")
    return Foreign(trunk=made)


def _called(made: Callable[..., Any], offered: dict[str, int], path: str) -> Any:
    """What a class or function makes of what it asks for, or the function itself where it takes images."""
    try:
        accepted = inspect.signature(made).parameters
    except ValueError as error:  # some of Python's own say nothing of themselves
        raise InputError(
            f"encoder {path!r} does not say what it takes; give a function of your own."
        ) from error
    plain = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.KEYWORD_ONLY,
    )
    asked = [k for k, p in accepted.items() if p.default is inspect.Parameter.empty and p.kind in plain]
    others = [name for name in asked if name not in offered]
    if others and isinstance(made, type):
        raise InputError(
            f"encoder {path!r} needs {', '.join(others)}; only channels and size are offered. Give a function that "
            "makes it."
        )
    if others:
        return FunctionEncoder(made)
    with not_ending(f"encoder {path!r}"):
        found = made(**{key: value for key, value in offered.items() if key in accepted})
    return found if isinstance(found, nn.Module) or not callable(found) else FunctionEncoder(found)


def foreign_encoder(name: str, *, channels: int, size: int, pretrained: bool) -> Foreign:
    """The network that a name with a colon stands for.

    >>> foreign_encoder("torch.nn:Flatten", channels=1, size=8, pretrained=False).mean is None
    True
    """
    prefix, _, rest = name.partition(":")
    builders = {"timm": timm_encoder, "hf": hf_encoder, "torchvision": torchvision_encoder}
    if prefix in builders:
        return builders[prefix](rest, channels=channels, pretrained=pretrained)
    if pretrained:
        raise InputError(f"`pretrained` is for {', '.join(builders)}; {name!r} must load its own weights.")
    return imported_encoder(name, channels=channels, size=size)
