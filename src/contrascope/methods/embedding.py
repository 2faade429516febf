"""Methods that embed views of the same images and compare them: encoder, projector, a loss of z."""

from abc import abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from contrascope.encoders.projector import Projector, build_projector
from contrascope.encoders.settings import ProjectorSettings
from contrascope.errors import InputError
from contrascope.losses.pairs import Positives, views_that_count
from contrascope.losses.registry import LOSSES
from contrascope.losses.terms import LossTerms
from contrascope.methods.base import Method, StepOutput
from contrascope.methods.settings import JointSettings
from contrascope.methods.split_norm import join_running_statistics, split_batch_norm
from contrascope.methods.views import ViewBatch


def over_views(
    network: nn.Module, views: Shaped[Tensor, "views batch *shape"], *, joint: bool
) -> Float[Tensor, "views batch dim"]:
    """`network` on every view: one pass a view, or with `joint` one pass over all.

    >>> over_views(nn.Flatten(), torch.zeros(3, 2, 1, 2, 2), joint=True).shape
    torch.Size([3, 2, 4])
    """
    if joint:
        return network(views.flatten(0, 1)).unflatten(0, views.shape[:2])
    return torch.stack([network(view) for view in views])


def build_predictor(settings: ProjectorSettings, dim: int) -> Projector:
    """A network from projector outputs of width `dim` to vectors that are compared with them.

    >>> build_predictor(ProjectorSettings(hidden=(4,), out=8), 8).dim
    8
    """
    if settings.out != dim:
        raise InputError(
            f"the predictor's output is compared with the projector's, {dim} wide; got out={settings.out}. "
            f"Set the predictor's `out` to {dim}."
        )
    return build_projector(settings, dim)


class JointEmbedding(Method):
    """Views to h to z, and a loss of z, for two views or more.

    Batch norm statistics are of one view of one batch, as in the authors' codes, unless `joint_pass` is set.
    With positives "first" the networks see two views, however many there are: it is training with two views,
    to the bit. The three parts of a step stand apart, so that a large batch can be embedded in parts.
    """

    loss_name: ClassVar[str]
    """The loss in `contrascope.losses.registry.LOSSES`."""
    of_the_whole: ClassVar[tuple[str, ...]] = ()
    """Networks that `terms` runs on the whole batch; all others see images one by one, batch norm aside."""

    def __init__(self, encoder: nn.Module, settings: JointSettings) -> None:
        super().__init__(encoder)
        if settings.splits and settings.joint_pass:
            raise InputError("splits are parts of one view's batch; set joint_pass=False, or splits=0.")
        if settings.splits < 0:
            raise InputError(f"splits must be at least 0; got {settings.splits}.")
        self.projector: Projector = build_projector(settings.projector, self.dim)  # pyright: ignore[reportIncompatibleVariableOverride]
        self.positives: Positives = settings.positives_chosen
        settings.refuse_positives()
        self.joint_pass, self.splits = settings.joint_pass, settings.splits
        if settings.splits:
            split_batch_norm(self.encoder, splits=settings.splits)
            split_batch_norm(self.projector, splits=settings.splits)

    def step(self, views: ViewBatch) -> StepOutput:
        h, z = self.embed(views)
        terms = self.terms(z, self.targets(views))
        return StepOutput(terms=terms, h=h.detach(), z=z.detach())

    def embed(
        self, views: ViewBatch
    ) -> tuple[Float[Tensor, "views batch dim"], Float[Tensor, "views batch out"]]:
        """H and z of these images."""
        h = over_views(self.encoder, self.seen(views), joint=self.joint_pass)
        return h, over_views(self.projector, h, joint=self.joint_pass)

    def targets(self, views: ViewBatch) -> Float[Tensor, "views batch out"] | None:
        """What z of these images is compared with, without gradient; None: with itself."""
        return None

    @abstractmethod
    def terms(
        self, z: Float[Tensor, "views batch out"], target: Float[Tensor, "views batch out"] | None
    ) -> LossTerms:
        """The loss of projector outputs of this process's whole batch, and of what `targets` gave for it."""

    def seen(self, views: ViewBatch) -> Shaped[Tensor, "views batch ..."]:
        """The views that count: all, or the first two under positives "first"."""
        return views.only[: views_that_count(len(views.only), self.positives)]

    def after_step(self, progress: float) -> None:
        if self.splits:
            join_running_statistics(self)

    def couples(self) -> str | None:
        if LOSSES[self.loss_name].gathers:
            return f"the loss {self.loss_name} compares the images of a batch with each other"
        return None

    def in_parts(self) -> nn.ModuleDict:
        """The networks that `embed` and `targets` run."""
        children = {name: child for name, child in self.named_children() if name not in self.of_the_whole}
        return nn.ModuleDict(children)

    def parts_problem(self) -> str | None:
        """Why the images of a batch cannot be embedded in parts, batch norm aside; None: they can."""
        return None
