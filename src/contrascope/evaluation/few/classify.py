"""A classifier from a few labels, with calibrated confidence, that may answer "do not know"."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from contrascope.errors import InputError
from contrascope.evaluation.logistic import LogisticPath
from contrascope.intervals import generator
from contrascope.linalg import nearest, require_finite, unit_rows

GRID = tuple(10.0**power for power in range(-4, 4))
"""Inverse penalties C that are tried, each in all folds."""
TEMPERATURES = tuple(math.exp(step / 10) for step in range(-35, 36))
"""What logits are divided by, 0.03 to 33: the one that makes the labels likeliest on rows that were not learnt."""
FOLDS = 5
SURE = 0.5
"""Confidence below which nothing is answered: the guess would be wrong more often than right."""
TOLERANCE, STEPS = 1e-3, 100
"""Where a fit ends: its loss is then far closer to its minimum than folds differ."""


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """Softmax regression on unit rows, of the classes that it saw."""

    weight: Float[Tensor, "classes dim"]
    """A row for every class; zeros for one that it did not see."""
    bias: Float[Tensor, " classes"]
    """Minus infinity for a class that it did not see."""

    def logits(self, rows: Float[Tensor, "n dim"]) -> Float[Tensor, "n classes"]:
        """Of unit rows."""
        return rows @ self.weight.T + self.bias


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A penalty and a temperature."""

    place: int
    """Of the inverse penalty in `GRID`."""
    temperature: float
    """What logits are divided by."""


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """What was said of every labelled row by a classifier that had not learnt it."""

    guess: Int[Tensor, " n"]
    """The most probable class."""
    confidence: Float[Tensor, " n"]
    """Its probability."""
    cosine: Float[Tensor, " n"]
    """To the nearest labelled row of other folds."""


def folds_of(
    codes: Int[Tensor, " n"], groups: Int[Tensor, " n"] | None = None, *, seed: int = 0
) -> Int[Tensor, " n"]:
    """A fold for every row: classes are spread evenly, rows of one group (copies of a picture) stay together.

    >>> folds_of(torch.tensor([0] * 5 + [1] * 5)).bincount().tolist()
    [2, 2, 2, 2, 2]
    """
    groups = torch.arange(len(codes)) if groups is None else groups
    found, of = groups.unique(return_inverse=True)
    first = torch.full((len(found),), len(codes), dtype=torch.int64).scatter_reduce(
        0, of, torch.arange(len(codes)), "amin"
    )
    order = torch.randperm(len(found), generator=generator(seed, "folds"))
    order = order[codes[first][order].argsort(stable=True)]
    fold = torch.empty(len(found), dtype=torch.int64)
    fold[order] = torch.arange(len(found)) % FOLDS
    return fold[of]


def fit(
    rows: Float[Tensor, "n dim"], codes: Int[Tensor, " n"], classes: int, penalties: Sequence[float]
) -> list[Fitted]:
    """A classifier for every inverse penalty, rising; classes without a row get no probability.

    >>> rows, codes = torch.eye(2).repeat(3, 1), torch.tensor([0, 2] * 3)
    >>> (one,) = fit(rows, codes, 3, [1.0])
    >>> one.logits(torch.eye(2)).argmax(dim=1).tolist()
    [0, 2]
    """
    seen, own = codes.unique(return_inverse=True)
    path = LogisticPath(rows, own, len(seen), standardise=True)
    found = []
    for penalty in penalties:
        path.solve(penalty, tolerance=TOLERANCE, max_iter=STEPS)
        coef, intercept = path.coefficients()
        weight = rows.new_zeros(classes, rows.shape[1])
        bias = rows.new_full((classes,), -math.inf)
        weight[seen], bias[seen] = coef, intercept
        found.append(Fitted(weight=weight, bias=bias))
    return found


@dataclass(frozen=True, kw_only=True)
class FewLabelClassifier:
    """What `learn` gives: predicts, and says how sure it is."""

    fitted: Fitted
    """Learnt on all labelled rows."""
    choice: Calibration
    """Of all folds."""
    bank: Float[Tensor, "n dim"]
    """The labelled unit rows."""
    left_out: LeftOut
    """Of every labelled row while it was left out, penalty and temperature chosen without its fold."""
    fold: Int[Tensor, " n"]
    """The fold of every labelled row."""

    def probabilities(self, h: Float[Tensor, "n dim"]) -> Float[Tensor, "n classes"]:
        """Calibrated probabilities; rows sum to 1."""
        return (self.fitted.logits(unit_rows(h.float())) / self.choice.temperature).softmax(dim=1)

    def cosine(self, h: Float[Tensor, "n dim"]) -> Float[Tensor, " n"]:
        """To the nearest labelled row, -1 to 1."""
        return nearest_cosine(unit_rows(h.float()), self.bank)

    def answered(
        self, confidence: Float[Tensor, " n"], cosine: Float[Tensor, " n"], *, decline: float
    ) -> Bool[Tensor, " n"]:
        """Where a class is answered; else it is "do not know".

        An image is as familiar as the share of left-out labelled images with less confidence, times the share that are
        farther from the nearest other one (two ranks, combined as Fisher does). Not answered is what is less familiar
        than all but the least familiar `decline` of the left-out images, and what is guessed with less than 0.5.
        """
        own = self._familiar(self.left_out.confidence, self.left_out.cosine)
        least = own.quantile(decline) if decline > 0 else own.new_tensor(-1.0)
        return (self._familiar(confidence, cosine) >= least) & (confidence >= SURE)

    def _familiar(self, confidence: Tensor, cosine: Tensor) -> Float[Tensor, " n"]:
        return share_below(self.left_out.confidence, confidence) * share_below(self.left_out.cosine, cosine)


def learn(
    h: Float[Tensor, "n dim"],
    codes: Int[Tensor, " n"],
    classes: int,
    *,
    groups: Int[Tensor, " n"] | None = None,
    seed: int = 0,
) -> FewLabelClassifier:
    """Learns classes from labelled rows; penalty and temperature are those that do best on left-out folds.

    Softmax regression on standardised unit rows. Every fold is predicted by a classifier that did not learn it, with
    the penalty and the temperature (Guo et al. 2017, arXiv:1706.04599, section 4.2) that did best on the other folds:
    so what `left_out` says is not chosen on the rows that it is said of. Raises `InputError` for fewer than 10 rows,
    for one class, and where no class has two rows.

    >>> h = torch.eye(2).repeat(10, 1) + 0.01 * torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    >>> found = learn(h, torch.tensor([0, 1] * 10), 2)
    >>> found.probabilities(torch.eye(2)).argmax(dim=1).tolist(), found.left_out.guess[:4].tolist()
    ([0, 1], [0, 1, 0, 1])
    """
    _check(h, codes, classes)
    rows, fold = unit_rows(h.detach().float().cpu()), folds_of(codes, groups, seed=seed)
    logits = rows.new_zeros(len(GRID), len(rows), classes)
    cosine = rows.new_zeros(len(rows))
    for one in range(FOLDS):
        out = fold == one
        if not bool(out.any()) or len(codes[~out].unique()) < 2:
            continue
        for place, fitted in enumerate(fit(rows[~out], codes[~out], classes, GRID)):
            logits[place, out] = fitted.logits(rows[out])
        cosine[out] = nearest_cosine(rows[out], rows[~out])
    guess, confidence = codes.clone(), rows.new_zeros(len(rows))
    for one in range(FOLDS):
        out = fold == one
        if bool(out.any()):
            chosen = choose(logits[:, ~out], codes[~out])
            part = (logits[chosen.place, out] / chosen.temperature).softmax(dim=1).max(dim=1)
            guess[out], confidence[out] = part.indices, part.values
    choice = choose(logits, codes)
    fitted = fit(rows, codes, classes, GRID[: choice.place + 1])[-1]
    left_out = LeftOut(guess=guess, confidence=confidence, cosine=cosine)
    return FewLabelClassifier(fitted=fitted, choice=choice, bank=rows, left_out=left_out, fold=fold)


def choose(logits: Float[Tensor, "grid n classes"], codes: Int[Tensor, " n"]) -> Calibration:
    """Penalty and temperature with the smallest cross-entropy, over rows whose class had been learnt."""
    own = logits[:, torch.arange(len(codes)), codes]
    learnt = torch.isfinite(own).all(dim=0)
    if not bool(learnt.any()):
        return Calibration(place=0, temperature=1.0)
    logits, own = logits[:, learnt].double(), own[:, learnt].double()
    losses = torch.stack([((logits / t).logsumexp(dim=2) - own / t).mean(dim=1) for t in TEMPERATURES], dim=1)
    place, at = divmod(int(losses.argmin()), len(TEMPERATURES))
    return Calibration(place=place, temperature=TEMPERATURES[at])


def nearest_cosine(rows: Float[Tensor, "n dim"], bank: Float[Tensor, "bank dim"]) -> Float[Tensor, " n"]:
    """Cosine to the nearest row of the bank."""
    return nearest(rows, bank, 1).value[:, 0]


def share_below(known: Float[Tensor, " m"], values: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Share of the known values that are smaller, half a value more so that none is 0.

    >>> share_below(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 1.5, 9.0])).tolist()
    [0.25, 0.75, 1.25]
    """
    return (torch.searchsorted(known.sort().values, values) + 0.5) / len(known)


def _check(h: Tensor, codes: Tensor, classes: int) -> None:
    require_finite(h, "h")
    if len(codes) < 2 * FOLDS:
        raise InputError(f"{len(codes)} labelled images; expected at least {2 * FOLDS}. Label more.")
    if classes < 2 or len(codes.unique()) < 2:
        raise InputError(
            f"all {len(codes)} labelled images are of one class; expected two classes or more. Label images of others."
        )
    if int(codes.bincount().max()) < 2:
        raise InputError(
            f"{len(codes)} labelled images of {len(codes.unique())} classes, no two of one class; nothing can be "
            "tested. Label more images of the same classes."
        )
