"""What a few-label classifier is worth, told by images that it had not learnt."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from contrascope.evaluation.few.classify import GRID, FewLabelClassifier, fit
from contrascope.intervals import Estimate, generator, share_estimate

BIN = 20
"""Images of a bin of the calibration error, at least."""
BINS = 10
"""Bins, at most."""
MOST_CLASSES = 20
"""Classes that are left out in turn, drawn at random of more."""


@dataclass(frozen=True, kw_only=True)
class CrossValidated:
    """Cross-validated on the labelled images."""

    labels: int
    """Labelled images."""
    classes: int
    """Their classes."""
    alone: int
    """Images that are alone in their class: while they are left out nobody knows it, and they count as wrong."""
    accuracy: Estimate
    """Share of right guesses, with its 95 % interval."""
    calibration_error: float
    """How far confidence is from the share of right guesses, on average, 0 to 1."""
    answered: Estimate
    """Share of images that get a class for an answer."""
    right: Estimate | None
    """Share of right ones among these answers; None where there is none."""
    unlabelled: Estimate | None
    """Share of images of a class without labels that are answered "do not know", each class left out in turn; its
    interval is over images. None for two classes, where leaving one out leaves no choice."""


def cross_validated(
    found: FewLabelClassifier, codes: Int[Tensor, " n"], *, decline: float, seed: int = 0
) -> CrossValidated:
    """The accuracy, the calibration and the answers of left-out images."""
    out, counts = found.left_out, codes.bincount()
    hits = out.guess == codes
    said = found.answered(out.confidence, out.cosine, decline=decline)
    return CrossValidated(
        labels=len(codes),
        classes=int((counts > 0).sum()),
        alone=int((counts == 1).sum()),
        accuracy=share_estimate(hits.double(), draws=1),
        calibration_error=calibration_error(out.confidence, hits),
        answered=share_estimate(said.double(), draws=1),
        right=share_estimate(hits[said].double(), draws=1) if bool(said.any()) else None,
        unlabelled=_unlabelled(found, codes, decline=decline, seed=seed),
    )


def calibration_error(confidence: Float[Tensor, " n"], right: Bool[Tensor, " n"]) -> float:
    """Mean distance of confidence and share of right ones, over bins of equally many images in the order of confidence.

    At most 10 bins with at least 20 images each (Nguyen and O'Connor 2015, arXiv:1508.05154, adaptive bins): chance
    alone gives a few points with few images.

    >>> calibration_error(torch.full((40,), 0.75), torch.arange(40) % 4 > 0)
    0.0
    """
    order = confidence.argsort(stable=True)
    count = max(1, min(BINS, len(order) // BIN))
    parts = order.tensor_split(count)
    gap = [
        (confidence[part].double().mean() - right[part].double().mean()).abs() * len(part) for part in parts
    ]
    return float(sum(gap)) / len(order)


def _unlabelled(
    found: FewLabelClassifier, codes: Int[Tensor, " n"], *, decline: float, seed: int
) -> Estimate | None:
    """Every class in turn as one that has no labels: what is answered to its images."""
    classes = codes.unique()
    if len(classes) < 3:
        return None
    order = torch.randperm(len(classes), generator=generator(seed, "unlabelled"))
    declined = []
    for code in classes[order[:MOST_CLASSES]].tolist():
        out = codes == code
        fitted = fit(found.bank[~out], codes[~out], int(codes.max()) + 1, (GRID[found.choice.place],))[0]
        chances = (fitted.logits(found.bank[out]) / found.choice.temperature).softmax(dim=1)
        cosine = (found.bank[out] @ found.bank[~out].T).max(dim=1).values
        declined.append(~found.answered(chances.max(dim=1).values, cosine, decline=decline))
    return share_estimate(torch.cat(declined).double(), draws=1)
