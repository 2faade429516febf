"""The device that a user names, and accelerate on it."""

import atexit
import gc
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from accelerate import Accelerator

from contrascope.errors import InputError

NAME = "ACCELERATE_TORCH_DEVICE"
"""Where accelerate looks for a device; read when its state begins."""


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


def accelerator_on(device: torch.device | str | None) -> Accelerator:
    """Accelerate in float32 on the device; None: on what accelerate finds.

    Of several processes each has a GPU of its own, or all share the CPU. Raises `InputError` where this process already
    trains elsewhere, or where the processes cannot find each other.
    """
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    wanted = None if device is None else torch.device(device)
    if processes > 1:
        return _one_of_several(processes, wanted)
    if wanted is None:
        return Accelerator(mixed_precision="no")
    with _named(wanted):
        accelerator = Accelerator(mixed_precision="no", cpu=wanted.type == "cpu")
    if accelerator.device.type != wanted.type or (wanted.index or 0) != (accelerator.device.index or 0):
        raise InputError(
            f"the device is {wanted}, but this process already trains on {accelerator.device}. Start another one."
        )
    return accelerator


def _one_of_several(processes: int, wanted: torch.device | None) -> Accelerator:
    """Accelerate in one of several processes: without a GPU it has to be told to join them on the CPU."""
    if wanted is not None and wanted.type != "cpu":
        raise InputError(
            f"the device is {wanted}, but each of several processes has its own. Leave it out, or take the cpu for all."
        )
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    on_cpu = wanted is not None or found is None or found.type == "mps"
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if not on_cpu and here > torch.accelerator.device_count():
        raise InputError(
            f"{here} processes were started on a machine with {torch.accelerator.device_count()} GPUs; expected no "
            "more than there are. Start fewer, or all on the CPU: --device cpu."
        )
    joined_here = not dist.is_initialized()
    accelerator = Accelerator(mixed_precision="no", cpu=on_cpu)
    if joined_here and dist.is_initialized():
        atexit.register(_leave)
    if accelerator.num_processes != processes:
        raise InputError(
            f"{processes} processes were started, but accelerate joined {accelerator.num_processes} of them on "
            f"{accelerator.device}. Start them by torchrun or accelerate launch, before anything else trains in them."
        )
    return accelerator


def _leave() -> None:
    """Leaves the group before the interpreter ends.

    A thread of gloo may still hold the tensors of its last work; where it lets them go while Python already ends, the
    process is aborted (in torch 2.13 every fifth one that ends soon after it has exchanged something). The group's end
    waits for its threads, unless a model still holds the group: then they get the time to let go.
    """
    gc.collect()
    if dist.is_initialized():
        dist.destroy_process_group()
    time.sleep(0.2)


@contextmanager
def _named(device: torch.device) -> Iterator[None]:
    before = os.environ.get(NAME)
    os.environ[NAME] = str(device)
    try:
        yield
    finally:
        if before is None:
            del os.environ[NAME]
        else:
            os.environ[NAME] = before
