"""Settings of the loop, and what they must satisfy together."""

from dataclasses import dataclass
from typing import Literal

import torch

from contrascope.errors import InputError, did_you_mean
from contrascope.methods.base import Method

TRACKERS = ("tensorboard", "wandb", "mlflow", "trackio")


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """The loop itself."""

    epochs: int = 100
    """Passes over the training images."""
    batch_size: int = 256
    """Images a step, over all processes together."""
    num_views: int = 2
    """Views of each image a step (at least 2)."""
    accumulate: int = 1
    """Micro-batches a step; refused where the loss or batch norm would make them inexact."""
    precision: Literal["float32", "bf16"] = "float32"
    """Arithmetic of the networks; losses and weights stay in float32."""
    channels_last: bool = True
    """Store images and convolutions channels-last, which is faster."""
    compile: bool = False
    """Compile the encoder with torch.compile (needs a C++ compiler; the first step takes a minute)."""
    seed: int = 0
    """Seed of weights, order and views."""
    log_every: int = 10
    """Steps between two lines of metrics.jsonl."""
    checkpoint_every: int = 0
    """Steps between two checkpoints; 0 means one an epoch."""
    keep_last: int = 2
    """How many of the newest checkpoints are kept."""
    keep_every: int = 0
    """Checkpoints at multiples of this many steps are kept for good; 0 means none."""
    probe_every: int = 0
    """Epochs between two kNN probes on held-out training images; 0 means none."""
    clip_norm: float = 0.0
    """Largest norm of the gradient; 0 means no clipping."""
    trackers: tuple[str, ...] = ()
    """Where every row of metrics.jsonl also goes: tensorboard, wandb, mlflow, trackio, or package.module:Class."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "accumulate", "log_every", "keep_last"):
            if getattr(self, name) < 1:
                raise InputError(f"training.{name} is {getattr(self, name)}; expected 1 or more.")
        if self.num_views < 2:
            raise InputError(f"training.num_views is {self.num_views}; a positive pair needs 2 or more.")
        for name in self.trackers:
            if name not in TRACKERS and ":" not in name:
                raise InputError(f"training.trackers has {name!r}. {did_you_mean(name, TRACKERS)}")


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
