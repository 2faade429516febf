"""DeepCluster-v2: crops predict the cluster of last epoch's embedding of their image."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from contrascope.distributed import broadcast, gather_rows
from contrascope.draws import DrawKey, permutation
from contrascope.errors import InputError
from contrascope.linalg import at_least_single
from contrascope.losses.similarity import unit
from contrascope.losses.terms import LossTerms
from contrascope.methods.base import StepOutput
from contrascope.methods.cluster.deepcluster_settings import DeepClusterSettings
from contrascope.methods.cluster.spherical import spherical_k_means
from contrascope.methods.crops import MultiCropMethod, prototype_scores
from contrascope.methods.embedding import over_views
from contrascope.methods.views import ViewBatch

NOWHERE = -1
"""The cluster of an image that has no embedding yet."""


def of_clusters(
    scores: Float[Tensor, "crops batch clusters"], clusters: Int[Tensor, " batch"], *, temperature: float
) -> LossTerms:
    """Mean cross-entropy of softmax(scores / temperature) of each crop against its image's cluster.

    An image without a cluster (-1) costs nothing and counts in the mean. The halves add up to it: minus the score of
    the image's cluster, and the log of the summed exponentials. Equal scores give log(clusters).

    >>> of_clusters(torch.zeros(2, 3, 4), torch.tensor([0, 3, 1]), temperature=0.1).total.exp().round().item()
    4.0
    """
    with torch.autocast(scores.device.type, enabled=False):
        logits, known = at_least_single(scores) / temperature, clusters != NOWHERE
        places = clusters.clamp_min(0).expand(len(logits), -1)
        own = logits.gather(2, places[:, :, None])[:, :, 0].mean(0)
        return LossTerms(align=-own * known, spread=(logits.logsumexp(-1).mean(0) * known).mean())


class DeepCluster(MultiCropMethod):
    """DeepCluster-v2: a softmax of each crop over fixed centroids is held against its image's cluster.

    Before each epoch, k-means clusters the embeddings that the large crops of each image had when it was last trained
    on: head h those of large crop h modulo their number. They stand in a bank, by image. Before the first epoch a pass
    without a step fills it, as in the authors' code, in training mode. An image that no epoch has shown yet has no
    cluster and costs nothing: an epoch leaves out the last, incomplete batch. A cluster that loses all its images keeps
    its centroid. k-means starts at images that are drawn by seed, epoch and image.

    Centroids do not move within an epoch: images do not meet in the loss, and gradients add up over parts of a batch
    exactly, batch norm aside. What keeps images from one cluster is that k-means starts apart; it is in neither half.
    There is no setting `positives`: crops are held against a cluster and not against each other.

    Every process holds the whole bank, rows gathered after each step; k-means of the first is that of all. Bank,
    clusters and centroids are buffers, so that a checkpoint resumes within an epoch. The terms are of this process's
    images.
    """

    bank: Tensor
    clusters: Tensor
    centroids: Tensor

    def __init__(self, encoder: nn.Module, settings: DeepClusterSettings) -> None:
        super().__init__(encoder, settings)
        settings.check()
        self.cluster = settings
        dim, heads = self.projector.dim, len(settings.prototypes)
        self.register_buffer("bank", torch.zeros(0, 0, dim, dtype=torch.float32))  # crop image dim
        self.register_buffer("clusters", torch.zeros(heads, 0, dtype=torch.int64))
        self.register_buffer("centroids", torch.zeros(sum(settings.prototypes), dim, dtype=torch.float32))
        self.same_everywhere("bank", "clusters")
        self._waiting: list[tuple[Tensor, Tensor]] = []

    def step(self, views: ViewBatch) -> StepOutput:
        if not self.clusters.shape[1]:
            raise InputError("deepcluster_v2 has no clusters yet; call before_epoch, as the loop does.")
        found = self.embed(views)
        each = self.cluster.prototypes
        scores = prototype_scores(found.z, self.centroids).split(each, dim=2)
        terms = [
            of_clusters(one, theirs, temperature=self.cluster.temperature)
            for one, theirs in zip(scores, self.clusters[:, views.ids.to(self.clusters.device)], strict=True)
        ]
        z = found.z[: len(found.h)].detach()
        if self.training:
            self._waiting.append((views.ids, z))
        mean = LossTerms(
            align=torch.stack([one.align for one in terms]).mean(0),
            spread=torch.stack([one.spread for one in terms]).mean(),
        )
        return StepOutput(terms=mean, h=found.h.detach(), z=z)

    @torch.no_grad()
    def after_step(self, progress: float) -> None:
        super().after_step(progress)
        if self._waiting:
            ids, z = zip(*self._waiting, strict=True)
            self._remember(torch.cat(ids), torch.cat(z, dim=1))
            self._waiting.clear()

    @torch.no_grad()
    def before_epoch(self, epoch: int, *, images: int, look: Callable[[], Iterator[ViewBatch]]) -> None:
        """Fills the bank if it is not one of so many images, then clusters it."""
        if self.bank.shape[1] != images:
            for number, views in enumerate(look()):
                if number == 0:
                    self._make_bank(len(views.groups[0]), images)
                h = over_views(self.encoder, views.groups[0], joint=True)
                self._remember(views.ids, over_views(self.projector, h, joint=True))
        self._find_clusters(epoch)

    def _make_bank(self, crops: int, images: int) -> None:
        size = 4e-9 * crops * images * self.bank.shape[2]
        if size > self.cluster.bank_gb:
            raise InputError(
                f"the bank of {crops} x {images} embeddings takes {size:.3g} GB, more than method.bank_gb "
                f"({self.cluster.bank_gb:g}); it is in the memory of every process and in every checkpoint. Raise it, "
                "or choose a narrower projector."
            )
        self.bank = self.bank.new_zeros(crops, images, self.bank.shape[2])

    def _remember(self, ids: Int[Tensor, " batch"], z: Float[Tensor, "crops batch dim"]) -> None:
        """Writes the unit embeddings of these images, of all processes, into the bank."""
        rows = gather_rows(unit(z.to(self.bank.dtype)).transpose(0, 1))
        self.bank[:, gather_rows(ids.to(self.bank.device))] = rows.transpose(0, 1)

    def _find_clusters(self, epoch: int) -> None:
        seen = (self.bank != 0).any(2).all(0).nonzero()[:, 0]
        if len(seen) < max(self.cluster.prototypes):
            raise InputError(
                f"{max(self.cluster.prototypes)} clusters cannot be made of {len(seen)} images. Lower "
                "method.prototypes."
            )
        centroids = []
        clusters = self.clusters.new_full((len(self.cluster.prototypes), self.bank.shape[1]), NOWHERE)
        for head, count in enumerate(self.cluster.prototypes):
            rows = self.bank[head % len(self.bank), seen]
            key = DrawKey(seed=self.cluster.seed, epoch=epoch, ids=seen, operation=head % 2**8)
            start = rows[permutation(key)[:count]]
            found, of_rows = spherical_k_means(rows, start, iterations=self.cluster.iterations)
            centroids.append(found)
            clusters[head, seen] = of_rows
        self.centroids.copy_(broadcast(torch.cat(centroids)))
        self.clusters = broadcast(clusters)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        """A checkpoint says how many images there are."""
        for name in ("bank", "clusters"):
            mine, theirs = getattr(self, name), state_dict.get(prefix + name)
            if isinstance(theirs, Tensor) and theirs.ndim == mine.ndim and _fits(mine, theirs):
                setattr(self, name, mine.new_empty(theirs.shape))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def _fits(mine: Tensor, theirs: Tensor) -> bool:
    """Whether they differ in what a set of images decides alone: heads and width are the settings'."""
    return mine.shape[2:] == theirs.shape[2:] and (mine.ndim == 3 or len(mine) == len(theirs))
