"""Diagnose an encoder of sentences: on its own views, on disjoint halves, and for what is typical of text."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.diagnosis.causes import Known
from contrascope.diagnosis.diagnosis import array_signals, diagnosis
from contrascope.diagnosis.sentences.faults import TextFaults, length_bias, mean_cosine, padding_leak
from contrascope.diagnosis.sentences.learning import (
    TextLearning,
    equal_views,
    is_text_learning,
    sound_at_rest,
)
from contrascope.diagnosis.sentences.shown import (
    LEAST_TEXTS,
    LEAST_WORDS,
    ShownSentences,
    half_rows,
    learning_on,
    view_rows,
)
from contrascope.diagnosis.settings import DiagnosisSettings
from contrascope.diagnosis.verdict import Answer
from contrascope.errors import InputError, MissingSplitError
from contrascope.features.embed import device_of
from contrascope.features.sentences import embed_rows
from contrascope.methods.text.mlm_settings import MLMSettings
from contrascope.precision import single_precision
from contrascope.progress import Passes, Progress, silent
from contrascope.records.vocabulary import UsefulWord
from contrascope.subjects.diagnose import Diagnosed
from contrascope.subjects.sentences import TextSubject
from contrascope.text.encoder import TextEncoder
from contrascope.text.policy import build_text_policies
from contrascope.text.ragged import Ragged
from contrascope.text.sentences import SPECIALS, open_sentences
from contrascope.text.settings import TextDataSettings, TextViewSettings
from contrascope.text.views import clean_view

HELD_OUT = "validation"
"""Split that a run was not trained on."""
FOREIGN = TextViewSettings(first=("delete=0.3",))
"""Views of an encoder that was not trained here, without dropout."""
NO_LABELS: Answer[UsefulWord] = Answer(
    word="cannot be told without labels",
    evidence=("Whether a representation serves a task depends on the task.",),
    next="Scored pairs tell: contrascope evaluate RUN FOLDER --suite sts.",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class MeasuredSentences:
    """The sentences that are looked at."""

    rows: Ragged
    """Their ids, whole."""
    what: str
    """Where they are from."""


@single_precision()
def diagnose_sentences(
    subject: TextSubject,
    source: str = "",
    *,
    settings: DiagnosisSettings,
    progress: Progress = silent,
) -> Diagnosed:
    """The verdict of a text encoder, on sentences of `source`; unset: those of a run that it was not trained on.

    h are its views as it was trained: with dropout where dropout makes them. Whether it is learning is told by
    disjoint halves, with the network at rest.
    """
    shown = measured_sentences(subject, source, settings)
    longest = subject.max_length - SPECIALS
    rows, twin = shown.rows.cut(longest), subject.twin
    fixed = shown_sentences(subject, rows, settings)
    networks = 1 if twin is None else 2
    halves = 0 if twin is None else sum(map(len, fixed.halves)) * networks
    passes = Passes(progress, total=(1 + networks * settings.views) * len(rows) + halves)
    h, z = _views(subject, subject.encoder, fixed, passes), None
    known = None if twin is None else _views(subject, twin, fixed, passes)
    signals = array_signals(h, z, reference=(known, None), draws=settings.draws, seed=settings.seed)
    faults = text_faults(subject, shown.rows, progress=passes.next(len(rows)))
    signals = replace(signals, faults=replace(signals.faults, batch=faults.leak, copies=faults.copies))
    told = Known(method=subject.method)
    found = diagnosis(
        signals, h, z, {}, known=told, useful=NO_LABELS, draws=settings.draws, seed=settings.seed
    )
    learnt = None if twin is None else _learning(subject, twin, fixed, h, settings, passes)
    sound = sound_at_rest(found.verdict.sound, learnt)
    sound = replace(sound, evidence=(*sound.evidence, *faults.notes()))
    verdict = replace(found.verdict, sound=sound, learning=is_text_learning(learnt, sound))
    about = f"{len(rows)} sentences of {shown.what}, {settings.views} views each"
    return Diagnosed(
        thing=subject.name, data=about, diagnosis=replace(found, verdict=verdict), item="sentence"
    )


def measured_sentences(subject: TextSubject, source: str, settings: DiagnosisSettings) -> MeasuredSentences:
    """Those of `source`, or of the split `validation` beside what a run was trained on, or else of that."""
    if source:
        data, what = TextDataSettings(source=source, columns=()), source
    elif subject.data.source:
        data, what = (
            replace(subject.data, split=HELD_OUT, columns=subject.data.columns[:1]),
            "the validation split",
        )
    else:
        raise InputError(f"{subject.name} needs sentences: contrascope diagnose {subject.name} corpus.txt")
    data = replace(data, documents=True, limit=settings.images, seed=settings.seed)
    try:
        held = open_sentences(data, subject.tokenizer)
    except MissingSplitError:
        held, what = (
            open_sentences(replace(data, split=subject.data.split), subject.tokenizer),
            "the training split",
        )
    if Path(subject.data.source).expanduser().is_file() and not source:
        what = "the file that it was trained on"
    long = (held.columns[0].lengths >= LEAST_WORDS).nonzero()[:, 0]
    if len(long) < LEAST_TEXTS:
        raise InputError(
            f"{what} has {len(long)} sentences of {LEAST_WORDS} tokens or more; expected {LEAST_TEXTS} or more."
        )
    return MeasuredSentences(rows=held.columns[0].select(long), what=what)


def text_faults(subject: TextSubject, rows: Ragged, *, progress: Progress = silent) -> TextFaults:
    """What is typical of text, measured at rest on whole sentences."""
    h = embed_rows(subject.encoder, rows, max_length=subject.max_length, progress=progress)
    some = torch.arange(min(len(rows), 64))
    cut = rows.cut(subject.max_length - SPECIALS)
    packed = clean_view(cut.padded(some, fill=subject.encoder.vocabulary.pad), subject.encoder.vocabulary)
    texts = [tuple(row.tolist()) for row in rows.values.split(rows.lengths.tolist())]
    counted = {text: 0 for text in texts}
    for text in texts:
        counted[text] += 1
    return TextFaults(
        leak=padding_leak(subject.encoder, packed.to(device_of(subject.encoder))),
        cosine=mean_cosine(h),
        length=length_bias(h, cut.lengths),
        cut=float((rows.lengths > subject.max_length - SPECIALS).double().mean()),
        copies=sum(counted[text] > 1 for text in texts) / len(texts),
    )


def _views(
    subject: TextSubject, encoder: TextEncoder, shown: ShownSentences, passes: Passes
) -> Float[Tensor, "views n dim"]:
    """Rows of fixed views, made and seen as in training for a run."""
    sentences = len(shown.columns[0])
    told = passes.next(sentences * shown.num_views)
    return view_rows(
        encoder,
        None,
        shown,
        dropping=subject.run is not None,
        progress=lambda done, total: told(done * shown.num_views, total * shown.num_views),
    )[0]


def shown_sentences(subject: TextSubject, rows: Ragged, settings: DiagnosisSettings) -> ShownSentences:
    """What an encoder is shown of these texts: its own views, or deleted words for one that was not trained here."""
    views = FOREIGN if subject.run is None else subject.views
    return ShownSentences(
        columns=(rows,),
        policies=build_text_policies(views, subject.tokenizer),
        num_views=settings.views,
        seed=settings.seed,
        same_mask=views.same_mask,
    )


def _learning(
    subject: TextSubject,
    twin: TextEncoder,
    shown: ShownSentences,
    own: Tensor,
    settings: DiagnosisSettings,
    passes: Passes,
) -> TextLearning:
    size, longest = sum(map(len, shown.halves)), subject.max_length
    mine, other = (
        half_rows(network, shown.halves, max_length=longest, progress=passes.next(size))
        for network in (subject.encoder, twin)
    )
    contrasts = subject.run is not None and not isinstance(subject.method, MLMSettings)
    return learning_on(
        shown,
        mine,
        other,
        size=subject.tokenizer.vocabulary.size,
        equal=equal_views(own) if contrasts else None,
        draws=settings.draws,
    )
