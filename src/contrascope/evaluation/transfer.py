"""Transfer of frozen features to other sets: the linear and few-label protocols, means and ranks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.evaluation.centres import few_label_hits
from contrascope.evaluation.metric import estimate, in_metric
from contrascope.evaluation.probe import LinearProbe, held_out_mask
from contrascope.evaluation.suites import TransferProtocol
from contrascope.features.features import Features
from contrascope.linalg import unit_rows


@dataclass(frozen=True, kw_only=True)
class TransferScore:
    """One number of one set."""

    mode: str
    """linear, finetune, or few_labels_5 and so on."""
    metric: str
    """top1 or mean_per_class."""
    value: float
    """In [0, 1]; over draws, the mean."""
    low: float
    """Lower end of the interval over test images."""
    high: float
    """Upper end."""
    n: int
    """Test images."""
    train: int
    """Images whose labels were used, validation among them; over draws, those of one draw."""
    classes: int
    """Classes of the training images."""
    std: float | None = None
    """Standard deviation over the draws of labels."""
    chosen: str | None = None
    """What was selected on the validation part."""


def linear(
    train: Features, test: Features, *, validation: Features | None, metric: str, protocol: TransferProtocol
) -> TransferScore:
    """Multinomial logistic regression on h as it is, C of the grid selected on validation, refit on both, tested once.

    Without a validation part a stratified share of train takes its place (the authors draw it unstratified).
    The solver goes on until the slope is small; the authors' stops after 100 steps. Labels are the primary
    column of `train`; a test class that train lacks counts as wrong.

    >>> part = Features(h=torch.eye(9)[None], y={"label": torch.arange(9) % 3}, ids=torch.arange(9))
    >>> protocol = TransferProtocol(penalties=2, held_out=0.4)
    >>> linear(part, part, validation=None, metric="top1", protocol=protocol).value
    1.0
    """
    h, y, mask = joined(train, validation)
    probe = LinearProbe(
        grid=protocol.grid,
        held_out=protocol.held_out,
        metric=metric,
        standardise=False,
        tolerance=protocol.tolerance,
        max_iter=protocol.max_iter,
        seed=protocol.seed,
    ).fit(h, y, validation=mask)
    test_y = test.labels(train.primary)
    hits = torch.as_tensor(probe.predict(test.h[0])) == test_y.cpu()
    return scored(
        hits,
        test_y,
        mode="linear",
        metric=metric,
        train=len(y),
        classes=len(probe.classes_),
        chosen=f"C {probe.inverse_penalty_:.3g}",
        protocol=protocol,
    )


def few_labels(
    train: Features,
    test: Features,
    *,
    validation: Features | None,
    metric: str,
    shots: int,
    protocol: TransferProtocol,
) -> TransferScore:
    """Nearest class centre of `shots` labelled images a class, h at unit length, mean over the draws of labels."""
    h, y, _ = joined(train, validation)
    test_y = test.labels(train.primary)
    hits = few_label_hits(
        unit_rows(h), y, unit_rows(test.h[0]), test_y, shots=shots, draws=protocol.draws, seed=protocol.seed
    ).double()
    by_draw = torch.stack([in_metric(row, test_y.cpu(), metric) for row in hits.cpu()])
    classes = len(y.unique())
    return scored(
        hits.mean(dim=0),
        test_y,
        mode=f"few_labels_{shots}",
        metric=metric,
        train=shots * classes,
        classes=classes,
        std=by_draw.std().item() if len(by_draw) > 1 else None,
        protocol=protocol,
    )


def scored(
    hits: Tensor,
    y: Int[Tensor, " n"],
    *,
    mode: str,
    metric: str,
    train: int,
    classes: int,
    protocol: TransferProtocol,
    std: float | None = None,
    chosen: str | None = None,
) -> TransferScore:
    """The score of test images that are right (or right in a share of the draws)."""
    found = estimate(hits.double(), y, metric, level=protocol.level)
    return TransferScore(
        mode=mode,
        metric=metric,
        value=found.value,
        low=found.low,
        high=found.high,
        n=len(hits),
        train=train,
        classes=classes,
        std=std,
        chosen=chosen,
    )


def joined(
    train: Features, validation: Features | None
) -> tuple[Float[Tensor, "n dim"], Int[Tensor, " n"], Tensor | None]:
    """First views and labels of both parts, and which rows are for validation (None: to be drawn)."""
    h, y = train.h[0], train.labels()
    if validation is None:
        return h, y, None
    mask = torch.arange(len(h) + len(validation)) >= len(h)
    return torch.cat([h, validation.h[0]]), torch.cat([y, validation.labels(train.primary)]), mask


def validation_mask(y: Int[Tensor, " n"], protocol: TransferProtocol) -> Tensor:
    """The rows that the linear protocol would hold out of these labels, for a protocol that needs the images."""
    classes, codes = y.unique(return_inverse=True)
    ids = torch.arange(len(y))
    return held_out_mask(codes, ids, len(classes), share=protocol.held_out, seed=protocol.seed)


def mean_of(scores: Sequence[float | None]) -> tuple[float | None, str]:
    """The mean and its name; where a set is missing the name says so, and without any there is no mean.

    >>> mean_of([0.5, 0.7]), mean_of([0.5, None])
    ((0.6, 'mean of all 2'), (0.5, 'mean of the 1 available of 2'))
    """
    known = [score for score in scores if score is not None]
    if not known:
        return None, f"no mean: none of {len(scores)} available"
    name = f"mean of all {len(scores)}" if len(known) == len(scores) else ""
    return sum(known) / len(known), name or f"mean of the {len(known)} available of {len(scores)}"


def mean_ranks(scores: Mapping[str, Mapping[str, float | None]]) -> dict[str, float | None]:
    """Mean over sets of the rank of each row, 1 for the highest score; ties share the mean of their ranks.

    Only sets that every row has count; None where there is no such set.

    >>> mean_ranks({"a": {"x": 0.9, "y": 0.5}, "b": {"x": 0.8, "y": 0.5}})
    {'a': 1.25, 'b': 1.75}
    """
    sets = [name for name in next(iter(scores.values()), {})]
    shared = [name for name in sets if all(row.get(name) is not None for row in scores.values())]
    if not shared:
        return dict.fromkeys(scores)
    total = dict.fromkeys(scores, 0.0)
    for name in shared:
        column = {row: values[name] or 0.0 for row, values in scores.items()}
        for row, value in column.items():
            above = sum(other > value for other in column.values())
            equal = sum(other == value for other in column.values())
            total[row] += above + (equal + 1) / 2
    return {row: value / len(shared) for row, value in total.items()}
