"""Scores of pairs of an image and its latents, and of each alone."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from contrascope.types import FloatImages

SLOPE = 0.2
"""Slope of the leaky ReLU below zero (Radford et al. 2016, arXiv:1511.06434)."""
_FIRST_ITERATIONS = 15
"""Of the power method when a layer is made; later each step adds one."""
_SMALLEST = 1e-12
"""What a weight is divided by at least."""


class SpectralNorm(nn.Module):
    """A weight divided by the estimate u'Wv of its largest singular value (Miyato et al. 2018, arXiv:1802.05957).

    u and v stay through all passes of a step and move in `iterate`, so that a score does not depend on how often the
    network has run: parts of a batch see one weight. The gradient passes through the quotient with u and v held.

    >>> weight = torch.diag(torch.tensor([4.0, 1.0]))
    >>> SpectralNorm(weight)(weight).diagonal().tolist()
    [1.0, 0.25]
    """

    left: Tensor
    right: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        matrix = weight.detach().flatten(1)
        start = torch.randn(len(matrix), dtype=torch.float32).to(matrix)
        self.register_buffer("left", F.normalize(start, dim=0))
        self.register_buffer("right", torch.zeros_like(matrix[0]))
        for _ in range(_FIRST_ITERATIONS):
            self.iterate(weight)

    def forward(self, weight: Tensor) -> Tensor:
        with torch.autocast(weight.device.type, enabled=False):
            largest = self.left @ weight.flatten(1) @ self.right
            return weight / largest.clamp_min(_SMALLEST)

    @torch.no_grad()
    def iterate(self, weight: Tensor) -> None:
        """One round of the power method."""
        matrix = weight.detach().flatten(1)
        self.right.copy_(F.normalize(matrix.T @ self.left, dim=0))
        self.left.copy_(F.normalize(matrix @ self.right, dim=0))


class PairDiscriminator(nn.Module):
    """Three strided convolutions of the image, two layers of the latents, and two of both together.

    One score a pair, or with `unary` three: of the image, of the latents, of both (Donahue and Simonyan 2019,
    arXiv:1907.02544). No layer couples images. Any side: the maps are summed over places.

    >>> network = PairDiscriminator(channels=3, latents=5, width=4, unary=True)
    >>> network(torch.zeros(2, 3, 9, 9), torch.zeros(2, 5)).shape
    torch.Size([2, 3])
    """

    def __init__(
        self, *, channels: int, latents: int, width: int, unary: bool = False, spectral_norm: bool = True
    ) -> None:
        super().__init__()
        wide = 4 * width

        def convolution(before: int, after: int) -> nn.Module:
            return nn.Sequential(nn.Conv2d(before, after, 3, stride=2, padding=1), nn.LeakyReLU(SLOPE))

        def linear(before: int, after: int) -> nn.Module:
            return nn.Sequential(nn.Linear(before, after), nn.LeakyReLU(SLOPE))

        self.of_image = nn.Sequential(
            convolution(channels, width), convolution(width, 2 * width), convolution(2 * width, wide)
        )
        self.of_latents = nn.Sequential(linear(latents, wide), linear(wide, wide))
        self.of_both = nn.Sequential(linear(2 * wide, 2 * wide), nn.Linear(2 * wide, 1))
        self.image_score = nn.Linear(wide, 1) if unary else None
        self.latents_score = nn.Linear(wide, 1) if unary else None
        if spectral_norm:
            for layer in [one for one in self.modules() if isinstance(one, nn.Conv2d | nn.Linear)]:
                parametrize.register_parametrization(layer, "weight", SpectralNorm(layer.weight))

    def forward(
        self, images: FloatImages, z: Float[Tensor, "batch latents"]
    ) -> Float[Tensor, "batch scores"]:
        image = self.of_image(2 * images - 1).sum(dim=(2, 3))
        latents = self.of_latents(z)
        both = self.of_both(torch.cat([image, latents], dim=1))
        if self.image_score is None or self.latents_score is None:
            return both
        return torch.cat([self.image_score(image), self.latents_score(latents), both], dim=1)

    def settle(self) -> None:
        """Brings the estimates of the largest singular values after the weights; once a step."""
        for layer in self.modules():
            if isinstance(layer, parametrize.ParametrizationList):
                norm, weight = layer[0], layer.original
                assert isinstance(norm, SpectralNorm)
                assert isinstance(weight, Tensor)
                norm.iterate(weight)
