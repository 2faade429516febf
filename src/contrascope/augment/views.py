"""Views of a batch of images: keyed, replayable, computed together."""

import functools

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.augment.op import Params
from contrascope.augment.policy import Policy
from contrascope.draws import DrawKey
from contrascope.errors import InputError
from contrascope.types import ByteImages, FloatImages

ViewParams = tuple[tuple[Params, ...], ...]
"""What was drawn: for each view, for each operation of its policy."""

NewViews = Float[Tensor, "views batch channel out_height out_width"]
"""Views may differ from their images in size."""

_CHUNK_VALUES = 2**20  # on a CPU: large enough to hide the cost of a call, small enough for the caches


def make_views(
    images: ByteImages | FloatImages,
    policies: Policy | tuple[Policy, ...],
    *,
    ids: Int[Tensor, " ids"],
    seed: int,
    epoch: int,
    num_views: int = 2,
    first_view: int = 0,
    dtype: torch.dtype = torch.float32,
) -> tuple[NewViews, ViewParams]:
    """Views [views batch ...] in [0, 1] and the parameters that made them; view v uses policies[v % len].

    Their draws are those of views `first_view` and on: another group of views of the same images starts after
    the last view of the one before.

    A view's bits depend on its image, seed, epoch, image id, view index and policy, and on nothing else: not
    on the batch it is in, its place there, or the number of views.

    >>> from contrascope.augment.policy import policy
    >>> images, ids = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8), torch.arange(4)
    >>> views, params = make_views(images, policy("ade"), ids=ids, seed=0, epoch=0)
    >>> views.shape, torch.equal(replay(images, policy("ade"), params), views)
    (torch.Size([2, 4, 3, 8, 8]), True)
    """
    policies = _as_tuple(policies)
    if num_views < 1 or len(ids) != len(images):
        raise InputError(
            f"got {len(images)} images, {len(ids)} ids and num_views={num_views}; "
            "expected one id per image and at least one view."
        )
    ids = ids.to(images.device)
    shape = (images.shape[1], images.shape[2], images.shape[3])
    params: list[tuple[Params, ...]] = [()] * num_views
    for first, one in enumerate(policies[:num_views]):
        numbers = range(first, num_views, len(policies))
        views = torch.arange(first, num_views, len(policies), device=images.device)
        key = DrawKey(
            seed=seed,
            epoch=epoch,
            ids=ids.repeat(len(numbers)),
            view=(first_view + views).repeat_interleave(len(ids)),
        )
        drawn = one.draw(key, shape)
        for place, number in enumerate(numbers):
            part = slice(place * len(ids), (place + 1) * len(ids))
            params[number] = tuple({name: value[part] for name, value in op.items()} for op in drawn)
    return replay(images, policies, tuple(params), dtype=dtype), tuple(params)


@torch.no_grad()
def replay(
    images: ByteImages | FloatImages,
    policies: Policy | tuple[Policy, ...],
    params: ViewParams,
    *,
    dtype: torch.dtype = torch.float32,
) -> NewViews:
    """The views that these parameters make of these images: the same bits as when they were drawn."""
    policies = _as_tuple(policies)
    if images.device.type == "cpu":
        _keep_freed_memory()
    shape = (images.shape[1], images.shape[2], images.shape[3])
    outputs = {one.output_shape(shape) for one in policies}
    if len(outputs) > 1:
        raise InputError(
            f"the policies put out views of different shapes {sorted(outputs)}; give all one size."
        )
    views = torch.empty(len(params), len(images), *outputs.pop(), dtype=dtype, device=images.device)
    for first, one in enumerate(policies[: len(params)]):
        _fill(views[first :: len(policies)], images, one, params[first :: len(policies)])
    return views


def _fill(views: Tensor, images: Tensor, one: Policy, params: ViewParams) -> None:
    """Write all views of one policy; consecutive views are computed together as far as a chunk reaches."""
    count, batch = views.shape[:2]
    values = max(images[0].numel(), views[0, 0].numel()) if batch else 1
    chunk = max(1, _CHUNK_VALUES // values) if images.device.type == "cpu" else count * batch
    per_chunk = max(1, chunk // max(batch, 1))
    for low in range(0, count, per_chunk):
        part = params[low : low + per_chunk]
        joined = tuple(
            {name: torch.cat([view[op][name] for view in part]) for name in drawn}
            for op, drawn in enumerate(part[0])
        )
        flat = len(part) * batch
        for start in range(0, flat, chunk):
            index = torch.arange(start, min(start + chunk, flat), device=images.device)
            some = tuple({name: value[start : start + chunk] for name, value in op.items()} for op in joined)
            made = one.apply(images, some, index % max(batch, 1))
            if len(part) == 1:
                views[low, start : start + chunk] = made
            else:
                views[low : low + len(part)] = made.unflatten(0, (len(part), batch))


@functools.cache
def _keep_freed_memory() -> None:
    """Let glibc reuse the temporaries of one chunk for the next.

    Freeing a mapped block raises the sizes up to which malloc keeps freed memory; with its defaults a chunk
    may return its memory to the system and the next one fault it in again, several times slower than the
    arithmetic. The block is never touched, so it costs no memory; other allocators ignore it.
    """
    torch.empty(2**25 - 2**16, dtype=torch.uint8)


def _as_tuple(policies: Policy | tuple[Policy, ...]) -> tuple[Policy, ...]:
    policies = (policies,) if isinstance(policies, Policy) else policies
    if not policies:
        raise InputError("got no policy; expected a Policy or a tuple of them.")
    return policies
