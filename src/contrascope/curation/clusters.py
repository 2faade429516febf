"""Groups of a folder's pictures: k-means, the number of groups by a stated rule."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.curation.rows import NamedRows, rows_of
from contrascope.linalg import class_means, unit_rows
from contrascope.precision import single_precision
from contrascope.progress import Progress, silent
from contrascope.subjects.subject import Subject
from contrascope.theory.factors.pseudo import pseudo_classes


@dataclass(frozen=True, kw_only=True)
class Clusters:
    """A group for every image."""

    rows: NamedRows
    """The images."""
    cluster: Int[Tensor, " n"]
    """Group of every image, 0 the largest."""
    cosine: Float[Tensor, " n"]
    """To the mean direction of its group: the most typical images have the highest."""
    sizes: tuple[int, ...]
    """Images of every group, falling."""
    rule: str
    """How the number of groups was found, in words."""

    def typical(self, cluster: int, count: int) -> Int[Tensor, " count"]:
        """Rows of a group, the most typical first."""
        members = (self.cluster == cluster).nonzero().flatten()
        return members[self.cosine[members].argsort(descending=True, stable=True)[:count]]


@single_precision()
def find_clusters(
    subject: Subject,
    *,
    k: int | None = None,
    seed: int = 0,
    device: torch.device | str | None = None,
    progress: Progress = silent,
) -> Clusters:
    """Groups a subject's images by k-means on unit rows; without k by the rule of `pseudo_classes`."""
    rows = rows_of(subject, device=device, progress=progress)
    found = pseudo_classes(rows.h, k=k, seed=seed)
    order = found.labels.bincount().argsort(descending=True, stable=True)
    cluster = order.argsort()[found.labels]
    units = unit_rows(rows.h.float())
    centres = unit_rows(class_means(units, cluster, found.k))
    return Clusters(
        rows=rows,
        cluster=cluster,
        cosine=(units * centres[cluster]).sum(dim=1),
        sizes=tuple(cluster.bincount().tolist()),
        rule=found.rule.removeprefix("pseudo-classes: "),
    )
