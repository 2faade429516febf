"""Settings of the suite of semantic textual similarity; without torch."""

from dataclasses import dataclass

from contrascope.errors import InputError, did_you_mean
from contrascope.settings import written_as
from contrascope.text.settings import TextPool

SETS = ("sts12", "sts13", "sts14", "sts15", "sts16", "stsb")
"""The sets whose plain mean is `avg6`; SICK-R, the seventh of the papers' average, is not among them."""
AGGREGATIONS = {
    "all": "one correlation over the joined subsets of a year (SBERT, SimCSE)",
    "mean": "the plain mean over subsets (DeCLUTR)",
    "wmean": "the mean over subsets weighted by their size (BERT-flow, whitening)",
}
"""How the subsets of a year are joined: papers differ by up to seven points on the same embeddings."""
REFERENCES = {
    "random": "random twin",
    "tfidf": "TF-IDF",
    "bag": "bag of words",
    "sif": "SIF, whitened",
}
"""What stands beside an encoder, by the word that asks for it."""


@written_as("StsSettings")
@dataclass(frozen=True, kw_only=True)
class StsSettings:
    """What is measured on pairs of sentences with scores."""

    sets: tuple[str, ...] = SETS
    """Folders of sets: sts12 to sts16 and stsb."""
    split: str = "test"
    """Split of stsb; the other sets have test alone. Choose settings on validation, and report test."""
    references: tuple[str, ...] = ("random", "tfidf", "bag")
    """What stands beside it: random (the twin), tfidf, bag (of words), sif (word vectors of the corpus, whitened)."""
    corpus: str = ""
    """Texts that frequencies of words are counted on; unset: those that a run was trained on."""
    corpus_limit: int = 0
    """Texts of the corpus that are counted; 0: all, of a run as many as it was trained on."""
    pool: TextPool | None = None
    """Tokens to one vector, in place of the encoder's own."""
    draws: int = 500
    """Bootstrap draws of every interval; 0: none."""
    seed: int = 0
    """Seed of the draws."""

    def __post_init__(self) -> None:
        for name in self.sets:
            if name not in SETS:
                raise InputError(f"sts.sets has {name!r}. {did_you_mean(name, SETS)}")
        for name in self.references:
            if name not in REFERENCES:
                raise InputError(f"sts.references has {name!r}. {did_you_mean(name, REFERENCES)}")
        if self.draws < 0 or self.draws == 1 or self.corpus_limit < 0:
            raise InputError(
                f"sts.draws is {self.draws} and sts.corpus_limit {self.corpus_limit}; expected 0 or 2 and more, and 0 "
                "or more."
            )
