"""What every method is: networks, a plan of views, a step, what follows it, and its optimisers."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from contrascope.augment.policy import Policy
from contrascope.distributed import refuse_unequal
from contrascope.errors import InputError
from contrascope.losses.terms import LossTerms
from contrascope.methods.views import Group, ViewBatch, ViewPlan, as_batch


@dataclass(frozen=True, kw_only=True, slots=True)
class StepOutput:
    """The loss of one batch, and what it was computed from.

    `terms` is of the joined batch of all processes where images meet in the loss, of this process's images
    where they do not; the gradients, averaged over processes, are those of the joined batch in both cases.
    """

    terms: LossTerms
    """Differentiable: `terms.total` is what to minimise."""
    h: Float[Tensor, "views batch dim"]
    """Encoder outputs of this process's images, detached; of several groups those of the first."""
    z: Float[Tensor, "views batch out"] | None = None
    """Projector outputs of the same, detached; None where there is no projector."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Optimised:
    """What one optimiser moves."""

    parameters: tuple[nn.Parameter, ...]
    """Those without `requires_grad` stay."""
    rate: float = 1.0
    """Multiplies the run's learning rate."""


class Method(nn.Module, ABC):
    """Networks and loss of a self-supervised method; all its state is in parameters and buffers.

    With several processes batch norm is synchronised, and a loss in which images meet sees all images: averaged
    gradients equal those of one process on the joined batch. Processes with unequal batches are refused.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        dim = getattr(encoder, "dim", None)
        if not isinstance(dim, int):
            raise InputError(
                f"a method needs an encoder with a whole-number `dim`; {type(encoder).__name__} has {dim!r}. "
                "Wrap it: contrascope.encoders.wrap_encoder(module, size=...)."
            )
        self.encoder = encoder
        self.dim = dim
        self.projector: nn.Module | None = None
        self._noted: dict[str, Tensor] = {}

    def plan(self, num_views: int) -> ViewPlan:
        """What it asks to see of each item, if the run's settings say `num_views`."""
        return ViewPlan(groups=(Group(count=num_views),))

    def forward(self, views: ViewBatch | Shaped[Tensor, "views batch ..."]) -> StepOutput:
        """The step on what a view maker gave; a tensor stands for one group of views."""
        batch = as_batch(views)
        if self.training and torch.is_grad_enabled():
            refuse_unequal(batch.size, batch.ids.device)
        return self.step(batch)

    @abstractmethod
    def step(self, views: ViewBatch) -> StepOutput:
        """The loss of a batch; where there are several optimisers, that of `views.turn`."""

    def note(self, **signals: Float[Tensor, ""]) -> None:
        """Numbers of this step that the log shows, `method_NAME`: they have no gradient and no part in training.

        Of this process's images; the log has the mean over processes. Only what costs next to nothing belongs here.
        """
        if self.training:
            self._noted |= {name: value.detach() for name, value in signals.items()}

    def same_everywhere(self, *buffers: str) -> None:
        """Names of buffers that every process has alike already: they are not sent from the first before each step."""
        before = getattr(self, "_ddp_params_and_buffers_to_ignore", [])
        self._ddp_params_and_buffers_to_ignore = [*before, *buffers]

    def noted(self) -> dict[str, Tensor]:
        """What the steps have noted last, by name."""
        return dict(self._noted)

    def before_epoch(self, epoch: int, *, images: int, look: Callable[[], Iterator[ViewBatch]]) -> None:
        """To be called before the first step of every epoch, and not where a run is resumed within one.

        `images` are all that are trained on, with ids 0 to images - 1. `look` makes this process's views of the epoch's
        batches, the very ones that are trained on, to be seen without a step: it costs what making them costs.
        """

    def after_step(self, progress: float) -> None:
        """To be called after every optimiser step; `progress` is the share of training done, in [0, 1]."""

    def optimised(self) -> Mapping[str, Optimised]:
        """What each optimiser moves, by its name; one without a name moves all."""
        return {"": Optimised(parameters=tuple(self.parameters()))}

    @property
    def turns(self) -> tuple[str, ...]:
        """The optimisers that move in one step, in their order; one may come twice."""
        return tuple(self.optimised())

    def check_before_training(self) -> None:
        """Refuses what cannot be trained, though networks can be built and read back."""

    def check_policies(self, policies: tuple[Policy, ...]) -> None:
        """Refuses policies of the run's views under which what it asks for cannot be learnt."""

    def couples(self) -> str | None:
        """Why the loss of a batch is not the mean of its images' losses, batch norm aside; None: it is."""
        return None

    def accumulation_problem(self) -> str | None:
        """Why gradients added up over parts of a batch differ from the whole batch's; None: they do not.

        It looks at the loss and at the batch norms as they stand: one in evaluation mode couples no images.
        """
        if (reason := self.couples()) is not None:
            return reason
        for name, module in self.named_modules():
            if isinstance(module, _BatchNorm) and (module.training or module.running_mean is None):
                return f"batch norm ({name}) standardises with the statistics of the batch"
        return None

    @property
    def accumulation(self) -> Literal["exact", "refused"]:
        """Whether gradient accumulation gives the whole batch's gradient; see `accumulation_problem`."""
        return "exact" if self.accumulation_problem() is None else "refused"
