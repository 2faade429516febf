"""From a frozen encoder and a set of images to features."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from contrascope.augment.policy import Policy
from contrascope.augment.views import make_views
from contrascope.errors import InputError
from contrascope.features.features import Features
from contrascope.precision import single_precision
from contrascope.progress import Progress, silent


@runtime_checkable
class ImageSource(Protocol):
    """What `embed` asks of a set of images; every set of `contrascope.data` answers it."""

    @property
    def labels(self) -> Mapping[str, Tensor]: ...

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
    batch_size: int = 512,
    progress: Progress = silent,
) -> Features:
    """Features of all images, float32 on the CPU; the networks in evaluation mode (stored batch norm).

    Without policies: one view, the clean image divided by 255. With policies: the views that a training
    epoch with this seed sees. `device` is where the encoder is, if not named; nothing is moved back.
    """
    count = len(image_set)
    if count == 0:
        raise InputError("the set of images is empty: there is nothing to embed.")
    if num_views < 1 or (policies is None and num_views != 1):
        raise InputError(f"num_views={num_views}: clean images have one view. Give policies, or num_views=1.")
    where = torch.device(device) if device is not None else device_of(encoder)
    parts_h, parts_z, parts_ids = [], [], []
    with evaluating(encoder.to(where), None if projector is None else projector.to(where)):
        for ids, images in image_set.batches(torch.arange(count), batch_size, device=where):
            views = _views(images, policies, ids=ids, seed=seed, epoch=epoch, num_views=num_views)
            h = rows_of(encoder(views.flatten(0, 1)), len(views) * len(ids), "encoder")
            parts_h.append(h.view(len(views), len(ids), -1).float().cpu())
            if projector is not None:
                z = rows_of(projector(h), len(h), "projector")
                parts_z.append(z.view(len(views), len(ids), -1).float().cpu())
            parts_ids.append(ids.cpu())
            progress(sum(map(len, parts_ids)), count)
    ids = torch.cat(parts_ids)
    return Features(
        h=torch.cat(parts_h, dim=1),
        z=torch.cat(parts_z, dim=1) if parts_z else None,
        y={name: column.cpu()[ids] for name, column in image_set.labels.items()},
        ids=ids,
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


def raw_pixels(image_set: ImageSource, *, batch_size: int = 512) -> Features:
    """The flattened pixels in [0, 1] as `h`: what any representation has to beat.

    The same as `embed` with `nn.Flatten` for an encoder.
    """
    return embed(nn.Flatten(), None, image_set, batch_size=batch_size, device="cpu")
