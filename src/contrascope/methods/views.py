"""What a method asks to see (a plan), and what it is given for one batch (views in groups)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Shaped
from torch import Tensor

from contrascope.augment.settings import PolicySettings
from contrascope.draws import DrawKey
from contrascope.errors import InputError
from contrascope.text.settings import SpanSettings
from contrascope.types import Ids, Labels

Masker = Callable[[Tensor, DrawKey], Tensor]
"""From one view of a batch and the key of its draws to a mask of it; a function of both and of nothing else."""

Pairer = Callable[[Tensor, DrawKey], tuple[Tensor, Tensor]]
"""From one view of a batch and the key of its draws to what the network sees and what it has to find."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Views of one size."""

    count: int
    """How many of each item."""
    policy: PolicySettings | None = None
    """What makes them, their size included; None: the run's policy."""
    mask: Masker | None = None
    """Makes a mask for each view."""
    role: str = ""
    """What its views are for, where a method treats its groups differently: global or local."""
    pair: Pairer | None = None
    """Makes each view into an input and a target: turned and by how much, grey and its colours, hidden words."""
    spans: SpanSettings | None = None
    """Of documents: the spans that its views are; its role says which, anchor or positive."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ViewPlan:
    """What a method asks to see of each item."""

    groups: tuple[Group, ...]
    """Groups of views; each has its size, number and policy."""
    labels: bool = False
    """Whether it asks for the items' labels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ViewBatch:
    """Views of a batch of items, group by group."""

    groups: tuple[Shaped[Tensor, "_views batch ..."], ...]
    """Views of each group of the plan."""
    ids: Ids
    """Which items they are of."""
    masks: tuple[Tensor | None, ...] = ()
    """Masks [views batch ...] of each group, where the plan asks for them."""
    targets: tuple[Tensor | None, ...] = ()
    """Targets [views batch ...] of each group, where the plan asks for pairs."""
    labels: Labels | None = None
    """Labels of the items, where the plan asks for them."""
    turn: str = ""
    """Which of the method's optimisers is to move; empty where it has one."""
    place: int = 0
    """The turn's place among those of the step, from 0: it tells two turns of one optimiser apart."""

    @property
    def size(self) -> int:
        """Number of items."""
        return len(self.ids)

    @property
    def only(self) -> Shaped[Tensor, "views batch ..."]:
        """The views where there is one group of them."""
        if len(self.groups) != 1:
            raise InputError(
                f"got {len(self.groups)} groups of views; this method looks at one. Give it a plan of one group."
            )
        return self.groups[0]


def as_batch(views: ViewBatch | Shaped[Tensor, "views batch ..."]) -> ViewBatch:
    """What a view maker gave, as it is; a tensor stands for one group of views of items 0 and on.

    >>> as_batch(torch.zeros(2, 5, 3)).size
    5
    """
    if isinstance(views, ViewBatch):
        return views
    return ViewBatch(groups=(views,), ids=torch.arange(views.shape[1], device=views.device))
