"""Methods that look at large and small crops: codes come from the large ones, all others predict them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from contrascope.augment.settings import PolicySettings
from contrascope.encoders.projector import Projector, build_projector
from contrascope.losses.similarity import unit
from contrascope.methods.base import Method
from contrascope.methods.crop_settings import MultiCropSettings
from contrascope.methods.embedding import over_views
from contrascope.methods.host_value import HostValue, rounded
from contrascope.methods.views import Group, ViewBatch, ViewPlan


@dataclass(frozen=True, kw_only=True, slots=True)
class Embedded:
    """What the networks made of all crops of a batch."""

    h: Float[Tensor, "views batch dim"]
    """Encoder outputs of the large crops."""
    z: Float[Tensor, "crops batch out"]
    """Projector outputs of all crops, the large ones first."""


class MultiCropMethod(Method):
    """Encoder and projector over two groups of views: global ones of the run's policy, and small local ones.

    As in the authors' codes the encoder sees each size in one pass and the projector all crops in one, so that
    batch norm mixes crops of one size, and in the projector those of both. h and z that it reports are of global
    crops. Local crops are optional: one group of views is taken as global.
    """

    def __init__(self, encoder: nn.Module, settings: MultiCropSettings) -> None:
        super().__init__(encoder)
        self.settings = settings
        self.projector: Projector = build_projector(settings.projector, self.dim)  # pyright: ignore[reportIncompatibleVariableOverride]
        self.progress: Tensor
        self.register_buffer("progress", torch.zeros((), dtype=torch.float32))
        self.same_everywhere("progress")
        self._progress = HostValue()

    def plan(self, num_views: int) -> ViewPlan:
        groups = (Group(count=num_views, role="global"),)
        if self.settings.local_views:
            small = PolicySettings(name=self.settings.local_policy, size=self.settings.local_size)
            groups += (Group(count=self.settings.local_views, policy=small, role="local"),)
        return ViewPlan(groups=groups)

    def embed(self, views: ViewBatch) -> Embedded:
        """H and z of every crop."""
        h = [over_views(self.encoder, group, joint=True) for group in views.groups]
        return Embedded(h=h[0], z=over_views(self.projector, torch.cat(h), joint=True))

    def after_step(self, progress: float) -> None:
        self._progress.set(self.progress, progress)

    def before(self, share: float) -> bool:
        """Whether less than this share of training is behind it."""
        return self._progress.get(self.progress) < rounded(share, self.progress.dtype)


def held(weight: Float[Tensor, "*shape"], frozen: bool) -> Float[Tensor, "*shape"]:
    """The weight, or where it is frozen the same numbers with a gradient of zero.

    Zero and not absent, since processes that average gradients wait for every one. Weight decay then still
    shortens the vectors, which changes no cosine.

    >>> held(torch.ones(1, requires_grad=True), True).requires_grad
    True
    """
    return weight.detach() + 0 * weight if frozen else weight


def prototype_scores(
    z: Float[Tensor, "views batch dim"], weight: Float[Tensor, "prototypes dim"]
) -> Float[Tensor, "views batch prototypes"]:
    """Products of unit embeddings with prototypes, in single precision at least.

    >>> prototype_scores(torch.tensor([[[3.0, 4.0]]]), torch.eye(2))
    tensor([[[0.6000, 0.8000]]])
    """
    with torch.autocast(z.device.type, enabled=False):
        return unit(z.to(weight)) @ weight.T
