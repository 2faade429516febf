"""Classes for a folder from a few labelled pictures, with a confidence, or "do not know"."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int

from contrascope.curation.duplicates import copy_groups
from contrascope.curation.rows import NamedRows, other_rows, rows_of
from contrascope.errors import InputError
from contrascope.evaluation.few.classify import learn
from contrascope.evaluation.few.cross_validation import CrossValidated, cross_validated
from contrascope.features.labelled import Labelled, filled_classes, read_labelled
from contrascope.features.table import cell
from contrascope.precision import single_precision
from contrascope.progress import Progress, Say, silent, unheard
from contrascope.records.inside import whole_file
from contrascope.runs.bad_images import tell_images
from contrascope.subjects.open import kind_of, open_subject
from contrascope.subjects.subject import Subject

DO_NOT_KNOW = "do not know"
DECLINE = 0.1
"""Share of images of the labelled classes that may be answered "do not know", as far as the labelled ones tell."""
COLUMNS = ("file", "answer", "confidence", "guess", "similarity", "labelled")


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """An answer for every image."""

    rows: NamedRows
    """The images."""
    classes: tuple[str, ...]
    """Class names by code."""
    guess: Int[torch.Tensor, " n"]
    """The most probable class."""
    confidence: Float[torch.Tensor, " n"]
    """Its probability, calibrated, 0 to 1."""
    similarity: Float[torch.Tensor, " n"]
    """Cosine to the nearest labelled image."""
    answered: Bool[torch.Tensor, " n"]
    """Whether the class is answered; else it is "do not know"."""
    given: dict[int, str]
    """Class of the images among them that are labelled."""
    tested: CrossValidated
    """What the answers are worth, by cross-validation on the labelled images."""

    def answers(self) -> list[str]:
        """A class or "do not know" for every image; of labelled ones their class."""
        said = zip(self.guess.tolist(), self.answered.tolist(), strict=True)
        found = [self.classes[code] if known else DO_NOT_KNOW for code, known in said]
        for at, word in self.given.items():
            found[at] = word
        return found


@single_precision()
def predict_anything(
    thing: Any,
    table: Path,
    data: Any = None,
    *,
    step: int | None = None,
    labelled_data: Any = None,
    decline: float = DECLINE,
    seed: int = 0,
    device: torch.device | str | None = None,
    progress: Progress = silent,
    say: Say = unheard,
) -> Predictions:
    """Learns the classes of a table (file, class) and answers for every image of `data`, or of a run's own.

    `thing`: a run, an encoder's name or a model, whose images `data` are; or rows, with other rows as `data`.

    Files of the table are those of `labelled_data` where it is given; else of the images that are answered for, or
    else of a run's own. Raises `InputError` for a table that allows no test: files that are absent, one class, fewer
    than 10 images.
    """
    if not 0 <= decline < 1:
        raise InputError(f"decline is {decline}; expected a share of images, 0 or more and below 1.")
    filled_classes(table)  # a table that is none is told before anything is embedded
    if kind_of(thing) in ("encoder", "model"):  # the images say what it is built for
        subject, data = open_subject(thing, data=data, step=step), None
    else:
        subject = open_subject(thing, step=step)
    rows = (
        rows_of(subject, device=device, progress=progress)
        if data is None
        else other_rows(subject, data, device=device, progress=progress)
    )
    if rows.images is not None:
        tell_images(rows.images, say)
    known, bank = _labelled(
        subject, table, rows, data, labelled_data, device=device, progress=progress, say=say
    )
    learnt = bank.part(known.ids)
    classifier = learn(learnt.h, known.labels, len(known.classes), groups=copy_groups(learnt), seed=seed)
    chances = classifier.probabilities(rows.h).max(dim=1)
    similarity = classifier.cosine(rows.h)
    mine = bank is rows
    return Predictions(
        rows=rows,
        classes=known.classes,
        guess=chances.indices,
        confidence=chances.values,
        similarity=similarity,
        answered=classifier.answered(chances.values, similarity, decline=decline),
        given={
            at: known.classes[code]
            for at, code in zip(known.ids.tolist(), known.labels.tolist(), strict=True)
            if mine
        },
        tested=cross_validated(classifier, known.labels, decline=decline, seed=seed),
    )


def _labelled(
    subject: Subject,
    table: Path,
    rows: NamedRows,
    data: Any,
    labelled_data: Any,
    *,
    device: torch.device | str | None,
    progress: Progress,
    say: Say,
) -> tuple[Labelled, NamedRows]:
    """The labelled images and the rows that they are of."""
    if labelled_data is not None:
        bank = other_rows(subject, labelled_data, device=device, progress=progress)
        return read_labelled(table, bank.names), bank
    own = data is not None and subject.run is not None
    try:
        found = read_labelled(table, rows.names)
    except InputError as absent:
        if not own:
            raise
        try:
            found = read_labelled(table, subject.names)
        except InputError:
            raise absent from None
        say(f"{table} names images that {subject.name} was trained on; they are learnt from.")
        return found, rows_of(subject, device=device, progress=progress)
    if own and rows.images is not None and not rows.images.has_names:
        raise InputError(
            f"{table} names images by number, and {rows.about} and the run's own images both have numbers; name those "
            "that are meant with --labelled-data."
        )
    return found, rows


def write_predictions(found: Predictions, out: Path) -> Path:
    """A CSV file: file, answer, confidence, guess, similarity, labelled."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(out) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(_table(found))
    return out


def _table(found: Predictions) -> Iterator[list[str]]:
    columns = (found.answers(), found.confidence.tolist(), found.guess.tolist(), found.similarity.tolist())
    for at, (name, answer, confidence, guess, similarity) in enumerate(
        zip(found.rows.names, *columns, strict=True)
    ):
        mark = "yes" if at in found.given else ""
        yield [
            cell(name),
            cell(answer),
            f"{confidence:.3f}",
            cell(found.classes[guess]),
            f"{similarity:.4f}",
            mark,
        ]
