"""The loss that JPEG compression causes, as batched tensor code: no file is written, no byte coded."""

import functools
import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from contrascope.errors import InputError
from contrascope.machine.constants import constant
from contrascope.types import FloatImages

_LUMA = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    *(17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99),
    *(24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 32),
)
_TO_YCC = ((0.299, 0.587, 0.114), (-0.168735892, -0.331264108, 0.5), (0.5, -0.418687589, -0.081312411))
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136286, -0.714136286), (1.0, 1.772, 0.0))
_TIE = 1e-6
"""What is this close to a half is rounded as a half, so that the order of a sum decides nothing."""


def jpeg(images: FloatImages, *, quality: int) -> FloatImages:
    """RGB or gray images in [0, 1] after JPEG at this quality (1 worst, 100 best), rounded to bytes.

    Baseline JPEG (ITU-T T.81) with the example tables of its annex K scaled as libjpeg scales them, chroma at
    half resolution and brought back by libjpeg's triangle filter. Pillow's files differ where a coefficient
    lies near a half, as libjpeg transforms in integers: by about one grey level in the mean on grainy pictures.
    The coding of the coefficients loses nothing and is left out.

    >>> jpeg(torch.full((1, 3, 8, 8), 0.4), quality=50).unique().item()
    0.4...
    """
    if not 1 <= quality <= 100:
        raise InputError(f"quality is {quality}; expected an integer from 1 (worst) to 100 (best).")
    if images.shape[1] not in (1, 3):
        raise InputError(f"JPEG got {images.shape[1]} channels; expected 1 (gray) or 3 (RGB).")
    height, width = images.shape[2:]
    pixels = _bytes(images.double() * 255)
    if images.shape[1] == 1:
        return (_plane(pixels, _table(_LUMA, quality, pixels.device)) / 255).to(images.dtype)
    matrix = constant(_TO_YCC, dtype=torch.float64, device=images.device)
    shift = constant((0.0, 128.0, 128.0), dtype=torch.float64, device=images.device)[:, None, None]
    ycc = _bytes(torch.einsum("oc,bchw->bohw", matrix, pixels) + shift)
    luma = _plane(ycc[:, :1], _table(_LUMA, quality, ycc.device))
    halved = _plane(_halve(ycc[:, 1:]), _table(_CHROMA, quality, ycc.device))[:, :, :, : (width + 1) // 2]
    chroma = _enlarge(halved)[:, :, :height, :width]
    back = constant(_TO_RGB, dtype=torch.float64, device=images.device)
    joined = torch.cat((luma, chroma - 128), dim=1)
    return (_bytes(torch.einsum("oc,bchw->bohw", back, joined)) / 255).to(images.dtype)


def quality_table(quality: int, *, chroma: bool = False) -> Float[Tensor, "8 8"]:
    """The steps by which the coefficients are divided, as libjpeg scales annex K, in [1, 255].

    >>> quality_table(50)[0, :3].tolist(), quality_table(100).max().item()
    ([16.0, 11.0, 10.0], 1.0)
    """
    return _table(_CHROMA if chroma else _LUMA, quality, torch.device("cpu"))


def _table(base: tuple[int, ...], quality: int, device: torch.device) -> Tensor:
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    scaled = [min(255, max(1, (step * percent + 50) // 100)) for step in base]
    return constant(scaled, dtype=torch.float64, device=device).view(8, 8)


@functools.cache
def _cosines(device: torch.device) -> Tensor:
    """The orthonormal discrete cosine transform of eight values, computed on the CPU."""
    k = torch.arange(8, dtype=torch.float64)
    rows = (math.pi / 8 * k[:, None] * (k + 0.5)).cos() / 2
    rows[0] *= math.sqrt(0.5)
    return rows.to(device)


def _plane(values: Tensor, table: Tensor) -> Tensor:
    """Each 8 by 8 block transformed, quantised and brought back to bytes."""
    height, width = values.shape[2:]
    padded = F.pad(values - 128, (0, -width % 8, 0, -height % 8), mode="replicate")
    blocks = padded.unflatten(3, (-1, 8)).unflatten(2, (-1, 8)).transpose(3, 4)
    cosines = _cosines(values.device)
    coefficients = cosines @ blocks @ cosines.T / table
    whole = coefficients.sign() * (coefficients.abs() + 0.5 + _TIE).floor()
    restored = cosines.T @ (whole * table) @ cosines
    return _bytes(restored.transpose(3, 4).flatten(4, 5).flatten(2, 3)[:, :, :height, :width] + 128)


def _halve(values: Tensor) -> Tensor:
    """Mean of each 2 by 2 block, columns filled up to whole blocks first; halves go down and up in turns: libjpeg."""
    height, width = values.shape[2:]
    padded = F.pad(values, (0, -width % 16, 0, height % 2), mode="replicate")
    total = padded.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).sum(dim=(3, 5))
    bias = 1 + torch.arange(total.shape[3], device=values.device) % 2
    return ((total + bias) / 4).floor()


def _enlarge(values: Tensor) -> Tensor:
    """Twice the side, weights 3/4 and 1/4; the 16ths are rounded as in libjpeg."""
    double = F.interpolate(values, scale_factor=2, mode="bilinear", align_corners=False)
    bias = 8 - torch.arange(double.shape[3], device=values.device) % 2
    return (double + bias.to(double.dtype) / 16).floor()


def _bytes(values: Tensor) -> Tensor:
    return (values + 0.5 + _TIE).floor().clamp(0, 255)
