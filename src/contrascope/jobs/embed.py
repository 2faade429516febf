"""Features of images by anything that has networks, in memory or written to a file."""

from pathlib import Path
from typing import Any

import torch

from contrascope.augment.settings import PolicySettings
from contrascope.data.memory import Labels
from contrascope.data.settings import DataSettings
from contrascope.features.embed import embed
from contrascope.features.features import Features
from contrascope.features.files import save_features
from contrascope.precision import single_precision
from contrascope.progress import Progress, silent
from contrascope.subjects.open import open_subject


@single_precision()
def embed_anything(
    thing: Any,
    data: Any = None,
    *,
    labels: Labels = None,
    policy: PolicySettings | None = None,
    num_views: int = 1,
    step: int | None = None,
    seed: int = 0,
    device: torch.device | str | None = None,
    progress: Progress = silent,
) -> Features:
    """Features of clean images, or of views by a policy; a run embeds its own images unless others are named."""
    subject = open_subject(thing, data=data, policy=policy, labels=labels, step=step)
    networks = subject.trained
    return embed(
        networks.encoder,
        networks.projector,
        subject.images,
        policies=None if policy is None else subject.policies,
        num_views=num_views,
        seed=seed,
        device=subject.device(device),
        progress=progress,
    )


def embed_to_file(
    thing: Any,
    data: DataSettings,
    out: Path,
    *,
    device: torch.device | str | None = None,
    progress: Progress = silent,
) -> Path:
    """Features of clean images by a run or an encoder, written whole to `out`."""
    save_features(embed_anything(thing, data, device=device, progress=progress), out)
    return out
