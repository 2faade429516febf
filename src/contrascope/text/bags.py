"""What counts of words alone say of sentences: the references that a text encoder has to beat."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from scipy import sparse
from torch import Tensor

from contrascope.errors import InputError
from contrascope.text.ragged import Ragged
from contrascope.text.weights import sif_weights

Sparse: TypeAlias = Any
"""A sparse matrix of scipy, whose types say less than they should."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CorpusCounts:
    """What a corpus says of its tokens."""

    documents: np.ndarray
    """In how many texts each id comes."""
    total: np.ndarray
    """How often each id comes."""
    texts: int
    """Number of texts."""

    @property
    def idf(self) -> np.ndarray:
        """Inverse document frequency, log((1 + texts) / (1 + documents)) + 1."""
        return np.log((1 + self.texts) / (1 + self.documents)) + 1


def counts_of(rows: Ragged, *, size: int) -> Sparse:
    """How often each id comes in each text."""
    row = torch.arange(len(rows)).repeat_interleave(rows.lengths).numpy()
    ones = np.ones(len(rows.values), dtype=np.float64)
    made = sparse.coo_matrix((ones, (row, rows.values.numpy())), shape=(len(rows), size))
    return sparse.csr_matrix(made)


def corpus_counts(rows: Ragged, *, size: int) -> CorpusCounts:
    """The counts of a corpus."""
    counts = counts_of(rows, size=size)
    documents = np.asarray((counts > 0).sum(axis=0)).ravel()
    return CorpusCounts(documents=documents, total=np.asarray(counts.sum(axis=0)).ravel(), texts=len(rows))


def bag_cosines(
    first: Ragged, second: Ragged, *, size: int, weights: np.ndarray | None = None
) -> Float[Tensor, " n"]:
    """Cosines of the counts of each pair, each id times its weight: plain bags of words, or TF-IDF.

    >>> one, other = (Ragged.of(torch.tensor(ids), torch.tensor([len(ids)])) for ids in ([1, 2], [1, 3]))
    >>> round(bag_cosines(one, other, size=4).item(), 6)
    0.5
    """
    scale: Sparse = sparse.diags(np.ones(size) if weights is None else weights)
    one, other = (counts_of(rows, size=size) @ scale for rows in (first, second))
    norms = (np.sqrt(np.asarray(each.multiply(each).sum(axis=1)).ravel()) for each in (one, other))
    product = np.asarray(one.multiply(other).sum(axis=1)).ravel()
    length = np.prod(np.stack(list(norms)), axis=0)
    return torch.from_numpy(np.divide(product, length, out=np.zeros(len(product)), where=length > 0))


@dataclass(frozen=True, kw_only=True, eq=False)
class WordVectors:
    """Vectors of ids from what stands near them in a corpus, and how a sentence is made of them (SIF, whitened)."""

    vectors: np.ndarray
    """[size dim]."""
    weights: np.ndarray
    """Of each id."""
    mean: np.ndarray
    """Of the corpus's sentences."""
    turn: np.ndarray
    """From centred sentence vectors to whitened ones [dim out]."""

    def sentences(self, rows: Ragged) -> Float[Tensor, "n out"]:
        """Whitened weighted means of each text's vectors."""
        raw = _weighted_means(counts_of(rows, size=len(self.weights)), self.vectors, self.weights)
        return torch.from_numpy((raw - self.mean) @ self.turn)


def word_vectors(
    rows: Ragged, *, size: int, dim: int = 300, out: int = 256, window: int = 5, seed: int = 0
) -> WordVectors:
    """PPMI of ids within `window` places of each other, its first `dim` singular directions, SIF weights, whitening.

    Levy et al. 2015 (TACL 3) for the vectors, Arora et al. 2017 for the weights, Su et al. 2021 (arXiv:2103.15316) for
    the whitening. It takes a minute or two of one thread on 200,000 sentences.
    """
    counts = corpus_counts(rows, size=size)
    near = _cooccurrence(rows, size=size, window=window)
    from sklearn.utils.extmath import randomized_svd

    if min(near.shape) <= dim or near.nnz == 0:
        raise InputError(f"vectors of {dim} numbers need a larger corpus; got {counts.texts} texts.")
    left, values, _ = randomized_svd(_ppmi(near), n_components=dim, random_state=seed)
    vectors = left * np.sqrt(values)
    weights = sif_weights(counts.total)
    raw = _weighted_means(counts_of(rows, size=size), vectors, weights)
    mean = raw.mean(axis=0)
    spread, basis = np.linalg.eigh(np.cov((raw - mean).T))
    kept = np.argsort(spread)[::-1][:out]
    return WordVectors(
        vectors=vectors, weights=weights, mean=mean, turn=basis[:, kept] / np.sqrt(spread[kept])
    )


def _weighted_means(counts: Sparse, vectors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    weighted = counts @ sparse.diags(weights)
    length = np.asarray(counts.sum(axis=1)).ravel().clip(1)
    return (weighted @ vectors) / length[:, None]


def _cooccurrence(rows: Ragged, *, size: int, window: int) -> Sparse:
    values = rows.values.numpy().astype(np.int64)
    text = torch.arange(len(rows)).repeat_interleave(rows.lengths).numpy()
    made: Sparse = sparse.csr_matrix((size, size))
    for step in range(1, window + 1):
        same = text[step:] == text[:-step]
        pair = (values[:-step][same], values[step:][same])
        one: Sparse = sparse.coo_matrix((np.ones(len(pair[0])), pair), shape=(size, size))
        made = made + sparse.csr_matrix(one + one.T)
    return made


def _ppmi(near: Sparse) -> Sparse:
    """Log of how much more often two ids stand together than by chance, where it is above 0."""
    found: Sparse = sparse.coo_matrix(near)
    totals = np.asarray(near.sum(axis=1)).ravel()
    value = np.log(found.data * totals.sum() / (totals[found.row] * totals[found.col]))
    kept = value > 0
    return sparse.csr_matrix((value[kept], (found.row[kept], found.col[kept])), shape=near.shape)
