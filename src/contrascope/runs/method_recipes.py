"""Recipes that a method's registration makes: on the demo's scans, and on a GPU with the literature's settings."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from contrascope.augment.settings import PolicySettings
from contrascope.data.settings import DataSettings
from contrascope.encoders.settings import EncoderSettings
from contrascope.evaluation.protocol import Protocol
from contrascope.methods.large_run import LargeRun
from contrascope.methods.settings import MethodInfo, MethodSettings, SmallRun
from contrascope.runs.settings import RunSettings
from contrascope.training.settings import OptimSettings, ScheduleSettings, TrainingSettings

ADAMW = OptimSettings(name="adamw", lr=2e-3, weight_decay=1e-4)
SGD = OptimSettings(name="sgd", lr=0.1, momentum=0.9, weight_decay=5e-4)
MUON = OptimSettings(name="muon", lr=2e-3, weight_decay=1e-4, kernel_rate=0.1)
OPTIMISERS = {"adamw": ADAMW, "sgd": SGD, "muon": MUON}
"""By the word that a method's registration has."""
LARS = OptimSettings(name="lars", trust=0.02, exclude_norm_and_bias=True)
"""Of solo-learn's recipes."""
RESNET18: dict[str, Any] = {"name": "resnet18", "stem": "cifar"}


def digits_run(info: MethodInfo, small: SmallRun, optim: OptimSettings) -> RunSettings:
    """The demo's scans, encoder and number of steps with another method, in minutes on two cores."""
    changes = {**small.changes, **(small.digits or {})}
    return RunSettings(
        data=DataSettings(source="digits"),
        policy=PolicySettings(name="digits"),
        encoder=EncoderSettings(**{"name": "convnet", "width": 16, **small.digits_encoder}),
        method=info.settings(**changes),
        training=TrainingSettings(
            **{
                "epochs": 150,
                "batch_size": small.batch,
                "log_every": 5,
                "checkpoint_every": 50,
                **small.training,
            }
        ),
        optim=replace(optim, **small.moves),
        schedule=ScheduleSettings(warmup_epochs=5.0),
        protocol=Protocol(k=20),
    )


def large_run(make: Callable[..., MethodSettings], large: LargeRun, data: DataSettings) -> RunSettings:
    """CIFAR with a ResNet-18, or a ViT where the method needs one, and the settings of `large.source`."""
    base = LARS if large.optim == "lars" else OptimSettings(name=large.optim)
    moves = {"lr": large.lr, "weight_decay": large.weight_decay, **large.moves}
    training = {"epochs": large.epochs, "batch_size": large.batch, "precision": "bf16", **large.training}
    return RunSettings(
        data=data,
        policy=PolicySettings(name=large.policy),
        encoder=EncoderSettings(**(large.encoder or RESNET18)),
        method=make(**large.changes),
        training=TrainingSettings(**training),
        optim=replace(base, **moves),
        schedule=ScheduleSettings(warmup_epochs=large.warmup_epochs),
    )
