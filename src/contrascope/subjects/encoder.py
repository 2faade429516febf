"""The networks that a suite measures, for gray and colour images alike."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from contrascope.augment.colour import gray
from contrascope.errors import InputError
from contrascope.subjects.open import CHANNELS
from contrascope.subjects.subject import Subject
from contrascope.types import FloatImages

TRAINED, RANDOM = "trained encoder", "random encoder"
"""What tables call an encoder and its random twin."""


class AnyChannels(nn.Module):
    """An encoder that takes gray and colour images: gray ones are repeated, colour ones become luma.

    >>> AnyChannels(nn.Flatten(), channels=3)(torch.ones(1, 1, 2, 2)).shape
    torch.Size([1, 12])
    """

    def __init__(self, encoder: nn.Module, *, channels: int) -> None:
        super().__init__()
        self.encoder, self.channels = encoder, channels

    def forward(self, images: FloatImages) -> Float[Tensor, "batch dim"]:
        came = images.shape[1]
        if came == self.channels:
            return self.encoder(images)
        if came == 1:
            return self.encoder(images.expand(-1, self.channels, -1, -1))
        if came == 3 and self.channels == 1:
            return self.encoder(gray(images))
        raise InputError(
            f"images have {came} channels and the encoder takes {self.channels}; "
            "only gray (1) and colour (3) are turned into each other."
        )


def networks_for_any_images(
    subject: Subject, *, references: bool, device: torch.device | str | None = None
) -> dict[str, nn.Module]:
    """The frozen encoder, and beside it its random twin where there is one and it is wanted, by their names in tables.

    They take gray and colour images. Raises `InputError` for arrays, which have no networks.
    """
    found = {TRAINED: subject.trained.encoder}
    if references and subject.twin is not None:
        found[RANDOM] = subject.twin.encoder
    shape, where = subject.origin.shape, subject.device(device)
    channels = CHANNELS if shape is None else shape[0]
    if subject.origin.kind != "model":  # somebody's loop keeps its modes; embedding sets them for itself
        for one in found.values():
            one.eval()
    return {name: AnyChannels(one, channels=channels).to(where) for name, one in found.items()}
