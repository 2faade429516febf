"""Fine-tuning: encoder and a new linear head trained with labels, over a grid of rates and decays."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from contrascope.augment.crop import RandomResizedCrop
from contrascope.augment.flip import HorizontalFlip
from contrascope.augment.policy import Policy, to_float
from contrascope.augment.views import make_views
from contrascope.errors import InputError
from contrascope.evaluation.metric import in_metric
from contrascope.evaluation.suites import FinetuneSettings
from contrascope.features.embed import evaluating
from contrascope.intervals import generator
from contrascope.types import ByteImages

MOMENTUM = 0.9


@runtime_checkable
class Pixels(Protocol):
    """What fine-tuning asks of images; every set of `contrascope.data` answers it."""

    @property
    def shape(self) -> tuple[int, int, int]: ...

    def __len__(self) -> int: ...

    def gather(self, ids: Tensor) -> Tensor: ...


class Joined:
    """Two sets of images of one shape as one, the second behind the first.

    >>> from contrascope.data.imageset import InMemoryImages
    >>> one = InMemoryImages(images=torch.arange(4, dtype=torch.uint8).view(4, 1, 1, 1))
    >>> Joined(one, one).gather(torch.tensor([7, 0])).flatten().tolist()
    [3, 0]
    """

    def __init__(self, first: Pixels, second: Pixels) -> None:
        if first.shape != second.shape:
            raise InputError(
                f"images of shape {first.shape} and {second.shape} cannot be joined. Set a size."
            )
        self.first, self.second = first, second

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.first.shape

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def gather(self, ids: Int[Tensor, " batch"]) -> ByteImages:
        """The images with these ids, in this order."""
        low = ids < len(self.first)
        some = self.first.gather(ids[low])
        rest = self.second.gather(ids[~low] - len(self.first))
        out = torch.empty((len(ids), *some.shape[1:]), dtype=some.dtype, device=some.device)
        out[low], out[~low] = some, rest
        return out


@dataclass(frozen=True, kw_only=True)
class LabelledImages:
    """Images and their class codes from 0."""

    images: Pixels
    """The pixels."""
    y: Int[Tensor, " n"]
    """Class codes."""

    def __post_init__(self) -> None:
        if len(self.images) != len(self.y) or len(self.y) == 0:
            raise InputError(
                f"{len(self.images)} images with {len(self.y)} labels; expected one an image, and an image."
            )


@dataclass(frozen=True, kw_only=True)
class Finetuned:
    """What fine-tuning found."""

    hits: Bool[Tensor, " n"]
    """Which test images are right."""
    rate: float
    """The learning rate that did best on the validation part."""
    decay: float
    """Its weight decay."""
    validation: float
    """Its score there, in the metric."""


def finetune(
    encoder: nn.Module,
    train: LabelledImages,
    num_classes: int,
    *,
    rate: float,
    decay: float,
    settings: FinetuneSettings,
    device: torch.device | str = "cpu",
) -> nn.Sequential:
    """A copy of the encoder with a new linear head, trained on random crops and flips; `encoder` stays as it is.

    The image order and the crops depend on the settings' seed alone. Batch norm trains, as in the authors'
    code. A last short batch of an epoch is dropped unless it is the only one: batch norm needs more than one.
    """
    side = min(train.images.shape[1:])
    policy = Policy(ops=(RandomResizedCrop(size=side), HorizontalFlip()), name="finetune")
    network = _with_head(encoder, train.images, num_classes, settings.seed).to(device).train()
    optimiser = torch.optim.SGD(
        network.parameters(), lr=rate, momentum=MOMENTUM, nesterov=True, weight_decay=decay
    )
    size = min(settings.batch_size, len(train.y))
    per_epoch = len(train.y) // size
    order = torch.empty(0, dtype=torch.int64)
    for step in range(settings.steps):
        epoch, place = divmod(step, per_epoch)
        if place == 0:
            order = torch.randperm(len(train.y), generator=generator(settings.seed, "finetune order", epoch))
        ids = order[place * size : (place + 1) * size]
        pixels = train.images.gather(ids).to(device)
        views, _ = make_views(pixels, policy, ids=ids, seed=settings.seed, epoch=epoch, num_views=1)
        for group in optimiser.param_groups:
            group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / settings.steps))
        loss = nn.functional.cross_entropy(network(views[0]), train.y[ids].to(device))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network


def right(network: nn.Module, test: LabelledImages, *, batch_size: int = 256) -> Bool[Tensor, " n"]:
    """Which images a network classifies as their label, in evaluation mode; a fault of the weights is wrong."""
    device = next(network.parameters()).device
    hits = []
    with evaluating(network):
        for ids in torch.arange(len(test.y)).split(batch_size):
            logits = network(to_float(test.images.gather(ids).to(device))).cpu()
            hits.append((logits.argmax(dim=1) == test.y[ids]) & logits.isfinite().all(dim=1))
    return torch.cat(hits)


def finetune_grid(
    encoder: nn.Module,
    parts: tuple[LabelledImages, LabelledImages, LabelledImages],
    whole: LabelledImages,
    num_classes: int,
    *,
    metric: str,
    settings: FinetuneSettings,
    known: dict[str, float] | None = None,
    note: Callable[[str, float], None] = lambda point, score: None,
    device: torch.device | str = "cpu",
) -> Finetuned:
    """Each point of the grid trained on `parts[0]` and scored on `parts[1]`; the best anew on `whole`, tested once.

    Of equal points the first is taken. `known` holds the scores of points that are done, by name, and `note`
    is told each new one, so that a stopped search goes on where it was.
    """
    learn, validation, test = parts
    scores = dict(known or {})
    for rate, decay in settings.grid:
        if point_name(rate, decay) in scores:
            continue
        network = finetune(
            encoder, learn, num_classes, rate=rate, decay=decay, settings=settings, device=device
        )
        hits = right(network, validation).double()
        scores[point_name(rate, decay)] = in_metric(hits, validation.y, metric).item()
        note(point_name(rate, decay), scores[point_name(rate, decay)])
    rate, decay = max(settings.grid, key=lambda point: scores[point_name(*point)])
    network = finetune(encoder, whole, num_classes, rate=rate, decay=decay, settings=settings, device=device)
    best = scores[point_name(rate, decay)]
    return Finetuned(hits=right(network, test), rate=rate, decay=decay, validation=best)


def point_name(rate: float, decay: float) -> str:
    """How records call a point of the grid.

    >>> point_name(0.01, 0.0)
    'rate 0.01, decay 0'
    """
    return f"rate {rate:g}, decay {decay:g}"


def _with_head(encoder: nn.Module, images: Pixels, num_classes: int, seed: int) -> nn.Sequential:
    trunk = copy.deepcopy(encoder)
    first = next(trunk.parameters(), torch.empty(0, dtype=torch.float32))
    with evaluating(trunk):
        dim = trunk(to_float(images.gather(torch.arange(1))).to(first.device)).shape[1]
    head = nn.Linear(dim, num_classes)
    source = generator(seed, "finetune head")
    reach = 1 / math.sqrt(dim)
    with torch.no_grad():
        for values in (head.weight, head.bias):
            values.copy_(reach * (2 * torch.rand(values.shape, generator=source, dtype=torch.float32) - 1))
    for parameter in trunk.parameters():
        parameter.requires_grad_(True)
    return nn.Sequential(trunk, head)
