"""From a frozen encoder and a set of images to features."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from math import prod
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from contrascope.augment.policy import Policy
from contrascope.augment.views import make_views
from contrascope.errors import InputError
from contrascope.features.features import Features
from contrascope.precision import single_precision
from contrascope.progress import Progress, silent

BATCH, LEAST_BATCH = 512, 16
"""Images that are embedded at once: as many as that, fewer on a CPU, though never fewer than the second."""
AT_ONCE = 2**23
"""Numbers that the images of a batch may have on a CPU; what a network makes of them takes many times their memory."""


@runtime_checkable
class ImageSource(Protocol):
    """What `embed` asks of a set of images; every set of `contrascope.data` answers it."""

    @property
    def labels(self) -> Mapping[str, Tensor]: ...

    @property
    def shape(self) -> tuple[int, int, int]: ...

    def __len__(self) -> int: ...

    def batches(self, order: Tensor, batch_size: int, *, device: Any) -> Iterator[tuple[Tensor, Tensor]]: ...


@contextmanager
def evaluating(*modules: nn.Module | None) -> Iterator[None]:
    """Evaluation mode without gradients; afterwards each submodule has the mode that it had."""
    modes = [(part, part.training) for module in modules if module is not None for part in module.modules()]
    try:
        for part, _ in modes:
            part.training = False
        with torch.no_grad():
            yield
    finally:
        for part, mode in modes:
            part.training = mode


def batch_for(shape: tuple[int, int, int], device: torch.device | str) -> int:
    """Images that are embedded at once; it decides the last bits of features, so streams ask it too.

    >>> batch_for((3, 32, 32), "cpu"), batch_for((3, 224, 224), "cpu"), batch_for((3, 224, 224), "cuda")
    (512, 55, 512)
    """
    most = AT_ONCE // max(1, prod(shape)) if torch.device(device).type == "cpu" else BATCH
    return max(LEAST_BATCH, min(BATCH, most))


class EmbeddedBatch(NamedTuple):
    """What becomes of one batch, on the CPU."""

    ids: Tensor
    """Ids of the images [n]."""
    h: Tensor
    """Encoder output [views n dim], float32."""
    z: Tensor | None
    """Projector output [views n out], where there is a projector."""


@single_precision()
def embed(
    encoder: nn.Module,
    projector: nn.Module | None,
    image_set: ImageSource,
    *,
    policies: Policy | tuple[Policy, ...] | None = None,
    num_views: int = 1,
    seed: int = 0,
    epoch: int = 0,
    device: torch.device | str | None = None,
    batch_size: int | None = None,
    progress: Progress = silent,
) -> Features:
    """Features of all images, float32 on the CPU; the networks in evaluation mode (stored batch norm).

    Without policies: one view, the clean image divided by 255. With policies: the views that a training
    epoch with this seed sees. `device` is where the encoder is, if not named; nothing is moved back.
    `batch_size` unset: `batch_for` the images.
    """
    count = len(image_set)
    if count == 0:
        raise InputError("the set of images is empty: there is nothing to embed.")
    if num_views < 1 or (policies is None and num_views != 1):
        raise InputError(f"num_views={num_views}: clean images have one view. Give policies, or num_views=1.")
    found: list[EmbeddedBatch] = []
    batches = embedded_batches(
        encoder,
        projector,
        image_set,
        torch.arange(count),
        policies=policies,
        num_views=num_views,
        seed=seed,
        epoch=epoch,
        device=device,
        batch_size=batch_size,
    )
    with closing(batches):
        for batch in batches:
            found.append(batch)
            progress(sum(len(one.ids) for one in found), count)
    ids = torch.cat([one.ids for one in found])
    parts_z = [one.z for one in found if one.z is not None]
    return Features(
        h=torch.cat([one.h for one in found], dim=1),
        z=torch.cat(parts_z, dim=1) if parts_z else None,
        y={name: column.cpu()[ids] for name, column in image_set.labels.items()},
        ids=ids,
    )


def embedded_batches(
    encoder: nn.Module,
    projector: nn.Module | None,
    image_set: ImageSource,
    order: Tensor,
    *,
    policies: Policy | tuple[Policy, ...] | None = None,
    num_views: int = 1,
    seed: int = 0,
    epoch: int = 0,
    device: torch.device | str | None = None,
    batch_size: int | None = None,
) -> Generator[EmbeddedBatch, None, None]:
    """Features of the images with these ids, batch by batch, as `embed` has them; nothing of it is kept here.

    Until it is closed the networks are in evaluation mode, and there are no gradients.
    """
    where = torch.device(device) if device is not None else device_of(encoder)
    batch_size = batch_size or batch_for(image_set.shape, where)
    with evaluating(encoder.to(where), None if projector is None else projector.to(where)):
        for ids, images in image_set.batches(order, batch_size, device=where):
            views = _views(images, policies, ids=ids, seed=seed, epoch=epoch, num_views=num_views)
            h = rows_of(encoder(views.flatten(0, 1)), len(views) * len(ids), "encoder")
            z = None if projector is None else rows_of(projector(h), len(h), "projector")
            yield EmbeddedBatch(
                ids=ids.cpu(),
                h=h.view(len(views), len(ids), -1).float().cpu(),
                z=None if z is None else z.view(len(views), len(ids), -1).float().cpu(),
            )


def device_of(module: nn.Module) -> torch.device:
    """Where the first parameter of a network is; the CPU for one without."""
    first = next(module.parameters(), None)
    return torch.device("cpu") if first is None else first.device


def _views(
    images: Tensor,
    policies: Policy | tuple[Policy, ...] | None,
    *,
    ids: Tensor,
    seed: int,
    epoch: int,
    num_views: int,
) -> Float[Tensor, "views batch channel height width"]:
    if policies is None:
        return (images.float() / 255 if images.dtype == torch.uint8 else images)[None]
    views, _ = make_views(images, policies, ids=ids, seed=seed, epoch=epoch, num_views=num_views)
    return views


def rows_of(out: object, count: int, name: str) -> Float[Tensor, "batch dim"]:
    """What a network gave, if it is one vector an image; else an `InputError` that says what came."""
    if not isinstance(out, Tensor) or out.ndim != 2 or len(out) != count:
        came = f"a tensor of shape {tuple(out.shape)}" if isinstance(out, Tensor) else type(out).__name__
        raise InputError(
            f"the {name} returned {came} for {count} images; expected a tensor of shape ({count}, dim). "
            "Pool and flatten its output."
        )
    return out


def raw_pixels(image_set: ImageSource, *, batch_size: int | None = None) -> Features:
    """The flattened pixels in [0, 1] as `h`: what any representation has to beat.

    The same as `embed` with `nn.Flatten` for an encoder.
    """
    return embed(nn.Flatten(), None, image_set, batch_size=batch_size, device="cpu")
