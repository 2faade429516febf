"""Accelerate on the device that a user names."""

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
