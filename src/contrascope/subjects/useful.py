"""Is a subject useful for these classes? Its labelled images, embedded and compared."""

import torch
from jaxtyping import Int
from torch import Tensor, nn

from contrascope.errors import InputError
from contrascope.evaluation.few.compare import few_labels
from contrascope.evaluation.few.pixels import small_pixels
from contrascope.evaluation.few.words import Useful, useful
from contrascope.features.embed import embed
from contrascope.precision import single_precision
from contrascope.progress import Passes, Progress, silent
from contrascope.subjects.subject import Subject


@single_precision()
def useful_subject(
    subject: Subject,
    ids: Int[Tensor, " n"],
    labels: Int[Tensor, " n"],
    *,
    device: torch.device | str | None = None,
    progress: Progress = silent,
) -> Useful:
    """Compares a subject's encoder with its random twin and raw pixels on these clean images and their labels.

    Raises `InputError` for arrays, which have neither, and for labels that allow no comparison.
    """
    if subject.networks is None:
        raise InputError(
            f"{subject.name} holds embeddings alone, without a random twin or images to compare with. Name a run's "
            "folder, or an encoder with images."
        )
    images, where, twin = subject.images.select(ids), subject.device(device), subject.twin
    passes = Passes(progress, total=len(images) * (1 if twin is None else 2))

    def embedded(encoder: nn.Module) -> Tensor:
        return embed(encoder, None, images, device=where, progress=passes.next(len(images))).h[0]

    return useful(
        few_labels(
            embedded(subject.trained.encoder),
            labels,
            twin=None if twin is None else embedded(twin.encoder),
            pixels=small_pixels(images.gather(torch.arange(len(images)))),
        )
    )
