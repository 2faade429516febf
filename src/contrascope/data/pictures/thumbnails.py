"""Sheets of thumbnails: many small pictures in one image, each embedded once."""

import base64
import io
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

COLUMNS = 32
"""Tiles in a row of a sheet."""
MOST = 1024
"""Tiles of a sheet."""
QUALITY = 75
"""Of WebP; sheets of very small tiles are kept without loss."""


def thumbnail_side(height: int, width: int) -> int:
    """Side in px of the thumbnail of an image of this size: 32 to 96.

    >>> thumbnail_side(8, 8), thumbnail_side(64, 80), thumbnail_side(224, 224)
    (32, 64, 96)
    """
    return min(max(height, 32), max(width, 32), 96)


def picture_name(name: str) -> str:
    """What an image is called below its thumbnail: its file, or its row in the source in words.

    >>> picture_name("7"), picture_name("cat.png")
    ('image 7', 'cat.png')
    """
    return f"image {name}" if name.isdecimal() else name


class Thumbnails:
    """Collects pictures of one side and numbers them; a picture with the same key is kept once."""

    def __init__(self, side: int) -> None:
        self._side = side
        self._tiles: list[Tensor] = []
        self._known: dict[int, int] = {}

    def put(self, picture: Float[Tensor, "channel height width"], *, key: int | None = None) -> int:
        """The number of this picture's tile; `key` names an image that may come again."""
        if key is not None and key in self._known:
            return self._known[key]
        self._tiles.append(resized(picture[None], self._side)[0])
        if key is not None:
            self._known[key] = len(self._tiles) - 1
        return len(self._tiles) - 1

    def __len__(self) -> int:
        return len(self._tiles)

    def sheets(self) -> list[dict[str, Any]]:
        """Everything collected, as records."""
        return sheets(torch.stack(self._tiles), first=0) if self._tiles else []


def picture_address(picture: Float[Tensor, "channel height width"], side: int) -> str:
    """A thumbnail with pixels in [0, 1] as a data address, which a page shows without loading anything.

    >>> picture_address(torch.zeros(1, 8, 8), 16)[:23]
    'data:image/webp;base64,'
    """
    (sheet,) = sheets(resized(picture[None], side), first=0)
    return f"data:image/webp;base64,{sheet['data']}"


def resized(
    pictures: Float[Tensor, "n channel height width"], side: int
) -> Float[Tensor, "n colours side side"]:
    """Square pictures of `side` in grey or colour; small ones are repeated pixel by pixel, not smoothed.

    >>> resized(torch.zeros(1, 2, 4, 4), 8).shape
    torch.Size([1, 1, 8, 8])
    """
    pictures = pictures[:, :3] if pictures.shape[1] >= 3 else pictures[:, :1]
    if min(pictures.shape[2:]) >= side:
        made = functional.interpolate(
            pictures, (side, side), mode="bilinear", antialias=True, align_corners=False
        )
    else:
        made = functional.interpolate(pictures, (side, side), mode="nearest-exact")
    return made.clamp(0, 1)


def sheets(
    tiles: Float[Tensor, "n colours side side"], *, first: int, quality: int = QUALITY
) -> list[dict[str, Any]]:
    """Records of sheets with these tiles, numbered from `first`; WebP in base64.

    >>> [(s["first"], s["count"]) for s in sheets(torch.zeros(1025, 1, 8, 8), first=3)]
    [(3, 1024), (1027, 1)]
    """
    from PIL import Image  # names of pictures are wanted without it

    found = []
    for start in range(0, len(tiles), MOST):
        part = tiles[start : start + MOST]
        side, columns = part.shape[-1], min(COLUMNS, len(part))
        rows = -(-len(part) // columns)
        empty = part.new_zeros((rows * columns - len(part), *part.shape[1:]))
        whole = torch.cat([part, empty]).unflatten(0, (rows, columns))
        pixels = whole.permute(0, 3, 1, 4, 2).reshape(rows * side, columns * side, -1)
        picture = Image.fromarray((pixels * 255).round().to(torch.uint8).squeeze(-1).numpy())
        file = io.BytesIO()
        picture.convert("RGB").save(file, "WEBP", quality=quality, lossless=side <= 16)
        found.append(
            {"side": side, "columns": columns, "first": first + start, "count": len(part), "format": "webp"}
            | {"data": base64.b64encode(file.getvalue()).decode()}
        )
    return found
