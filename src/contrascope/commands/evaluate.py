"""contrascope evaluate: accuracy of simple classifiers on frozen features, beside its references."""

import sys
from dataclasses import dataclass, field
from typing import Annotated

import tyro

from contrascope.commands.command import DONE, Command, Computing
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError
from contrascope.evaluation.protocol import Protocol
from contrascope.terminal.help import shown
from contrascope.terminal.progress import CommandProgress


@dataclass(frozen=True, kw_only=True)
class EvaluateArguments(Computing):
    """Accuracy of simple classifiers on frozen features, beside a random encoder and raw pixels.

    A run is assessed under its own protocol unless a setting of the protocol is changed here. How robust it is and
    how far it carries are asked by `contrascope robustness` and `contrascope transfer`.
    """

    encoder: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN_OR_ENCODER_OR_FILE")]
    """A run's folder, an encoder's name, or a file of features."""
    source: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")] = None
    """The images: digits, scenes, shapes, a folder, an array file, or a name on the hub; for a file of features, a second one to test on."""  # noqa: E501
    data: DataSettings = field(default_factory=DataSettings)
    protocol: Protocol = field(default_factory=Protocol)
    json: bool = False
    """Print the scores as JSON instead of a table."""


def run(parsed: EvaluateArguments, progress: CommandProgress) -> int:
    """Evaluate and print the table."""
    if parsed.source is None:
        raise InputError("evaluate needs the images (or a second file of features) as its second argument.")
    from contrascope.jobs.evaluate import evaluate_anything
    from contrascope.machine.device import find_device
    from contrascope.terminal.tables import show_json, show_table

    rows = evaluate_anything(
        parsed.encoder,
        parsed.source,
        parsed.data,
        parsed.protocol,
        device=find_device(parsed.device),
        progress=progress.counter("images embedded"),
        probing=progress.counter("probes"),
        say=progress.say,
    )
    sys.stdout.write(show_json(rows) if parsed.json else show_table(rows))
    return DONE


COMMAND = Command(
    name="evaluate",
    group="measure",
    words="RUN_OR_ENCODER_OR_FILE DATA",
    summary="kNN, linear and few-label accuracy beside its references",
    arguments=EvaluateArguments,
    run=run,
    shown=(
        shown("--protocol.probes", "which classifiers: knn, nearest_centre, linear, few_labels"),
        shown("--protocol.k", "neighbours of the kNN classifier"),
        shown("--protocol.shots", "labels a class of the few-label scores"),
        shown("--protocol.features", "h (encoder) or z (projector)"),
        shown("--protocol.test-split", "split that is tested on"),
        shown("--data.labels", "label column that is scored", "the first one"),
        shown("--data.size", "side in px to bring images to", "the run's, or as they are"),
        shown("--json", "print the scores as JSON"),
        shown("--device", "cpu, cuda, cuda:1 or mps", "the first GPU, or the CPU"),
    ),
    examples=(
        "contrascope evaluate runs/my-run ~/photos",
        "contrascope evaluate timm:resnet18 uoft-cs/cifar10 --protocol.probes knn few_labels",
        "contrascope evaluate train.safetensors test.safetensors",
    ),
)
