"""Training a part of a network: its last blocks, or adapters of low rank beside its weights."""

import itertools
from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from contrascope.encoders.encoder import Encoder
from contrascope.encoders.settings import EncoderSettings
from contrascope.errors import InputError
from contrascope.extras import missing_extra
from contrascope.machine.torchvision_operators import complete_torchvision

SCALE = 2
"""Alpha over rank of the adapters: the usual alpha is twice the rank."""
ADAPTER = "default"
"""What peft calls an adapter without a name."""


def restrict(encoder: Encoder, settings: EncoderSettings) -> None:
    """Leaves that of the encoder trainable which the settings ask for, in place; all of it where they say nothing.

    What does not move keeps its statistics of batches too. Raises `InputError` for a network without so many blocks,
    and without peft.
    """
    if settings.train_last is not None:
        _last_blocks(encoder, settings.train_last)
    if settings.lora is not None:
        _adapters(encoder, settings.lora)


def blocks_of(network: nn.Module) -> list[str]:
    """Names of the blocks of a network in their order: what stands in lists of modules of one class, outermost.

    >>> layer = lambda: nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    >>> blocks_of(nn.ModuleDict({"stem": nn.Linear(2, 2), "stages": nn.ModuleList([layer(), layer()])}))
    ['stages.0', 'stages.1']
    """
    return list(_blocks(network, ""))


def _blocks(module: nn.Module, at: str) -> Iterator[str]:
    children = list(module.named_children())
    alike = len({type(child) for _, child in children}) == 1 and any(
        True for _, child in children for _ in child.children()
    )
    listed = isinstance(module, nn.Sequential | nn.ModuleList) and alike
    for name, child in children:
        if listed and any(True for _ in child.parameters()):
            yield f"{at}{name}"
        elif not listed:
            yield from _blocks(child, f"{at}{name}.")


def _last_blocks(encoder: Encoder, count: int) -> None:
    """What is registered before the first of these blocks stays as it is; they and what comes after are trained."""
    names = blocks_of(encoder.trunk)
    if len(names) < count:
        raise InputError(
            f"encoder.train_last is {count}, and {type(encoder.trunk).__name__} has {len(names) or 'no'} blocks. "
            f"{'Choose fewer, or leave it out to train all.' if names else 'Leave it out: all is trained then.'}"
        )
    first = names[-count]
    before = list(itertools.takewhile(lambda one: one[0] != first, encoder.trunk.named_modules()))
    inside = {name for name, _ in before if first.startswith(f"{name}.") or not name}
    for name, parameter in encoder.trunk.named_parameters():
        if name.startswith(f"{first}."):
            break
        parameter.requires_grad_(False)
    encoder.still = tuple(name for name, _ in before if name not in inside)


def _adapters(encoder: Encoder, rank: int) -> None:
    """Adapters beside every linear map and every convolution of one group; all else stays as it is."""
    complete_torchvision()  # peft imports transformers, which imports it
    try:
        import peft
    except ModuleNotFoundError as error:
        if error.name != "peft":
            raise
        raise missing_extra("peft", "encoder.lora") from error
    names = list(_adaptable(encoder.trunk))
    if not names:
        raise InputError(
            f"encoder.lora adapts linear maps and convolutions, and {type(encoder.trunk).__name__} has none. "
            "Leave it out."
        )
    made = peft.LoraConfig(
        r=rank, lora_alpha=SCALE * rank, target_modules=names, lora_dropout=0.0, bias="none"
    )
    peft.inject_adapter_in_model(made, encoder.trunk)
    for name, parameter in encoder.trunk.named_parameters():
        parameter.requires_grad_(".lora_" in name)
    encoder.still = tuple(
        name for name, module in encoder.trunk.named_modules() if isinstance(module, _BatchNorm)
    )


def _adaptable(network: nn.Module, at: str = "") -> Iterator[str]:
    for name, child in network.named_children():
        if isinstance(child, nn.MultiheadAttention):
            continue  # takes its maps' weights without calling them
        if isinstance(child, nn.Linear) or (isinstance(child, nn.Conv2d) and child.groups == 1):
            yield f"{at}{name}"
        yield from _adaptable(child, f"{at}{name}.")


def merged(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors with adapters as those of the plain network: each weight plus what its adapter adds.

    Needs no peft, so that a run with adapters opens everywhere.

    >>> import torch
    >>> a, b, w = torch.ones(1, 3), torch.ones(2, 1), torch.zeros(2, 3)
    >>> names = ("base_layer.weight", "lora_A.default.weight", "lora_B.default.weight")
    >>> merged({f"fc.{name}": value for name, value in zip(names, (w, a, b))})
    {'fc.weight': tensor([[2., 2., 2.],
            [2., 2., 2.]])}
    """
    found: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if ".lora_" in name:
            continue
        plain = name.replace(".base_layer.", ".")
        owner, _, last = name.rpartition(".base_layer.")
        down = tensors.get(f"{owner}.lora_A.{ADAPTER}.weight") if owner and last == "weight" else None
        up = tensors.get(f"{owner}.lora_B.{ADAPTER}.weight")
        if down is None or up is None:
            found[plain] = value
            continue
        added = up.flatten(1).float() @ down.flatten(1).float()
        found[plain] = (value.float() + SCALE * added.view(value.shape)).to(value.dtype)
    return found


def has_adapters(tensors: dict[str, Tensor]) -> bool:
    """Whether tensors hold adapters."""
    return any(f".lora_A.{ADAPTER}." in name for name in tensors)
