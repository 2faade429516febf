"""contrascope evaluate: accuracy of simple classifiers on frozen features, beside its references."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from contrascope.commands.command import DONE, Command, Computing
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError
from contrascope.evaluation.protocol import Protocol
from contrascope.evaluation.sts_settings import StsSettings
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
    suite: Literal["sts", "sentences"] | None = None
    """Of text encoders: sts, correlations with people's scores of pairs; sentences, classifiers on mr, cr, subj, sst2 and trec; DATA is the folder of the sets."""  # noqa: E501
    sts: StsSettings = field(default_factory=StsSettings)
    data: DataSettings = field(default_factory=DataSettings)
    protocol: Protocol = field(default_factory=Protocol)
    json: bool = False
    """Print the scores as JSON instead of a table."""


def run(parsed: EvaluateArguments, progress: CommandProgress) -> int:
    """Evaluate and print the table."""
    if parsed.suite is not None:
        return _of_sentences(parsed, progress)
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


def _of_sentences(parsed: EvaluateArguments, progress: CommandProgress) -> int:
    """The suites of sentences; the record of sts lies in the run's folder."""
    if parsed.source is None:
        raise InputError(f"--suite {parsed.suite} needs the folder of its sets as its second argument.")
    from contrascope.machine.device import find_device
    from contrascope.subjects.sentences import open_text_subject
    from contrascope.suites.sentence_transfer import sentence_transfer
    from contrascope.suites.sts import sts_suite
    from contrascope.terminal.sts import show_sts
    from contrascope.terminal.tables import show_json, show_table

    subject = open_text_subject(parsed.encoder, pool=parsed.sts.pool)
    device = find_device(parsed.device)
    if device is not None:
        subject.encoder.to(device)
    out = None if subject.run is None else subject.run.path
    folder = Path(parsed.source).expanduser()
    if parsed.suite == "sentences":
        found = sentence_transfer(subject, folder, say=progress.say)
        rows = [{"set": name, **row} for name, some in found.items() for row in some]
        tables = "".join(f"{name}\n{show_table(some)}" for name, some in found.items())
        sys.stdout.write(show_json(rows) if parsed.json else tables)
        return DONE
    record = sts_suite(subject, folder, parsed.sts, out=out, say=progress.say)
    sys.stdout.write(show_sts(record, as_json=parsed.json))
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
        shown("--suite", "of text encoders: sts (scored pairs) or sentences (labels); DATA is their folder"),
        shown("--json", "print the scores as JSON"),
        shown("--device", "cpu, cuda, cuda:1 or mps", "the first GPU, or the CPU"),
    ),
    examples=(
        "contrascope evaluate runs/my-run ~/photos",
        "contrascope evaluate timm:resnet18 uoft-cs/cifar10 --protocol.probes knn few_labels",
        "contrascope evaluate train.safetensors test.safetensors",
        "contrascope evaluate runs/my-text-run ~/sts --suite sts",
    ),
)
