"""From items to views: what the loop asks of its items and of who makes the views, and the one for images."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor

from contrascope.augment.policy import Policy
from contrascope.augment.presets import build_policy
from contrascope.augment.views import make_views
from contrascope.data.imageset import BadImage, ImageSet
from contrascope.draws import DrawKey
from contrascope.errors import InputError
from contrascope.methods.base import Method
from contrascope.methods.views import Group, ViewBatch, ViewPlan
from contrascope.training.settings import TrainingSettings

MASK, PAIR = 254, 255
"""Places of the draws for masks and pairs, beyond those of any policy's operations."""


@runtime_checkable
class Items(Protocol):
    """What is trained on: anything that is addressed by ids 0 to n - 1 and comes in batches."""

    def __len__(self) -> int: ...

    def gather(self, ids: Tensor) -> Any:
        """The items with these ids, in this order."""

    def batches(
        self, order: Tensor, batch_size: int, *, device: torch.device | str = "cpu", start: int = 0
    ) -> Iterator[tuple[Tensor, Any]]:
        """Ids and items in the given order, on the device, from batch `start` on."""
        ...


@runtime_checkable
class GroupedItems(Items, Protocol):
    """Items that change an order so that those of a batch belong together."""

    def grouped(self, order: Tensor, batch_size: int) -> Tensor:
        """The ids of `order` in the order of its batches."""
        ...


@runtime_checkable
class RunItems(Items, Protocol):
    """Items of which a run keeps the facts, so that it goes on with the same ones."""

    @property
    def name(self) -> str:
        """Where they are from."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width; of what has no fixed shape none."""
        ...

    @property
    def fingerprint(self) -> str:
        """Identity of the content."""
        ...

    @property
    def class_names(self) -> Mapping[str, tuple[str, ...]]:
        """Names of the classes of every label column."""
        ...

    @property
    def bad_images(self) -> tuple[BadImage, ...]:
        """What was left out."""
        ...


@runtime_checkable
class ViewMaker(Protocol):
    """Makes what a method asked for of some items: a function of items, ids and epoch, and of nothing else."""

    def __call__(self, items: Any, *, ids: Tensor, epoch: int) -> ViewBatch: ...


def looks(view_maker: ViewMaker, batches: Iterable[tuple[Tensor, Any]], *, epoch: int) -> Iterator[ViewBatch]:
    """Views of each batch of ids and items, in the arithmetic of their making, whatever that of the network is.

    >>> def same(items, *, ids, epoch):
    ...     return ViewBatch(groups=(items[None],), ids=ids)
    >>> [views.size for views in looks(same, [(torch.arange(2), torch.ones(2, 3))], epoch=0)]
    [2]
    """
    for ids, items in batches:
        with torch.no_grad(), torch.autocast(ids.device.type, enabled=False):
            views = view_maker(items, ids=ids, epoch=epoch)
        yield views


def parts_of(items: Any, count: int, each: int) -> list[Any]:
    """`count` items in parts of `each` and what is left over: tensors, tuples, lists or dictionaries of them.

    >>> parts_of({"tokens": torch.arange(3), "names": ["a", "b", "c"]}, 3, 2)[1]
    {'tokens': tensor([2]), 'names': ['c']}
    """
    return (
        [items] if each >= count else [_part(items, first, first + each) for first in range(0, count, each)]
    )


def _part(items: Any, first: int, last: int) -> Any:
    if isinstance(items, dict):
        return {name: _part(value, first, last) for name, value in items.items()}
    if isinstance(items, tuple):
        return tuple(_part(value, first, last) for value in items)
    return items[first:last]


class ImageViews:
    """Views of images by policies, keyed by seed, epoch, image and view: the same in any batch.

    >>> from contrascope.augment.policy import policy
    >>> maker = ImageViews((policy("ae"),), ViewPlan(groups=(Group(count=3),)), seed=0)
    >>> maker(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), ids=torch.arange(4), epoch=0).only.shape
    torch.Size([3, 4, 3, 8, 8])
    """

    def __init__(
        self,
        policies: tuple[Policy, ...],
        plan: ViewPlan,
        *,
        seed: int,
        labels: Int[Tensor, " n"] | None = None,
        early: tuple[Policy, ...] = (),
        early_epochs: int = 0,
    ) -> None:
        """`early` policies make the views of the first `early_epochs`, if there are any."""
        if plan.labels and labels is None:
            raise InputError(
                "the method asks for labels and the images have none; name their column: data.labels."
            )
        self.policies, self.plan, self.seed = policies, plan, seed
        self.early, self.early_epochs = early or policies, early_epochs
        self.labels = labels if plan.labels else None

    def __call__(self, items: Tensor, *, ids: Int[Tensor, " batch"], epoch: int) -> ViewBatch:
        groups, masks, targets, first = [], [], [], 0
        for group in self.plan.groups:
            views, mask, target = self._group(group, items, ids=ids, epoch=epoch, first=first)
            groups.append(views)
            masks.append(mask)
            targets.append(target)
            first += group.count
        if self.labels is not None:
            self.labels = self.labels.to(
                items.device
            )  # once: to look them up elsewhere would wait for the device
        labels = None if self.labels is None else self.labels[ids.to(items.device)]
        return ViewBatch(
            groups=tuple(groups),
            ids=ids,
            masks=tuple(masks),
            targets=tuple(targets),
            labels=labels,
        )

    def _group(
        self, group: Group, items: Tensor, *, ids: Tensor, epoch: int, first: int
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        channels, height, width = items.shape[1:]
        policies = self.early if epoch < self.early_epochs else self.policies
        if group.policy is not None:
            policies = build_policy(group.policy, channels=channels, size=min(height, width))
        keyed = {"ids": ids, "seed": self.seed, "epoch": epoch}
        views, _ = make_views(items, policies, num_views=group.count, first_view=first, **keyed)
        keys = [
            DrawKey(seed=self.seed, epoch=epoch, ids=ids.to(items.device), view=first + number)
            for number in range(group.count)
        ]
        target = mask = None
        if group.pair is not None:
            pairs = [group.pair(view, key.at(PAIR)) for view, key in zip(views, keys, strict=True)]
            views, target = (torch.stack(list(each)) for each in zip(*pairs, strict=True))
        if group.mask is not None:
            mask = torch.stack(
                [group.mask(view, key.at(MASK)) for view, key in zip(views, keys, strict=True)]
            )
        return views, mask, target


def image_views(
    method: Method,
    policies: tuple[Policy, ...],
    images: ImageSet,
    training: TrainingSettings,
    *,
    early: tuple[Policy, ...] = (),
    early_share: float = 0.0,
) -> ImageViews:
    """The views of these images that the method asks for; the `early` policies make those of the first epochs.

    Raises `InputError` where the method cannot learn from views of these policies.
    """
    method.check_policies(policies)
    return ImageViews(
        policies,
        method.plan(training.num_views),
        seed=training.seed,
        labels=images.y,
        early=early,
        early_epochs=round(early_share * training.epochs),
    )
