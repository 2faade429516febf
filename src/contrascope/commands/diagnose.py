"""contrascope diagnose: sound and learning without labels, useful with a few."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from contrascope.commands.command import BROKEN, DONE, Command
from contrascope.commands.subject import SHOWN, SubjectArguments, out_or_run, subject_of
from contrascope.diagnosis.settings import DiagnosisSettings
from contrascope.errors import InputError, did_you_mean
from contrascope.progress import Progress
from contrascope.terminal.help import shown
from contrascope.terminal.progress import CommandProgress

if TYPE_CHECKING:
    from contrascope.subjects.diagnose import Diagnosed

FAILING = {"unsound": "sound", "not-learning": "learning", "not-useful": "useful"}
"""Words of --fail-on to the question that they answer."""


@dataclass(frozen=True, kw_only=True)
class DiagnoseArguments(SubjectArguments):
    """Say whether a representation is sound and learning, without labels, and useful, with a few; why; and what to do.

    The exit status is 0 for sound, 3 for unsound, 2 for wrong input.
    """

    fail_on: str = "unsound"
    """Answers that end with status 3, between commas: `unsound`, which always does, `not-learning`, `not-useful`."""

    labelled: Path | None = None
    """Table of labelled images (file, class), as `contrascope label` writes it: answers whether it is useful."""
    diagnosis: DiagnosisSettings = field(default_factory=DiagnosisSettings)


def failing(words: str) -> dict[str, str]:
    """Question to the answer that ends with status 3, in what --fail-on names.

    >>> failing("unsound,not-learning")
    {'sound': 'unsound', 'learning': 'not learning'}
    """
    asked = [word.strip() for word in words.split(",")]
    for word in asked:
        if word not in FAILING:
            raise InputError(f"--fail-on has {word!r}. {did_you_mean(word, FAILING)}")
    return {FAILING[word]: word.replace("-", " ") for word in ("unsound", *asked)}


def run(parsed: DiagnoseArguments, progress: CommandProgress) -> int:
    """Diagnose, write the record, print the summary."""
    bad = failing(parsed.fail_on)
    from contrascope.subjects.diagnose import diagnose_anything, write_diagnosis
    from contrascope.subjects.sentences import is_of_sentences
    from contrascope.terminal.diagnosis import show_diagnosis

    if is_of_sentences(parsed.thing, parsed.source):
        found = _of_sentences(parsed, progress.counter("sentences embedded"))
    else:
        found = diagnose_anything(
            parsed.thing,
            **subject_of(parsed),
            settings=parsed.diagnosis,
            progress=progress.counter("views embedded"),
            say=progress.say,
            beside=parsed.out,
            labelled=parsed.labelled,
        )
    out = out_or_run(parsed)
    written = None if out is None else write_diagnosis(found, parsed.diagnosis, out)
    sys.stdout.write(show_diagnosis(found, written, as_json=parsed.json))
    verdict = found.diagnosis.verdict
    failed = any(getattr(verdict, question).word == word for question, word in bad.items())
    return BROKEN if failed else DONE


def _of_sentences(parsed: DiagnoseArguments, progress: Progress) -> "Diagnosed":
    """A run on sentences, or a model of the hub on a file of sentences."""
    from contrascope.subjects.diagnose_sentences import diagnose_sentences
    from contrascope.subjects.sentences import open_text_subject

    if parsed.policy is not None or parsed.labelled is not None or parsed.labels is not None:
        raise InputError("--policy, --labels and --labelled are for images; leave them out for sentences.")
    subject = open_text_subject(parsed.thing, step=parsed.step)
    return diagnose_sentences(subject, parsed.source or "", settings=parsed.diagnosis, progress=progress)


COMMAND = Command(
    name="diagnose",
    group="measure",
    words="RUN_OR_ENCODER_OR_FILE [DATA]",
    summary="is it sound, is it learning, is it useful?",
    arguments=DiagnoseArguments,
    run=run,
    shown=(
        shown("--diagnosis.images", "images that are looked at, drawn at random"),
        shown("--diagnosis.views", "views of each"),
        shown("--labelled", "a table (file, class): is it useful for these classes?"),
        shown("--fail-on", "what ends with status 3: unsound,not-learning,not-useful"),
        *SHOWN,
    ),
    examples=(
        "contrascope diagnose runs/my-run",
        "contrascope diagnose timm:resnet18 ~/photos --policy simclr",
        "contrascope diagnose embeddings.npy",
        "contrascope diagnose hf:FOLDER corpus.txt",
    ),
)
