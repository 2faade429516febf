"""Several processes begin together or not at all, and the rest say so where one of them is gone."""

import contextlib
import re
from collections.abc import Iterator

import torch.distributed as dist

from contrascope.distributed import rank, world_size
from contrascope.errors import InputError

SIGNS = re.compile(r"gloo|nccl|process ?group|closed by peer|reset by peer|broken pipe|store", re.IGNORECASE)
"""Words of torch's own messages where processes cannot reach each other any more."""


class ProcessLostError(Exception):
    """Another of several processes ended or does not answer."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"process {rank()} of {world_size()} lost another one, which ended or does not answer ({self.reason}). "
            "That one's own words say why. What is saved stays: start all of them again with --resume."
        )


@contextlib.contextmanager
def together() -> Iterator[None]:
    """What fails in one process while this block runs fails in all of them, at its end, before any waits for another.

    The process that failed raises what it raised; the others raise `InputError` with its sentence. Nothing in the block
    may wait for another process.

    >>> with together():
    ...     pass
    """
    fault = None
    try:
        yield
    except Exception as error:
        if world_size() == 1:
            raise
        fault = error
    if world_size() == 1:
        return
    told: list[str | None] = [None] * world_size()
    dist.all_gather_object(told, None if fault is None else f"{fault}" or type(fault).__name__)
    if fault is not None:
        raise fault
    for number, sentence in enumerate(told):
        if sentence is not None:
            raise InputError(f"process {number} could not begin, so none does: {sentence}")


@contextlib.contextmanager
def lost_is_said() -> Iterator[None]:
    """Turns what torch says where another process is gone into `ProcessLostError`."""
    try:
        yield
    except (dist.DistError, RuntimeError) as error:
        if world_size() == 1 or not (isinstance(error, dist.DistError) or SIGNS.search(str(error))):
            raise
        first = " ".join(str(error).split("\n")[0].split())
        raise ProcessLostError(re.sub(r"^\[[^\]]*\] ", "", first)[:120]) from error
