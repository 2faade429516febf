"""The device that a user names."""

import torch

from contrascope.errors import InputError


def find_device(name: str | None) -> torch.device | None:
    """The device of this name: cpu, cuda, cuda:1 or mps; None stays None, whoever computes chooses then.

    Raises `InputError` for a name that torch does not know, and for a device that this machine lacks.

    >>> find_device("cpu"), find_device(None)
    (device(type='cpu'), None)
    """
    if name is None:
        return None
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"the device is {name!r}; expected cpu, cuda, cuda:1 or mps.") from None
    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= cards:
        have = f"this machine shows torch {cards} CUDA device{'' if cards == 1 else 's'}"
        raise InputError(f"the device is {name!r}, but {have}. Leave --device out, or use --device cpu.")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise InputError(f"the device is {name!r}, but torch finds no Apple GPU here. Use --device cpu.")
    if device.type not in ("cpu", "cuda", "mps"):
        raise InputError(f"the device is {name!r}; expected cpu, cuda, cuda:1 or mps.")
    return device


def default_device() -> torch.device:
    """The first GPU, or the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
