"""Top-1 accuracy and the mean over classes of the accuracy, with intervals over images."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.errors import InputError, did_you_mean
from contrascope.intervals import Estimate, percentile_interval, resample_counts
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


def estimate(
    hits: Float[Tensor, " n"],
    y: Int[Tensor, " n"],
    metric: str,
    *,
    draws: int,
    level: float,
    seed: int,
    key: str,
) -> Estimate:
    """The metric and its percentile bootstrap interval over test images; of a class not drawn, the rest counts.

    >>> estimate(torch.ones(9), torch.arange(9) % 3, "mean_per_class", draws=9, level=0.9, seed=0, key="").low
    1.0
    """
    value = in_metric(hits, y, metric).item()
    hits, y = hits.detach().double().cpu(), y.cpu()
    _, codes = y.unique(return_inverse=True)
    if metric == "top1":
        codes = torch.zeros_like(codes)
    members = torch.nn.functional.one_hot(codes).double()
    drawn = []
    for counts in resample_counts(len(hits), draws=draws, seed=seed, key=key):
        size, right = counts @ members, (counts * hits) @ members
        share = torch.where(size > 0, right / size.clamp_min(1), 0.0)
        drawn.append(share.sum(dim=1) / (size > 0).sum(dim=1))
    low, high = percentile_interval(torch.cat(drawn), level=level)
    return Estimate(value=value, low=low, high=high)
