"""The arithmetic of a step, and when parts of a batch may be added up."""

import torch

from contrascope.errors import InputError
from contrascope.methods.base import Method
from contrascope.training.settings import TrainingSettings


def arithmetic(training: TrainingSettings, device: torch.device) -> torch.autocast:
    """The context of a forward pass: a weight is cast once for all views, so their gradients add up in bf16."""
    bf16 = training.precision == "bf16"
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16, cache_enabled=True)


def check_accumulation(method: Method, training: TrainingSettings, *, world_size: int) -> None:
    """Refuse micro-batches where their sum is not the gradient of the whole batch."""
    if training.accumulate == 1:
        return
    problem = method.accumulation_problem()
    if problem is not None:
        raise InputError(
            f"training.accumulate is {training.accumulate}, but {problem}. Use accumulate 1 with a smaller "
            "batch, more processes, or a network without batch norm and a loss that does not couple images."
        )
    if (training.batch_size // world_size) % training.accumulate:
        raise InputError(
            f"training.batch_size {training.batch_size} over {world_size} processes is not a multiple of "
            f"training.accumulate {training.accumulate}; choose one that is."
        )
