"""Settings of the loop, and what they must satisfy together."""

from dataclasses import dataclass
from typing import Literal

from contrascope.errors import InputError, did_you_mean
from contrascope.settings import written_as

MOST_VIEWS = 1000
"""Views of an image a step."""
MOST_THREADS = 1024
"""Threads of an operation on a CPU."""
TRACKERS = ("tensorboard", "wandb", "mlflow", "trackio")


@written_as("TrainingSettings")
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
    chunk: int = 0
    """Images embedded at a time, on each process; the gradient is the whole batch's. 0: all, which is faster."""
    precision: Literal["float32", "bf16"] = "float32"
    """Arithmetic of the networks; losses and weights stay in float32."""
    channels_last: bool = True
    """Store images and convolutions channels-last, which is faster."""
    compile: bool = False
    """Compile the encoder with torch.compile (needs a C++ compiler; the first step takes a minute)."""
    threads: int = 0
    """Threads on a CPU; 0: what the machine gives, by a trial of two seconds at the start, kept for the run."""
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
        if self.chunk < 0:
            raise InputError(
                f"training.chunk is {self.chunk}; expected 1 image or more, or 0 for the whole batch."
            )
        if self.chunk and self.accumulate > 1:
            raise InputError(
                "training.chunk and training.accumulate both cut the batch; leave accumulate at 1: chunk alone is "
                "exact."
            )
        if self.num_views < 2:
            raise InputError(f"training.num_views is {self.num_views}; a positive pair needs 2 or more.")
        if self.num_views > MOST_VIEWS:
            raise InputError(f"training.num_views is {self.num_views}; expected {MOST_VIEWS} or fewer.")
        if not 0 <= self.threads <= MOST_THREADS:
            raise InputError(
                f"training.threads is {self.threads}; expected 1 to {MOST_THREADS}, or 0 for what the machine gives."
            )
        for name in self.trackers:
            if name not in TRACKERS and ":" not in name:
                raise InputError(f"training.trackers has {name!r}. {did_you_mean(name, TRACKERS)}")


@written_as("OptimSettings")
@dataclass(frozen=True, kw_only=True)
class OptimSettings:
    """How weights move. Nothing is rescaled by the batch size: `lr` is what the optimiser sees."""

    name: Literal["sgd", "lars", "adamw", "muon"] = "sgd"
    """Optimiser: SGD with momentum, LARS (large batches), AdamW, or Muon (convolutions; AdamW for the rest)."""
    lr: float = 0.06
    """Peak learning rate, as the optimiser sees it at every batch size."""
    momentum: float = 0.9
    """Momentum of SGD and LARS; AdamW, also within Muon, uses it as beta1."""
    weight_decay: float = 5e-4
    """Weight decay: coupled in SGD and LARS, decoupled in AdamW; of no use to kernels that Muon turns."""
    exclude_norm_and_bias: bool = False
    """Leave biases and norm parameters without weight decay (and without LARS adaptation)."""
    trust: float = 1e-3
    """Trust coefficient (eta) of LARS."""
    nesterov: bool = False
    """Nesterov momentum (SGD only)."""
    kernel_rate: float = 0.1
    """Peak rate at which Muon turns kernels of convolutions, as a share of their length; `lr` is for the rest."""


@written_as("ScheduleSettings")
@dataclass(frozen=True, kw_only=True)
class ScheduleSettings:
    """What changes over the steps: the learning rate (linear warm-up, then cosine or constant), the views' side."""

    name: Literal["cosine", "constant"] = "cosine"
    """Shape after the warm-up."""
    warmup_epochs: float = 0.0
    """Length of the linear warm-up in epochs; 0 for none."""
    final_fraction: float = 0.0
    """Share of the peak rate at the very end of the cosine, in [0, 1]."""
    continuation: Literal["restart", "stretch", "constant"] | None = None
    """How a run that is continued for more epochs goes on: anew, drawn out, or at the rate where it stands; unset: drawn out if it was stopped before its end, else refused."""  # noqa: E501
    early_size: int | None = None
    """Side of the views in the first epochs, in pixels, which makes them cheap; None: as in the others."""
    early_share: float = 0.5
    """Share of the epochs, in [0, 1], that see views of `early_size`."""

    def __post_init__(self) -> None:
        if self.early_size is not None and self.early_size < 1:
            raise InputError(
                f"schedule.early_size is {self.early_size}; expected 1 px or more, or nothing for one size throughout."
            )
        if not 0 <= self.early_share <= 1:
            raise InputError(
                f"schedule.early_share is {self.early_share}; expected a share of the epochs, 0 to 1."
            )
