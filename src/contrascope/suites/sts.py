"""The suite of semantic textual similarity: an encoder beside its random twin and beside counts of words."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.encoders.twin import weights_hash
from contrascope.errors import InputError
from contrascope.evaluation.sts import (
    Placed,
    ScoredPairs,
    cosines,
    gain_estimate,
    joined,
    placed,
    spearman_estimate,
)
from contrascope.evaluation.sts_settings import REFERENCES, SETS, StsSettings
from contrascope.features.sentences import embed_rows
from contrascope.precision import single_precision
from contrascope.progress import Say, unheard
from contrascope.records.suites import SimilarityEntry, SimilarityRecord
from contrascope.records.typed import write_record
from contrascope.subjects.sentences import TextSubject
from contrascope.text.bags import bag_cosines, corpus_counts, word_vectors
from contrascope.text.ragged import Ragged
from contrascope.text.sentences import open_sentences
from contrascope.text.settings import TextDataSettings
from contrascope.text.tables import read_table

TFIDF = REFERENCES["tfidf"]
AVERAGE = "avg6"
"""Plain mean of the sets' `all`."""
STSB = "stsb"


def open_pairs(folder: Path, name: str, *, split: str) -> ScoredPairs:
    """A set of scored pairs in the hub's layout: sentence1, sentence2, score, subset."""
    table = read_table(str(folder / name), split=split if name == STSB else "test")
    lost = [column for column in ("sentence1", "sentence2", "score") if column not in table]
    if lost:
        raise InputError(f"{folder / name} has no column {lost[0]}; expected sentence1, sentence2 and score.")
    return ScoredPairs(
        name=name,
        first=table["sentence1"],
        second=table["sentence2"],
        scores=torch.tensor(table["score"], dtype=torch.float64),
        subsets=table.get("subset", [""] * len(table["score"])),
    )


@single_precision()
def sts_suite(
    subject: TextSubject, folder: Path, settings: StsSettings, *, out: Path | None = None, say: Say = unheard
) -> SimilarityRecord:
    """Spearman's correlation of each representation on each set, with intervals over pairs; kept in `out`.

    The TF-IDF cosine is the reference of every gain: it needs no training, and beats averaged word vectors here.
    """
    every = [open_pairs(folder, name, split=settings.split) for name in settings.sets]
    rows: list[SimilarityEntry] = []
    encode = subject.tokenizer.encode
    tokens = {one.name: (encode(one.first), encode(one.second)) for one in every}
    reference: dict[str, Tensor] = {}
    for of, similarity, where in _representations(subject, every, tokens, settings, say):
        reference = similarity if of == TFIDF else reference
        for one in every:
            row = _entry(of, one, similarity[one.name], reference.get(one.name), settings)
            lies = where.get(one.name)
            told = {} if lies is None else {"alignment": lies.alignment, "uniformity": lies.uniformity}
            rows.append(replace(row, **told))
    record = SimilarityRecord(
        encoder=weights_hash(subject.encoder),
        pool=subject.encoder.pool,
        max_length=subject.max_length,
        rows=tuple(rows),
        step=None if subject.run is None else subject.run.step,
    )
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_record(out / SimilarityRecord.FILE, record)
    return record


def average(record: SimilarityRecord, of: str) -> float | None:
    """Mean of `all` over the six sets; None where one was not measured."""
    found = {row.set: row.all for row in record.rows if row.of == of and row.all is not None}
    return sum(found[name] for name in SETS) / len(SETS) if set(SETS) <= set(found) else None


Pairs = dict[str, tuple[Ragged, Ragged]]
Similarities = dict[str, Float[Tensor, " n"]]
Places = dict[str, Placed]


def _representations(
    subject: TextSubject, every: list[ScoredPairs], tokens: Pairs, settings: StsSettings, say: Say
) -> Iterator[tuple[str, Similarities, Places]]:
    """References first, so that gains over TF-IDF can be told of the others; networks with where they lie."""
    size = subject.tokenizer.vocabulary.size
    asked = settings.references
    counted = subject.encoder.pool != "sif" or subject.encoder.weights is not None
    corpus = _corpus(subject, settings, say) if {"tfidf", "sif"} & set(asked) or not counted else None
    if not counted:
        if corpus is None:
            raise InputError(
                "sts.pool sif weighs tokens by a corpus, and none is named; give --sts.corpus FILE."
            )
        for one in filter(None, (subject.encoder, subject.twin)):
            one.count(corpus.counts(size))
    if corpus is not None and "tfidf" in asked:
        idf = corpus_counts(corpus, size=size).idf
        yield TFIDF, {name: bag_cosines(*pair, size=size, weights=idf) for name, pair in tokens.items()}, {}
    if "bag" in asked:
        yield REFERENCES["bag"], {name: bag_cosines(*pair, size=size) for name, pair in tokens.items()}, {}
    if corpus is not None and "sif" in asked:
        say("word vectors of the corpus")
        words = word_vectors(corpus, size=size)
        yield (
            REFERENCES["sif"],
            {name: cosines(*(words.sentences(each) for each in pair)) for name, pair in tokens.items()},
            {},
        )
    networks: list[tuple[str, Any]] = [(subject.name, subject.encoder)]
    if "random" in asked and subject.twin is not None:
        networks.insert(0, (REFERENCES["random"], subject.twin))
    for of, encoder in networks:
        say(f"{of}: embedding")
        found, where = {}, {}
        for pairs in every:
            first, second = (
                embed_rows(encoder, each, max_length=subject.max_length) for each in tokens[pairs.name]
            )
            found[pairs.name], where[pairs.name] = cosines(first, second), placed(first, second, pairs)
        yield of, found, where


def _corpus(subject: TextSubject, settings: StsSettings, say: Say) -> Ragged | None:
    source = settings.corpus or subject.data.source
    if not source:
        say("no corpus is named, so there is no TF-IDF beside it; give --sts.corpus")
        return None
    data = TextDataSettings(source=source) if settings.corpus else subject.data
    data = replace(data, documents=True, columns=data.columns[:1], limit=settings.corpus_limit or data.limit)
    say(f"counting the words of {source}")
    return open_sentences(data, subject.tokenizer).columns[0]


def _entry(
    of: str, pairs: ScoredPairs, similarity: Tensor, reference: Tensor | None, settings: StsSettings
) -> SimilarityEntry:
    drawn = {"draws": settings.draws, "seed": settings.seed, "key": pairs.name}
    whole = spearman_estimate(similarity, pairs.scores, **drawn)
    mean, weighted = (joined(similarity, pairs.scores, pairs.subsets, how=how) for how in ("mean", "wmean"))
    found = None
    if reference is not None and reference is not similarity:
        found = gain_estimate(similarity, reference, pairs.scores, **drawn)
    told = asdict(whole)
    return SimilarityEntry(
        of=of,
        set=pairs.name,
        split=settings.split if pairs.name == STSB else "test",
        n=len(pairs.scores),
        all=told["value"],
        low=told["low"],
        high=told["high"],
        mean=mean,
        wmean=weighted,
        gain=None if found is None else found.value,
        gain_low=None if found is None else found.low,
        gain_high=None if found is None else found.high,
    )
