"""A tiny vision transformer whose patch fits the image."""

import functools
import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from contrascope.errors import InputError
from contrascope.types import FloatImages


def fitting_patch(size: int) -> int:
    """Largest divisor of `size`, at most 16, that leaves at least eight patches a side (one pixel if none).

    >>> [fitting_patch(size) for size in (8, 32, 64, 224)]
    [1, 4, 8, 16]
    """
    return max(p for p in range(1, 17) if p == 1 or (size % p == 0 and size // p >= 8))


def sine_positions(rows: int, columns: int, dim: int) -> Float[Tensor, "tokens dim"]:
    """Fixed sine-cosine positions: a quarter of `dim` each for sine and cosine of row and of column.

    Chen et al. 2021 (MoCo v3, arXiv:2104.02057), section 4; the wavelengths run from 2 pi to 2 pi x 10,000.

    >>> sine_positions(1, 1, 4).tolist()
    [[0.0, 1.0, 0.0, 1.0]]
    """
    rates = torch.exp(torch.arange(dim // 4, dtype=torch.float32) * (-math.log(10_000.0) / (dim // 4)))
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    angles = [place.flatten()[:, None] * rates for place in (row, column)]
    return torch.cat([wave for angle in angles for wave in (angle.sin(), angle.cos())], dim=1)


def positions_for(
    tokens: Float[Tensor, "batch tokens dim"], rows: int, columns: int
) -> Float[Tensor, "tokens dim"]:
    """The positions of these tokens, on their device and in their type; off the CPU they are sent there once."""
    if tokens.device.type == "cpu":
        return sine_positions(rows, columns, tokens.shape[2]).to(tokens)
    return _held_positions(rows, columns, tokens.shape[2], tokens.device).to(tokens.dtype)


@functools.lru_cache(maxsize=64)
def _held_positions(rows: int, columns: int, dim: int, device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return sine_positions(rows, columns, dim).to(device)


class Block(nn.Module):
    """Pre-norm transformer block: self-attention, then an MLP of four times the width."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def attend(self, tokens: Float[Tensor, "batch token dim"]) -> Float[Tensor, "batch token dim"]:
        batch, count, dim = tokens.shape
        qkv = self.qkv(tokens).view(batch, count, 3, self.heads, dim // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.proj(mixed.transpose(1, 2).reshape(batch, count, dim))

    def forward(self, tokens: Float[Tensor, "batch token dim"]) -> Float[Tensor, "batch token dim"]:
        tokens = tokens + self.attend(self.norm1(tokens))
        return tokens + self.mlp(self.norm2(tokens))


class VisionTransformer(nn.Module):
    """ViT without class token or batch norm; its output is the mean of the normalised patch tokens.

    Width, depth and heads default to ViT-Tiny (Touvron et al. 2021, arXiv:2012.12877, table 1); positions are
    fixed, so any size that the patch divides can be encoded.

    >>> VisionTransformer(channels=1, size=8, dim=12, depth=1)(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 12])
    """

    def __init__(
        self,
        *,
        channels: int,
        size: int,
        patch: int | None = None,
        dim: int = 192,
        depth: int = 12,
        heads: int = 3,
    ) -> None:
        super().__init__()
        self.patch = fitting_patch(size) if patch is None else patch
        if dim % 4 or dim % heads:
            raise InputError(f"a ViT's width must be a multiple of 4 and of its {heads} heads; got {dim}.")
        self.embed = nn.Conv2d(channels, dim, self.patch, stride=self.patch)
        self.blocks = nn.Sequential(*[Block(dim, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, images: FloatImages) -> Float[Tensor, "batch dim"]:
        return self.encoded(self.tokens(images)).mean(dim=1)

    def maps(self, images: FloatImages) -> Float[Tensor, "batch dim rows columns"]:
        """The normalised patch tokens on their grid."""
        rows, columns = (side // self.patch for side in images.shape[2:])
        return self.encoded(self.tokens(images)).transpose(1, 2).unflatten(2, (rows, columns))

    def tokens(self, images: FloatImages) -> Float[Tensor, "batch token dim"]:
        """Embedded patches, row after row, with their positions."""
        height, width = images.shape[2:]
        if height % self.patch or width % self.patch:
            raise InputError(
                f"images of {height}x{width} are not a multiple of the patch size {self.patch}; "
                "resize them or set `patch` to a divisor."
            )
        maps = self.embed(images)
        tokens = maps.flatten(2).transpose(1, 2)
        return tokens + positions_for(tokens, maps.shape[2], maps.shape[3])

    def encoded(self, tokens: Float[Tensor, "batch token dim"]) -> Float[Tensor, "batch token dim"]:
        """All blocks and the last norm, on any of an image's tokens: which patch one is of is in itself."""
        return self.norm(self.blocks(tokens))
