"""The one shape of every encoder: images in [0, 1] to one vector an image."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from contrascope.encoders.lightness import lightness_alone
from contrascope.encoders.settings import Pool
from contrascope.errors import InputError
from contrascope.types import FloatImages

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""The usual normalisation of colour images (torchvision's documentation); papers on CIFAR use it too."""


@runtime_checkable
class HasMaps(Protocol):
    """A network that can give its last maps before it averages them over space."""

    def maps(self, images: FloatImages) -> Float[Tensor, "batch dim rows columns"]:
        """The maps whose mean over space is its output."""
        ...


def pooled(output: Any, pool: Pool = "auto") -> Float[Tensor, "batch dim"]:
    """One vector an image from whatever a network returns.

    Vectors stay; maps `batch dim height width` are averaged over space; tokens `batch token dim` follow
    `pool`. Of a Hugging Face output `pooler_output` is taken under `auto`, else `last_hidden_state`.

    >>> pooled(torch.ones(2, 3, 4, 4)).shape, pooled(torch.ones(2, 7, 5), "cls").shape
    (torch.Size([2, 3]), torch.Size([2, 5]))
    """
    if isinstance(output, Mapping):
        ready = output.get("pooler_output") if pool == "auto" else None
        output = output.get("last_hidden_state") if ready is None else ready
    if isinstance(output, Tensor) and output.ndim == 4:
        return output.mean(dim=(2, 3))
    if isinstance(output, Tensor) and output.ndim == 3:
        return output[:, 0] if pool == "cls" else output.mean(dim=1)
    if isinstance(output, Tensor) and output.ndim == 2:
        return output
    came = f"shape {tuple(output.shape)}" if isinstance(output, Tensor) else f"a {type(output).__name__}"
    raise InputError(
        f"an encoder must return vectors, maps or tokens (2, 4 or 3 axes); got {came}. Wrap it in a module "
        "that returns `batch dim`."
    )


def default_normalisation(channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """ImageNet's mean and standard deviation for three channels, 0.5 and 0.5 for any other number.

    >>> default_normalisation(1)
    ((0.5,), (0.5,))
    """
    if channels == 3:
        return IMAGENET_MEAN, IMAGENET_STD
    return (0.5,) * channels, (0.5,) * channels


def refuse_colourless(channels: int) -> None:
    """Refuses images without colours for an encoder that turns colours to gray.

    >>> refuse_colourless(3)
    """
    if channels != 3:
        raise InputError(
            f"encoder.gray turns colour images of 3 channels to gray; got {channels}. Leave it out for gray images, "
            "from which colourisation, the method that asks for it, cannot learn."
        )


class Encoder(nn.Module):
    """Normalises images, runs `trunk`, pools: h of width `dim`, found by a dry run on two blank images.

    `resize`: side to which images are brought first (bilinear, with antialias), for networks of one size.
    `gray`: colour images are turned to gray ones of their lightness before all else (`lightness_alone`), in training
    and ever after.
    The images go in as channels-last, which convolutions on CPU and on tensor cores prefer.

    >>> encoder = Encoder(nn.Conv2d(1, 7, 3), size=8, mean=(0.5,), std=(0.5,))
    >>> encoder.dim, encoder(torch.zeros(2, 1, 8, 8)).shape
    (7, torch.Size([2, 7]))
    """

    def __init__(
        self,
        trunk: nn.Module,
        *,
        size: int,
        mean: Sequence[float],
        std: Sequence[float],
        resize: int | None = None,
        pool: Pool = "auto",
        gray: bool = False,
    ) -> None:
        super().__init__()
        if len(mean) != len(std) or min(std) <= 0:
            raise InputError(
                f"mean and std need one number a channel, std above 0; got {tuple(mean)} and {tuple(std)}."
            )
        if gray:
            refuse_colourless(len(mean))
        self.trunk, self.size, self.resize, self.gray = trunk, size, resize, gray
        self.pool: Pool = pool
        self.still: tuple[str, ...] = ()
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(-1, 1, 1))
        self.dim = self._dry_run(size)

    def train(self, mode: bool = True) -> "Encoder":
        """As of any module, but that the trunk's modules named in `still` stay in evaluation mode."""
        super().train(mode)
        for name in self.still:
            self.trunk.get_submodule(name).eval()
        return self

    def forward(self, images: FloatImages) -> Float[Tensor, "batch dim"]:
        return pooled(self.trunk(self.prepared(images)), self.pool)

    def maps(self, images: FloatImages) -> Float[Tensor, "batch dim rows columns"]:
        """The trunk's last maps, whose mean over space is h; of a vision transformer its grid of tokens.

        Raises `InputError` for a trunk that gives no maps: it has to return them, or have a method `maps`.

        >>> encoder = Encoder(nn.Conv2d(1, 7, 3), size=8, mean=(0.5,), std=(0.5,))
        >>> encoder.maps(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 7, 6, 6])
        """
        prepared = self.prepared(images)
        found = self.trunk.maps(prepared) if isinstance(self.trunk, HasMaps) else self.trunk(prepared)
        if isinstance(found, Tensor) and found.ndim == 4:
            return found
        raise InputError(
            f"{type(self.trunk).__name__} gives no maps, which are needed here. Choose resnet18/34/50, convnet or "
            "vit-tiny, or a network of yours with a method `maps`: images to `batch dim rows columns`."
        )

    def extra_repr(self) -> str:
        return "gray=True" if self.gray else ""

    def prepared(self, images: FloatImages) -> Float[Tensor, "batch channel rows columns"]:
        """Images as the trunk sees them: gray if asked for, resized and normalised."""
        if images.shape[1] != len(self.mean):
            raise InputError(
                f"the encoder was built for {len(self.mean)} channels; got images with {images.shape[1]}. "
                "Build it with `channels` of the data."
            )
        if self.gray:
            images = lightness_alone(images)
        if self.resize is not None and images.shape[2:] != (self.resize, self.resize):
            images = F.interpolate(images, size=(self.resize, self.resize), mode="bilinear", antialias=True)
        return ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)

    def check_size(self, size: int) -> None:
        """Refuse images of a side that the trunk does not take, or that gives features of another width."""
        dim = self._dry_run(size)
        if dim != self.dim:
            raise InputError(
                f"the encoder gives {dim} features of images of {size} px, and {self.dim} of {self.size} px. "
                "Set `resize`, or views as large as the images."
            )

    def _dry_run(self, size: int) -> int:
        channels, was_training = len(self.mean), self.training
        self.eval()
        blank = torch.zeros(2, channels, size, size, dtype=torch.float32)
        blank = blank.to(next((p for p in self.trunk.parameters()), blank))
        try:
            with torch.no_grad():
                return self(blank).shape[1]
        except (RuntimeError, ValueError, AssertionError, TypeError) as error:
            if isinstance(error, InputError) and size == self.size:
                raise
            raise InputError(
                f"the encoder does not take {channels} x {size} x {size} images: {error} "
                "Set `resize` to the side it was made for, or choose another encoder."
            ) from error
        finally:
            self.train(was_training)
