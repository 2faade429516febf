"""The record sentences.json: pairs of views and neighbours as text, so that a page renders again without a network."""

from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope import records
from contrascope.diagnosis.sentences.shown import ShownSentences, view_rows
from contrascope.diagnosis.settings import DiagnosisSettings
from contrascope.draws import PROBE_EPOCH
from contrascope.features.sentences import embed_rows
from contrascope.intervals import generator
from contrascope.linalg import unit_rows
from contrascope.precision import single_precision
from contrascope.records.sentences import (
    NearTextEntry,
    NeighbourTextsEntry,
    SentenceGalleryRecord,
    ViewedTextEntry,
)
from contrascope.subjects.diagnose_sentences import measured_sentences, shown_sentences
from contrascope.subjects.sentences import TextSubject, open_text_subject
from contrascope.text.packed import TOKEN, real
from contrascope.text.ragged import Ragged
from contrascope.text.sentences import SPECIALS
from contrascope.text.views import make_text_views

LOOKED_AT, SHOWN, NEAR = 1000, 8, 4
"""Sentences that are embedded; rows of a table; neighbours of a sentence."""


@single_precision()
def write_sentences(path: Path) -> Path:
    """Measures a run on its own sentences and writes sentences.json in its folder; returns the file.

    Raises `InputError` where the run has no checkpoint or its sentences are not at hand.
    """
    file = records.inside(path, SentenceGalleryRecord.FILE)
    records.write_record(file, sentence_gallery(open_text_subject(str(path))))
    return file


def sentence_gallery(subject: TextSubject, *, seed: int = 0) -> SentenceGalleryRecord:
    """Sentences whose two views, as they were trained, lie farthest apart and closest together; and neighbours.

    Neighbours are of sentences as they are, the network at rest.
    """
    settings = DiagnosisSettings(images=LOOKED_AT, views=2, seed=seed)
    found = measured_sentences(subject, "", settings)
    rows = found.rows.cut(subject.max_length - SPECIALS)
    shown = shown_sentences(subject, rows, settings)
    h, _ = view_rows(subject.encoder, None, shown, dropping=True)
    one, other = (unit_rows(view.double()) for view in h)
    apart = (one - other).square().sum(1)
    far, close = (apart.argsort(descending=down, stable=True)[:SHOWN] for down in (True, False))
    at_rest = embed_rows(subject.encoder, rows, max_length=subject.max_length)
    return SentenceGalleryRecord(
        step=None if subject.run is None else subject.run.step,
        data=found.what,
        measured=len(rows),
        worst=_viewed(subject, shown, far, apart),
        best=_viewed(subject, shown, close, apart),
        neighbours=_neighbours(subject, rows, at_rest, seed=seed),
    )


def _viewed(
    subject: TextSubject, shown: ShownSentences, chosen: Int[Tensor, " some"], apart: Float[Tensor, " n"]
) -> tuple[ViewedTextEntry, ...]:
    views, _ = make_text_views(
        [column.padded(chosen, fill=subject.tokenizer.vocabulary.pad) for column in shown.columns],
        shown.policies,
        subject.tokenizer.vocabulary,
        ids=chosen,
        seed=shown.seed,
        epoch=PROBE_EPOCH,
    )
    return tuple(
        ViewedTextEntry(
            text=_text(subject, shown.columns[0], place),
            views=tuple(subject.tokenizer.text(_tokens(view[row])) for view in views),
            alignment=float(apart[place]),
        )
        for row, place in enumerate(chosen.tolist())
    )


def _tokens(sentence: Int[Tensor, "length fields"]) -> list[int]:
    """Real tokens without the two around them."""
    return sentence[real(sentence[None])[0], TOKEN].tolist()[1:-1]


def _neighbours(
    subject: TextSubject, rows: Ragged, h: Float[Tensor, "n dim"], *, seed: int
) -> tuple[NeighbourTextsEntry, ...]:
    unit = unit_rows(h.double())
    order = torch.randperm(len(rows), generator=generator(seed, "neighbours of sentences"))
    chosen = order[:SHOWN].sort().values
    cosine = unit[chosen] @ unit.T
    cosine[torch.arange(len(chosen)), chosen] = -2.0  # below every cosine: itself is no neighbour
    values, places = cosine.topk(min(NEAR, len(rows) - 1), dim=1)
    return tuple(
        NeighbourTextsEntry(
            text=_text(subject, rows, place),
            near=tuple(
                NearTextEntry(text=_text(subject, rows, there), cosine=value)
                for there, value in zip(near.tolist(), value_row.tolist(), strict=True)
            ),
        )
        for place, near, value_row in zip(chosen.tolist(), places, values, strict=True)
    )


def _text(subject: TextSubject, rows: Ragged, place: int) -> str:
    start, end = rows.starts[place : place + 2].tolist()
    return subject.tokenizer.text(rows.values[start:end].tolist())
