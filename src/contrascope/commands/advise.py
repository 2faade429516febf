"""contrascope advise: which augmentation for these images?"""

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import tyro

from contrascope.advice.sentences.settings import TextAdviceSettings
from contrascope.advice.settings import AdviseSettings
from contrascope.commands.command import DONE, Command, Computing
from contrascope.data.settings import DataSettings
from contrascope.terminal.help import shown
from contrascope.terminal.progress import CommandProgress


@dataclass(frozen=True, kw_only=True)
class AdviseArguments(Computing):
    """Say which augmentation suits these images, and write the best policy to a file.

    Looks at the images, gives a word on every operation (no-op, destructive, saturated, useful), measures how views
    bring images together, and within the budget trains short proxies. Ask the same again to go on. Of sentences
    (a .txt or .jsonl file, or any with --text.vocabulary) it tries rates of deletion and lengths of spans.
    """

    source: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
    """The images: digits, scenes, shapes, a folder, an array file, or a name on the hub."""
    labels: str | None = None
    """Label column that the advice may use; unset: none is looked at."""
    budget: str = "10m"
    """Time for short trainings, such as 90s, 10m or 1h; 0: none, the ranking is by distances of views alone."""
    base: str = "simclr"
    """Method of the short trainings: simclr, moco, barlow-twins, simsiam, byol or vicreg."""
    out: Path = Path("advised-policy.json")
    """File for the best policy; measurements are kept in a folder of the same name that ends in .advice."""
    data: DataSettings = field(default_factory=DataSettings)
    settings: AdviseSettings = field(default_factory=AdviseSettings)
    text: TextAdviceSettings = field(default_factory=TextAdviceSettings)
    """Of sentences: the tokeniser, and what is tried; --labels names a column of classes."""
    json: bool = False
    """Print every number as JSON instead of a summary."""


def run(parsed: AdviseArguments, progress: CommandProgress) -> int:
    """Look, measure, train a little, and print the advice."""
    if parsed.text.vocabulary or Path(parsed.source).suffix in (".txt", ".jsonl"):
        return _of_sentences(parsed, progress)
    from contrascope.advice.advise import advise
    from contrascope.advice.settings import seconds_of
    from contrascope.commands.ended import Terminated
    from contrascope.machine.device import find_device
    from contrascope.terminal.advice import show_advice
    from contrascope.training.interrupt import Interrupted

    try:
        advice = advise(
            replace(parsed.data, source=parsed.source),
            labels=parsed.labels,
            budget=seconds_of(parsed.budget),
            base=parsed.base,
            out=parsed.out,
            settings=parsed.settings,
            device=find_device(parsed.device),
        )
    except Interrupted as stopped:  # in a short training, of which people know nothing
        raise (Terminated if stopped.number == 15 else KeyboardInterrupt) from None
    sys.stdout.write(show_advice(advice, as_json=parsed.json))
    return DONE


def _of_sentences(parsed: AdviseArguments, progress: CommandProgress) -> int:
    from contrascope.advice.sentences.advise import advise_sentences
    from contrascope.terminal.text_advice import show_text_advice

    try:
        advice = advise_sentences(parsed.source, parsed.text, labels=parsed.labels, say=progress.say)
    except KeyboardInterrupt as stop:  # of images measurements are kept, and the command says so
        raise type(stop)("Of sentences nothing is kept; the same command begins anew.") from None
    sys.stdout.write(show_text_advice(advice, as_json=parsed.json))
    return DONE


COMMAND = Command(
    name="advise",
    group="train",
    words="DATA",
    summary="which augmentation for these images? writes a policy file",
    arguments=AdviseArguments,
    run=run,
    shown=(
        shown("--budget", "time for short trainings: 90s, 10m, 1h; 0: none"),
        shown("--out", "file for the best policy"),
        shown("--labels", "label column that the advice may use", "none is looked at"),
        shown("--base", "method of the short trainings: simclr, moco, barlow-twins, ..."),
        shown("--settings.images", "images whose views are compared"),
        shown("--text.vocabulary", "of sentences: folder or name of the tokeniser"),
        shown("--settings.candidates", "policies that are ranked, at most"),
        shown("--json", "print every number as JSON"),
        shown("--device", "cpu, cuda, cuda:1 or mps", "the first GPU, or the CPU"),
    ),
    examples=(
        "contrascope advise ~/photos --budget 10m",
        "contrascope advise sentences.txt --text.vocabulary bert-base-uncased",
        "contrascope train folder-simclr --data.source ~/photos --policy advised-policy.json",
    ),
    stopped="What is measured is kept; the same command goes on from here.",
)
