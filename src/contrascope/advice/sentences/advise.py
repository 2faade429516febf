"""Advice on views of sentences: what counts of words see in them, and what a short training learns from them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.advice.sentences.proxy import learnt, rows_by
from contrascope.advice.sentences.settings import TextAdviceSettings
from contrascope.diagnosis.sentences.shown import LEAST_WORDS, ShownSentences
from contrascope.draws import PROBE_EPOCH, DrawKey, permutation
from contrascope.errors import InputError
from contrascope.intervals import GROUPS, Estimate, generator
from contrascope.linalg import unit_rows
from contrascope.progress import Say, unheard
from contrascope.text.bags import corpus_counts, counts_of
from contrascope.text.packed import TOKEN, real
from contrascope.text.policy import TextPolicy, build_text_policies
from contrascope.text.ragged import Ragged
from contrascope.text.settings import TextViewSettings
from contrascope.text.tables import read_table, texts_of
from contrascope.text.tokenizer import TextTokenizer, load_tokenizer
from contrascope.text.views import make_text_views
from contrascope.theory.factors.gallery_recall import RecallGain, gallery_recall, mean_gain

NOTHING = "dropout alone"
HELD_OUT, LEAST = 4, 200
"""One sentence of so many is never learnt from; fewest of these."""
HALVES, CLASSES = "half finds half", "nearest is of its class"
"""What candidates are ranked by, without and with labels."""


@dataclass(frozen=True, kw_only=True)
class TriedViews:
    """One candidate."""

    words: str
    """As `--views.first` takes it; empty for dropout alone."""
    left: float
    """Share of the tokens that a view keeps, mean over sentences."""
    counted: float
    """Share of the views that TF-IDF finds among 100, without any training: near 1 finding proves nothing."""
    score: Estimate
    """What it is ranked by, after the short training, on sentences that it has not seen; a share."""
    over_random: Estimate
    """Log odds of the score over that of random weights."""

    @property
    def name(self) -> str:
        """How it is called in a table."""
        return self.words or NOTHING


@dataclass(frozen=True, kw_only=True)
class TextAdvice:
    """Everything that was found, best first."""

    data: str
    ranked_by: str
    """`HALVES` or `CLASSES`."""
    tried: tuple[TriedViews, ...]
    """Best first; dropout alone is one of them."""
    random: Estimate
    """The score at random weights."""
    counts: Estimate
    """The score of TF-IDF."""
    equal: tuple[str, ...]
    """Candidates that cannot be told apart from the best: their paired 95 % intervals hold 0."""
    over_dropout: Estimate | None
    """Log odds of the best over dropout alone; None where that is the best."""

    @property
    def word(self) -> str:
        """The candidate that is told to be the best, or that none can be told."""
        return "cannot be told" if self.equal else self.tried[0].name


@dataclass(frozen=True, kw_only=True, eq=False)
class _Measured:
    tried: TriedViews
    recall: Tensor
    """Score of all, then without each group, for paired comparison."""


def advise_sentences(
    source: str, settings: TextAdviceSettings, *, labels: str | None = None, say: Say = unheard
) -> TextAdvice:
    """Tries every rate of deletion and length of a span on these sentences; the same call gives the same answer.

    Each is learnt from for some hundred steps by a mean of token vectors, which is not the network that will be
    trained. Without labels the score is how often one half of an unseen sentence finds the other among 100; with them
    how often the nearest other sentence is of its class. Raises `InputError` for too few sentences.
    """
    if not settings.vocabulary:
        raise InputError(
            "no tokeniser is named; give --text.vocabulary, a folder with tokenizer.json or a name."
        )
    tokenizer = load_tokenizer(settings.vocabulary)
    rows, classes = _opened(source, settings, tokenizer, labels)
    order = permutation(DrawKey(seed=settings.seed, epoch=0, ids=torch.arange(len(rows))))
    order = order[: settings.sentences]
    kept, seen = order[: len(order) // HELD_OUT], order[len(order) // HELD_OUT :]
    if len(kept) < LEAST or len(seen) < settings.batch:
        raise InputError(
            f"{source} has {len(order)} sentences of {LEAST_WORDS} tokens or more; expected {HELD_OUT * LEAST} or "
            f"more, three quarters of them a batch of {settings.batch}."
        )
    job = _Job(
        seen=rows.select(seen),
        unseen=ShownSentences(columns=(rows.select(kept),), policies=((),), seed=settings.seed),
        classes=None if classes is None else classes[kept],
        tokenizer=tokenizer,
        settings=settings,
    )
    return _ranked(source, [job.tried(words, say) for words in candidates(settings)], job)


def candidates(settings: TextAdviceSettings) -> list[str]:
    """Words of `--views.first`, dropout alone among them.

    >>> candidates(TextAdviceSettings(delete=(0.5,), keep=(0.25,)))
    ['', 'delete=0.5', 'crop=0.25']
    """
    return [
        "",
        *(f"delete={share:g}" for share in settings.delete),
        *(f"crop={share:g}" for share in settings.keep),
    ]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Job:
    seen: Ragged
    unseen: ShownSentences
    classes: Int[Tensor, " n"] | None
    tokenizer: TextTokenizer
    settings: TextAdviceSettings

    def tried(self, words: str, say: Say) -> _Measured:
        settings, vocabulary = self.settings, self.tokenizer.vocabulary
        policy = build_text_policies(TextViewSettings(first=(words,) if words else ()))[0]
        left, counted = self._views(policy)
        say(f"{words or NOTHING}: learning from it for {settings.steps} steps")
        network = learnt(
            self.seen,
            policy,
            vocabulary,
            width=settings.width,
            steps=settings.steps,
            batch=settings.batch,
            seed=settings.seed,
        )
        recall = self.score(lambda rows: rows_by(network, rows, vocabulary))
        gain = _gain(recall, self.random())
        return _Measured(
            tried=TriedViews(
                words=words, left=left, counted=counted, score=gain.trained, over_random=gain.odds
            ),
            recall=recall,
        )

    def random(self) -> Tensor:
        """The score of random weights."""
        settings, vocabulary = self.settings, self.tokenizer.vocabulary
        network = learnt(
            self.seen, (), vocabulary, width=settings.width, steps=0, batch=1, seed=settings.seed
        )
        return self.score(lambda rows: rows_by(network, rows, vocabulary))

    def counts(self) -> Tensor:
        """The score of TF-IDF."""
        return self.score(self.tf_idf)

    def tf_idf(self, rows: Ragged) -> Float[Tensor, "n words"]:
        """Counts of the ids that come in the unseen sentences, by how rare they are among all of these."""
        size, known = self.tokenizer.vocabulary.size, self.unseen.columns[0]
        used = known.values.long().unique()
        idf = torch.from_numpy(corpus_counts(known, size=size).idf)[used]
        return (torch.from_numpy(counts_of(rows, size=size)[:, used.numpy()].toarray()) * idf).float()

    def score(self, embed: Callable[[Ragged], Tensor]) -> Tensor:
        """Recall of halves, or the share whose nearest sentence is of its class: of all, then without each group."""
        if self.classes is None:
            return gallery_recall(torch.stack([embed(half) for half in self.unseen.halves]))
        unit = unit_rows(embed(self.unseen.columns[0]).double())
        cosine = (unit @ unit.T).fill_diagonal_(-2.0)
        right = (self.classes[cosine.argmax(1)] == self.classes).double()
        return _jackknifed(right)

    def _views(self, policy: TextPolicy) -> tuple[float, float]:
        rows, vocabulary = self.unseen.columns[0], self.tokenizer.vocabulary
        ids = torch.arange(len(rows))
        made, _ = make_text_views(
            [rows.padded(ids, fill=vocabulary.pad)],
            (policy,),
            vocabulary,
            ids=ids,
            seed=self.settings.seed,
            epoch=PROBE_EPOCH,
        )
        views = [_ragged(view) for view in made]
        left = torch.stack([view.lengths / rows.lengths for view in views]).mean()
        counted = gallery_recall(torch.stack([self.tf_idf(view) for view in views]), groups=0)
        return float(left), float(counted[0])


def _ragged(view: Int[Tensor, "batch length fields"]) -> Ragged:
    """A packed view without its special tokens."""
    stands = real(view)
    stands[:, 0] = False
    lengths = stands.sum(1) - 1
    place = torch.arange(view.shape[1])
    inside = stands & (place <= lengths[:, None])
    return Ragged.of(view[..., TOKEN][inside].to(torch.int32), lengths)


def _jackknifed(right: Float[Tensor, " n"]) -> Tensor:
    """The mean of all, then without each of the groups that `gallery_recall` leaves out."""
    place = torch.randperm(len(right), generator=generator(0, "groups")) % GROUPS
    return torch.stack([right.mean(), *(right[place != group].mean() for group in range(GROUPS))])


def _gain(mine: Tensor, other: Tensor) -> RecallGain:
    return mean_gain(mine[None], other[None])


def _ranked(source: str, found: Sequence[_Measured], job: _Job) -> TextAdvice:
    order = sorted(found, key=lambda one: -one.tried.score.value)
    best, rest = order[0], order[1:]
    equal = [one.tried.name for one in rest if _gain(best.recall, one.recall).odds.low <= 0]
    plain = next((one for one in rest if not one.tried.words), None)
    random, counts = job.random(), job.counts()
    return TextAdvice(
        data=source,
        ranked_by=HALVES if job.classes is None else CLASSES,
        tried=tuple(one.tried for one in order),
        random=_gain(random, random).trained,
        counts=_gain(counts, counts).trained,
        equal=tuple(equal),
        over_dropout=None if plain is None else _gain(best.recall, plain.recall).odds,
    )


def _opened(
    source: str, settings: TextAdviceSettings, tokenizer: TextTokenizer, labels: str | None
) -> tuple[Ragged, Int[Tensor, " n"] | None]:
    """Sentences that can be halved, and their classes where a column is named."""
    table = read_table(source, split="train")
    texts = texts_of(table, (settings.column,) if settings.column else (), name=source)[0]
    if labels is not None and labels not in table:
        raise InputError(f"{source} has no column {labels!r}; it has {', '.join(table)}.")
    rows = tokenizer.encode(texts)
    long = (rows.lengths >= LEAST_WORDS).nonzero()[:, 0]
    if labels is None:
        return rows.select(long), None
    values = [str(value) for value in table[labels]]
    codes = {value: code for code, value in enumerate(sorted(set(values)))}
    if len(codes) < 2:
        raise InputError(f"{source}: column {labels!r} holds one class; expected two or more.")
    return rows.select(long), torch.tensor([codes[value] for value in values])[long]
