"""SupCon: contrast in which images of one label are positives. Supervised."""

from torch import nn

from contrascope.distributed import gather_batch, gather_rows
from contrascope.encoders.projector import build_projector
from contrascope.errors import InputError
from contrascope.losses.sup_con import sup_con
from contrascope.methods.base import Method, StepOutput
from contrascope.methods.embedding import over_views
from contrascope.methods.joint.sup_con_settings import SupervisedContrastSettings
from contrascope.methods.views import Group, ViewBatch, ViewPlan


class SupCon(Method):
    """What labels are worth to an encoder of this shape and minutes: no method without labels, but their yard-stick.

    It takes no `positives`: which pairs count is what the labels say.
    """

    def __init__(self, encoder: nn.Module, settings: SupervisedContrastSettings) -> None:
        super().__init__(encoder)
        self.projector = build_projector(settings.projector, self.dim)
        self.temperature, self.joint_pass = settings.temperature, settings.joint_pass

    def plan(self, num_views: int) -> ViewPlan:
        return ViewPlan(groups=(Group(count=num_views),), labels=True)

    def step(self, views: ViewBatch) -> StepOutput:
        if views.labels is None:
            raise InputError(
                "sup_con learns from labels and the images have none; name their column: data.labels."
            )
        assert self.projector is not None
        h = over_views(self.encoder, views.only, joint=self.joint_pass)
        z = over_views(self.projector, h, joint=self.joint_pass)
        terms = sup_con(gather_batch(z), gather_rows(views.labels), temperature=self.temperature)
        return StepOutput(terms=terms, h=h.detach(), z=z.detach())

    def couples(self) -> str:
        return "the loss sup_con compares the images of a batch with each other"
