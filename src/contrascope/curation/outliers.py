"""Pictures that are far from all others for an encoder."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.curation.rows import NamedRows, rows_of
from contrascope.curation.search import near_rows
from contrascope.errors import InputError
from contrascope.precision import single_precision
from contrascope.progress import Progress, silent
from contrascope.subjects.subject import Subject

K = 10
"""Neighbours whose mean distance counts: a group of fewer odd pictures is still far from the rest."""
FENCE = 1.5
"""Interquartile ranges above the upper quartile beyond which a distance is called far out (Tukey 1977); 0.3 % of a
normal law are."""


@dataclass(frozen=True, kw_only=True)
class Outliers:
    """How far every image is from its neighbours."""

    rows: NamedRows
    """The images."""
    score: Float[Tensor, " n"]
    """Mean cosine distance to the k nearest, 0 to 2."""
    order: Int[Tensor, " n"]
    """Rows by falling score."""
    fence: float
    """Score above which an image is called far out."""
    k: int
    """Neighbours that were looked at."""

    @property
    def far(self) -> int:
        """Images above the fence."""
        return int((self.score > self.fence).sum())

    @property
    def rule(self) -> str:
        """What counts as far out, in a sentence."""
        return (
            f"far out: a mean cosine distance to the {self.k} nearest above {self.fence:.4f}, the upper quartile plus "
            f"{FENCE:g} interquartile ranges (Tukey's fence)."
        )


def outlier_scores(h: Float[Tensor, "n dim"], *, k: int = K) -> Float[Tensor, " n"]:
    """Mean cosine distance of every row to its k nearest others, 0 to 2.

    As Sun et al. 2022 (arXiv:2204.06507), with the mean of the k in place of the k-th.

    >>> outlier_scores(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), k=1).tolist()
    [0.0, 0.0, 1.0]
    """
    return (1 - near_rows(h, h, k, exclude_self=True).value).mean(dim=1).clamp_min(0)


@single_precision()
def find_outliers(
    subject: Subject,
    *,
    k: int = K,
    device: torch.device | str | None = None,
    progress: Progress = silent,
) -> Outliers:
    """All of a subject's images by their distance to their k nearest; those far above the rest are called far out."""
    if k < 1:
        raise InputError(f"k is {k} neighbours; expected at least 1.")
    rows = rows_of(subject, device=device, progress=progress)
    score = outlier_scores(rows.h, k=k)
    low, high = score.double().quantile(torch.tensor([0.25, 0.75], dtype=torch.float64)).tolist()
    return Outliers(
        rows=rows,
        score=score,
        order=score.argsort(descending=True, stable=True),
        fence=high + FENCE * (high - low),
        k=min(k, len(rows) - 1),
    )
