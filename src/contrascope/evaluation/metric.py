"""Top-1 accuracy and the mean over classes of the accuracy, with intervals over images."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.errors import InputError, did_you_mean
from contrascope.intervals import Estimate, share_interval
from contrascope.types import Scalar

METRICS = ("top1", "mean_per_class")


def in_metric(hits: Float[Tensor, " n"], y: Int[Tensor, " n"], metric: str) -> Scalar:
    """Share of right images, or the mean over the classes in `y` of that share, in [0, 1]; float64.

    >>> hits, y = torch.tensor([1.0, 1.0, 1.0, 0.0]), torch.tensor([0, 0, 0, 1])
    >>> in_metric(hits, y, "top1").item(), in_metric(hits, y, "mean_per_class").item()
    (0.75, 0.5)
    """
    if len(hits) == 0:
        raise InputError("there are no test images to score. Check the split.")
    if metric == "top1":
        return hits.double().mean()
    if metric != "mean_per_class":
        raise InputError(f"metric={metric!r} is not known. {did_you_mean(metric, METRICS)}")
    _, codes, counts = y.unique(return_inverse=True, return_counts=True)
    right = torch.zeros(len(counts), dtype=torch.float64, device=hits.device)
    return (right.scatter_add_(0, codes, hits.double()) / counts).mean()


def estimate(hits: Float[Tensor, " n"], y: Int[Tensor, " n"], metric: str, *, level: float) -> Estimate:
    """The metric of hits in [0, 1], and its interval over test images (`share_interval`).

    >>> estimate(torch.ones(9), torch.arange(9) % 3, "mean_per_class", level=0.9).high
    1.0
    """
    value = in_metric(hits, y, metric).item()
    hits = hits.detach().double().cpu()
    low, high = share_interval(
        hits if metric == "top1" else torch.full_like(hits, value),
        level=level,
        images=None if metric == "top1" else _images_worth(hits, y.cpu(), value),
    )
    return Estimate(value=value, low=low, high=high)


def _images_worth(hits: Tensor, y: Tensor, value: float) -> float | None:
    """Of a mean over classes: the variances of the classes' shares add up; None where all or none are right.

    Each class's variance counts two further images of the whole set's, so that a class of few images that happen to
    agree is not taken for certain.
    """
    _, codes, counts = y.unique(return_inverse=True, return_counts=True)
    share = torch.zeros(len(counts), dtype=torch.float64).scatter_add_(0, codes, hits) / counts
    off = torch.zeros_like(share).scatter_add_(0, codes, (hits - share[codes]).square())
    off = (off + 2 * value * (1 - value)) / (counts + 1)
    variance = (off / counts).sum().item() / len(counts) ** 2
    return value * (1 - value) / variance if variance > 0 and 0 < value < 1 else None
