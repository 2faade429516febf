"""What every method is: networks, a loss over views, and a step that follows the optimiser's."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from contrascope.encoders.projector import Projector, build_projector
from contrascope.encoders.settings import ProjectorSettings
from contrascope.errors import InputError
from contrascope.losses.pairs import Positives, named_positives, views_that_count
from contrascope.losses.registry import LOSSES
from contrascope.losses.terms import LossTerms
from contrascope.methods.settings import MethodSettings
from contrascope.types import Views


@dataclass(frozen=True, kw_only=True, slots=True)
class StepOutput:
    """The loss of one batch, and what it was computed from.

    `terms` is of the joined batch of all processes where images meet in the loss, of this process's images
    where they do not; the gradients, averaged over processes, are those of the joined batch in both cases.
    """

    terms: LossTerms
    """Differentiable: `terms.total` is what to minimise."""
    h: Float[Tensor, "views batch dim"]
    """Encoder outputs of this process's images, detached."""
    z: Float[Tensor, "views batch out"]
    """Projector outputs of this process's images, detached."""


def over_views(
    network: nn.Module, views: Float[Tensor, "views batch *shape"], *, joint: bool
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


class Method(nn.Module, ABC):
    """Networks and loss of a self-supervised method, for two views or more.

    Batch norm statistics are of one view of one batch, as in the authors' codes, unless `joint_pass` is set.
    With several processes batch norm is synchronised, and a loss in which images meet sees all images:
    averaged gradients equal those of one process on the joined batch. All state is in buffers. With positives
    "first" the networks see two views, however many there are: it is training with two views, to the bit.
    """

    loss_name: ClassVar[str]
    """The loss in `contrascope.losses.registry.LOSSES`."""

    def __init__(self, encoder: nn.Module, settings: MethodSettings) -> None:
        super().__init__()
        dim = getattr(encoder, "dim", None)
        if not isinstance(dim, int):
            raise InputError(
                f"a method needs an encoder with a whole-number `dim`; {type(encoder).__name__} has {dim!r}. "
                "Wrap it: contrascope.encoders.wrap_encoder(module, size=...)."
            )
        self.encoder = encoder
        self.projector = build_projector(settings.projector, dim)
        self.positives: Positives = named_positives(settings.positives, settings.positives_temperature)
        LOSSES[self.loss_name].refuse_positives(self.positives)
        self.joint_pass = settings.joint_pass

    def forward(self, views: Views) -> StepOutput:
        views = views[: views_that_count(len(views), self.positives)]
        h = over_views(self.encoder, views, joint=self.joint_pass)
        z = over_views(self.projector, h, joint=self.joint_pass)
        return StepOutput(terms=self.terms(views, z), h=h.detach(), z=z.detach())

    @abstractmethod
    def terms(self, views: Views, z: Float[Tensor, "views batch dim"]) -> LossTerms:
        """The loss of projector outputs `z` of `views`."""

    def after_step(self, progress: float) -> None:
        """To be called after every optimiser step; `progress` is the share of training done, in [0, 1]."""

    def accumulation_problem(self) -> str | None:
        """Why gradients added up over parts of a batch differ from the whole batch's; None: they do not.

        It looks at the loss and at the batch norms as they stand: one in evaluation mode couples no images.
        """
        if LOSSES[self.loss_name].gathers:
            return f"the loss {self.loss_name} compares the images of a batch with each other"
        for name, module in self.named_modules():
            if isinstance(module, _BatchNorm) and (module.training or module.running_mean is None):
                return f"batch norm ({name}) standardises with the statistics of the batch"
        return None

    @property
    def accumulation(self) -> Literal["exact", "refused"]:
        """Whether gradient accumulation gives the whole batch's gradient; see `accumulation_problem`."""
        return "exact" if self.accumulation_problem() is None else "refused"
