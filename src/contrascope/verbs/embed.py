"""Features of images by anything that makes some."""

from typing import Any

from contrascope.data.memory import Labels
from contrascope.features.features import Features
from contrascope.jobs.embed import embed_anything
from contrascope.progress import Progress, silent
from contrascope.verbs.given import Device, Policy, policy_of


def embed(
    thing: Any,
    images: Any = None,
    *,
    labels: Labels = None,
    policy: Policy = None,
    num_views: int = 1,
    step: int | None = None,
    device: Device = None,
    progress: Progress = silent,
) -> Features:
    """Features `h`, and `z` where there is a projector, of images by a run, an encoder's name or a model.

    Clean images, or `num_views` views by a policy. A run embeds its own images unless others are given.

    >>> import contrascope, torch
    >>> contrascope.embed(torch.nn.Flatten(), torch.rand(5, 1, 8, 8)).h.shape
    torch.Size([1, 5, 64])
    """
    return embed_anything(
        thing,
        images,
        labels=labels,
        policy=policy_of(policy),
        num_views=num_views,
        step=step,
        device=device,
        progress=progress,
    )
