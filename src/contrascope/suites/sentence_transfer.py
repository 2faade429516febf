"""Transfer of sentence encoders: simple classifiers on frozen vectors of small labelled sets, beside references."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from contrascope.data.sampling import held_out
from contrascope.errors import InputError, MissingSplitError
from contrascope.evaluation.evaluate import compare
from contrascope.evaluation.probe import held_out_mask
from contrascope.evaluation.protocol import Protocol
from contrascope.evaluation.scores import Score, table
from contrascope.evaluation.sts_settings import REFERENCES
from contrascope.features.features import Features
from contrascope.features.sentences import embed_rows
from contrascope.intervals import share_interval
from contrascope.precision import single_precision
from contrascope.progress import Say, unheard
from contrascope.subjects.sentences import TextSubject
from contrascope.text.bags import corpus_counts, counts_of
from contrascope.text.encoder import TextEncoder
from contrascope.text.ragged import Ragged
from contrascope.text.tables import Columns, read_table, texts_of

SENTENCE_SETS = ("mr", "cr", "subj", "sst2", "trec")
"""Folders of labelled sentences; SST-2 is made from MR."""
PROTOCOL = Protocol(probes=("linear", "knn", "few_labels"), k=20)
"""What is asked of every set."""
BAG = f"{REFERENCES['tfidf']} + logistic regression"
Labelled = tuple[Ragged, Tensor]


@single_precision()
def sentence_transfer(
    subject: TextSubject,
    folder: Path,
    *,
    sets: tuple[str, ...] = SENTENCE_SETS,
    protocol: Protocol = PROTOCOL,
    say: Say = unheard,
) -> dict[str, list[dict[str, Any]]]:
    """By set, the table of scores of the encoder, its random twin, and TF-IDF with logistic regression.

    A set without a test split is tested on a fifth of its sentences, where SentEval has ten folds. Labels choose the
    penalty on a part of train alone.
    """
    found = {}
    for name in sets:
        train, test, split = labelled_sets(subject, folder / name, protocol)
        networks: dict[str, TextEncoder] = {subject.name: subject.encoder}
        if subject.twin is not None:
            networks[REFERENCES["random"]] = subject.twin
        say(f"{name}: {len(train[0])} to learn from, {len(test[0])} {split}")
        pairs = {
            of: tuple(_features(encoder, each, subject.max_length) for each in (train, test))
            for of, encoder in networks.items()
        }
        rows = compare(pairs, protocol)  # pyright: ignore[reportArgumentType]
        if "linear" in protocol.probes:
            rows += table({BAG: [_bag(train, test, protocol, size=subject.tokenizer.vocabulary.size)]})
        found[name] = [{**row, "split": split} for row in rows]
    return found


def labelled_sets(subject: TextSubject, folder: Path, protocol: Protocol) -> tuple[Labelled, Labelled, str]:
    """Train and test of a set, and what the latter is called."""
    train = _labelled(subject, read_table(str(folder), split=protocol.train_split), folder)
    try:
        table_of_test = read_table(str(folder), split=protocol.test_split)
    except MissingSplitError:
        learn, kept = held_out(len(train[0]), seed=protocol.seed)
        return _some(train, learn), _some(train, kept), "held-out"
    return train, _labelled(subject, table_of_test, folder), protocol.test_split


def _labelled(subject: TextSubject, columns: Columns, folder: Path) -> Labelled:
    labels = columns.get("label")
    if labels is None or not all(isinstance(one, int) for one in labels):
        raise InputError(f"{folder} has no column label of whole numbers; expected text and label.")
    return subject.tokenizer.encode(texts_of(columns, (), name=str(folder))[0]), torch.tensor(labels)


def _some(held: Labelled, ids: Tensor) -> Labelled:
    return held[0].select(ids), held[1][ids]


def _features(encoder: TextEncoder, held: Labelled, max_length: int) -> Features:
    h = embed_rows(encoder, held[0], max_length=max_length)
    return Features(h=h[None], y={"label": held[1]}, ids=torch.arange(len(h)))


def _bag(train: Labelled, test: Labelled, protocol: Protocol, *, size: int) -> Score:
    """Logistic regression on unit rows of TF-IDF, its penalty chosen on a held-out part of train."""
    idf = corpus_counts(train[0], size=size).idf
    x, x_test = (_unit(counts_of(rows, size=size).multiply(idf).tocsr()) for rows in (train[0], test[0]))
    y, y_test = train[1].numpy(), test[1].numpy()
    classes, codes = torch.unique(train[1], return_inverse=True)
    out = held_out_mask(
        codes, torch.arange(len(y)), len(classes), share=protocol.probe_held_out, seed=protocol.seed
    ).numpy()

    def fitted(inverse_penalty: float, rows: np.ndarray) -> LogisticRegression:
        return LogisticRegression(C=inverse_penalty, max_iter=1000).fit(x[rows], y[rows])

    grid = (0.1, 1.0, 10.0, 100.0)
    best = max(grid, key=lambda one: fitted(one, ~out).score(x[out], y[out]))
    hits = torch.from_numpy(fitted(best, np.ones(len(y), dtype=bool)).predict(x_test) == y_test).double()
    low, high = share_interval(hits, level=protocol.level)
    return Score(
        name="linear",
        value=float(hits.mean()),
        low=low,
        high=high,
        n=len(hits),
        output="h",
        chosen=best,
        protocol=protocol.hash,
    )


def _unit(rows: Any) -> Any:
    norm = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    scale = np.divide(1.0, norm, out=np.zeros(len(norm)), where=norm > 0)
    return rows.multiply(scale[:, None]).tocsr()
