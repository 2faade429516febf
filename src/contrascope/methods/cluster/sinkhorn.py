"""Sinkhorn's iterations: codes that share all images out over prototypes in nearly equal parts."""

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.distributed import gather_rows
from contrascope.linalg import at_least_single


@torch.no_grad()
def sinkhorn(
    scores: Float[Tensor, "views batch prototypes"],
    queued: Float[Tensor, "queue prototypes"] | None = None,
    *,
    epsilon: float,
    iterations: int,
) -> Float[Tensor, "views batch prototypes"]:
    """Codes of the images of one batch, each summing to 1: exp(scores / epsilon) with rows and columns made even.

    Every iteration divides each prototype's column by its sum over the images of all processes and of the queue,
    then each image's row by its sum over prototypes (Caron et al. 2020, arXiv:2006.09882, section 3.1). Views are
    shared out apart. The paper's 3 iterations do not make the columns equal, only more so. It works with
    logarithms, so that no epsilon overflows. The queue is the same on every process, and counts once. With no iteration
    nothing is shared out: codes are the softmax of scores / epsilon.

    >>> sinkhorn(torch.tensor([[[3.0, 1.0], [1.0, 1.0]]]).log(), epsilon=1.0, iterations=1)[0, 0]
    tensor([0.6000, 0.4000])
    """
    with torch.autocast(scores.device.type, enabled=False):
        logs = at_least_single(scores) / epsilon
        old = None if queued is None else (queued.to(logs) / epsilon).expand(len(logs), *queued.shape)
        for _ in range(iterations):
            sums = gather_rows(logs.logsumexp(1)[None])  # process view prototype
            if old is not None:
                sums = torch.cat([sums, old.logsumexp(1)[None]])
            column = sums.logsumexp(0)[:, None]
            logs = (logs - column).log_softmax(-1)
            old = None if old is None else (old - column).log_softmax(-1)
        return logs.exp() if iterations else logs.softmax(-1)
