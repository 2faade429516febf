"""A method's recipe on a GPU, with the settings that the literature gives for small images; without torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class LargeRun:
    """What `cifar10-METHOD-resnet18` is: a published run, named by its source."""

    source: str
    """Whose settings they are, in a few words; what is ours in them is said after a semicolon."""
    lr: float
    """Peak learning rate, as the optimiser sees it."""
    optim: Literal["adamw", "sgd", "lars"] = "sgd"
    """Optimiser; Adam of a source is AdamW here."""
    weight_decay: float = 1e-4
    """As the optimiser sees it."""
    epochs: int = 1000
    """Passes over the training images."""
    batch: int = 256
    """Images a step."""
    warmup_epochs: float = 10.0
    """Length of the linear warm-up."""
    policy: str = "simclr"
    """Preset that makes the views."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the method that differ from its defaults."""
    moves: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the optimiser beside those above."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Settings of training that differ from the common ones."""
    encoder: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the encoder; empty: a ResNet-18 for small images."""
