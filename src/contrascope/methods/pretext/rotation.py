"""Rotation prediction: by how many quarter turns was the image turned?"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from contrascope.linalg import at_least_single
from contrascope.losses.terms import LossTerms
from contrascope.methods.base import Method, StepOutput
from contrascope.methods.pretext.rotation_settings import RotationSettings
from contrascope.methods.views import Group, ViewBatch, ViewPlan

QUARTERS = 4


def quarter_turns(
    images: Float[Tensor, "batch channel side side"],
) -> Float[Tensor, "4 batch channel side side"]:
    """Each image turned by 0, 1, 2 and 3 quarters against the clock; pixels move and none is computed.

    >>> quarter_turns(torch.arange(4.0).view(1, 1, 2, 2))[1].flatten().tolist()
    [1.0, 3.0, 0.0, 2.0]
    """
    return torch.stack([images.rot90(turns, (2, 3)) for turns in range(QUARTERS)])


class Rotation(Method):
    """Rotation prediction: a linear map of h says which of its four turns each image has had.

    All four turns of every image are in every batch, as in the authors' code, in one pass through the encoder. The
    alignment is an image's mean cross-entropy over its four turns, log 4 for a guess. There is no spread and nothing
    for `positives` to choose: no view meets another, and no image meets another but for batch norm. It asks h to
    *tell* rotations apart, so a high alignment loss of h under a policy that rotates is what it is trained for.
    """

    def __init__(self, encoder: nn.Module, settings: RotationSettings) -> None:
        super().__init__(encoder)
        del settings
        self.head = nn.Linear(self.dim, QUARTERS)

    def plan(self, num_views: int) -> ViewPlan:
        """One view, however many the run's settings say."""
        return ViewPlan(groups=(Group(count=1),))

    def step(self, views: ViewBatch) -> StepOutput:
        turned = quarter_turns(views.only[0])
        h = self.encoder(turned.flatten(0, 1))
        logits = at_least_single(self.head(h))
        turns = torch.arange(QUARTERS, device=h.device).repeat_interleave(turned.shape[1])
        loss = F.cross_entropy(logits, turns, reduction="none").view(QUARTERS, -1).mean(0)
        self.note(accuracy=(logits.argmax(1) == turns).float().mean())
        upright = h.detach()[None, : turned.shape[1]]
        return StepOutput(terms=LossTerms(align=loss, spread=loss.new_zeros(())), h=upright)
