"""Features of images by anything that has networks, in memory or written to a file."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from contrascope.augment.settings import PolicySettings
from contrascope.data.memory import Labels
from contrascope.features.embed import embed
from contrascope.features.features import Features
from contrascope.features.files import check_format, save_features, save_rows
from contrascope.precision import single_precision
from contrascope.progress import Progress, Say, silent, unheard
from contrascope.runs.bad_images import tell_images
from contrascope.subjects.open import open_subject
from contrascope.subjects.subject import Subject


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
    return embed_subject(
        subject, viewed=policy is not None, num_views=num_views, seed=seed, device=device, progress=progress
    )


def embed_subject(
    subject: Subject,
    *,
    viewed: bool = False,
    num_views: int = 1,
    seed: int = 0,
    device: torch.device | str | None = None,
    progress: Progress = silent,
) -> Features:
    """Features of a subject's images, clean or `viewed` under its policy, with the names of images and classes."""
    networks, images = subject.trained, subject.images
    found = embed(
        networks.encoder,
        networks.projector,
        images,
        policies=subject.policies if viewed else None,
        num_views=num_views,
        seed=seed,
        device=subject.device(device),
        progress=progress,
    )
    return replace(found, names=images.names(found.ids), classes=dict(images.class_names))


def embed_to_file(
    thing: Any,
    data: Any,
    out: Path,
    *,
    device: torch.device | str | None = None,
    progress: Progress = silent,
    say: Say = unheard,
) -> Path:
    """Features of clean images by a run or an encoder, written whole to `out`, each row with the name of its image.

    A `.npy` holds numbers alone: names and labels of its rows lie beside it, in `NAME.rows.csv`; skipped images in
    `NAME.bad_images.json`. `say` is told how the images were read.
    """
    check_format(out)
    subject = open_subject(thing, data=data)
    tell_images(subject.images, say, beside=out)
    found = embed_subject(subject, device=device, progress=progress)
    save_features(found, out)
    if out.suffix == ".npy":
        rows = save_rows(found, out.with_suffix(".rows.csv"))
        say(f"a .npy holds numbers alone; names and labels of its rows are in {rows}.")
    return out
