# pyright: reportMissingParameterType=false
"""Crop, colour distortion and colour dropping as machine code; importing this needs numba.

The float32 operations of `crop.py`, `jitter.py` and `colour.py` in their order, without fused multiply-add, so that
the bits are theirs. numba takes the types from the arrays it gets. The pixels of a channel are one axis: images are
[batch channel pixels], except in `resample`. What is called from outside works on images `start` to `stop`. Indices
are unsigned: a signed one may count from the end, at the cost of a test for every pixel.
"""

import inspect
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from contrascope.augment.colour import LUMA

ZERO, ONE, TWO, FOUR, MINUS_SIX = (np.float32(number) for number in (0, 1, 2, 4, -6))
THIRD, SIXTH, TINY = (np.float32(number) for number in (1 / 3, -1 / 6, -1e-20))
LUMA_RED, LUMA_GREEN, LUMA_BLUE = (np.float32(part) for part in LUMA)
GREEN_AT, BLUE_AT = np.float32(4 / 6), np.float32(2 / 6)
ROUNDING = np.float32(1.5 * 2**23)
"""Adding it and taking it away rounds a small float32 to the nearest whole number, ties to even."""


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Machine code, kept on disk where a folder for it can be written and made anew by each process elsewhere."""
    function = inspect.unwrap(function)  # of the type checks that tests put around every function
    try:
        return numba.njit(function, nogil=True, cache=True, error_model="numpy")
    except RuntimeError:
        return numba.njit(function, nogil=True, error_model="numpy")


@compiled
def blend_rows(picture, index, weight, left, right, row):
    first, second = picture[index[0], left:right], picture[index[1], left:right]
    part, w0, w1 = row[left:right], weight[0], weight[1]
    for x in range(len(part)):
        part[x] = np.float32(first[x]) * w0 + np.float32(second[x]) * w1
    for tap in range(2, len(index)):
        if weight[tap] != 0:
            more, w = picture[index[tap], left:right], weight[tap]
            for x in range(len(part)):
                part[x] += np.float32(more[x]) * w


@compiled
def blend_columns(row, index, weight, line):
    i0, i1, w0, w1 = index[0], index[1], weight[0], weight[1]
    for x in range(len(line)):
        line[x] = row[i0[x]] * w0[x] + row[i1[x]] * w1[x]
    for tap in range(2, len(index)):
        i, w = index[tap], weight[tap]
        for x in range(len(line)):
            line[x] += row[i[x]] * w[x]
    for x in range(len(line)):
        line[x] = min(max(line[x], ZERO), ONE)


@compiled
def blend_colour_columns(rows, index, weight, red, green, blue):
    """As `blend_columns`, for three channels and two taps at once, which halves the loads."""
    i0, i1, w0, w1 = index[0], index[1], weight[0], weight[1]
    row_red, row_green, row_blue = rows[0], rows[1], rows[2]
    for x in range(len(red)):
        i, j, v, w = i0[x], i1[x], w0[x], w1[x]
        red[x] = min(max(row_red[i] * v + row_red[j] * w, ZERO), ONE)
        green[x] = min(max(row_green[i] * v + row_green[j] * w, ZERO), ONE)
        blue[x] = min(max(row_blue[i] * v + row_blue[j] * w, ZERO), ONE)


@compiled
def resample(start, stop, images, source, box, row_index, row_weight, column_index, column_weight, out):
    """Crop, resize and mirror images[source] into `out` [batch channel height width]."""
    channels = out.shape[1]
    rows = np.empty((channels, images.shape[3]), dtype=np.float32)
    for b in range(start, stop):
        left, right = box[b, 1], box[b, 1] + box[b, 3]
        columns = column_index[:, b].astype(np.uint32)
        weights = np.ascontiguousarray(column_weight[:, b])
        for y in range(out.shape[2]):
            for c in range(channels):
                blend_rows(
                    images[source[b], c], row_index[:, b, y], row_weight[:, b, y], left, right, rows[c]
                )
            if channels == 3 and len(columns) == 2:
                blend_colour_columns(rows, columns, weights, out[b, 0, y], out[b, 1, y], out[b, 2, y])
            else:
                for c in range(channels):
                    blend_columns(rows[c], columns, weights, out[b, c, y])


@compiled
def luma(red, green, blue, out):
    for i in range(len(out)):
        out[i] = red[i] * LUMA_RED + green[i] * LUMA_GREEN + blue[i] * LUMA_BLUE


@compiled
def drop_colour(start, stop, images, on, out):
    """The luma in every channel of the images that are `on`."""
    for b in range(start, stop):
        if on[b]:
            luma(images[b, 0], images[b, 1], images[b, 2], out[b, 0])
            out[b, 1, :] = out[b, 0]
            out[b, 2, :] = out[b, 0]
        else:
            out[b] = images[b]


@compiled
def scale(values, factor, plus):
    for i in range(len(values)):
        values[i] = min(max(values[i] * factor + plus, ZERO), ONE)


@compiled
def contrast(image, factor, spare):
    if len(image) == 3:
        luma(image[0], image[1], image[2], spare)
    else:
        spare[:] = image[0]
    count = len(spare)
    while count > 1:
        half, last = count // 2, spare[count - 1]
        for i in range(half):
            spare[i] = spare[i] + spare[half + i]
        if count % 2:
            spare[0] += last
        count = half
    mean = spare[0] / np.float32(len(spare))
    scale(image.reshape(-1), factor, mean * (ONE - factor))


@compiled
def saturation(red, green, blue, factor):
    rest = ONE - factor
    for i in range(len(red)):
        gray = (red[i] * LUMA_RED + green[i] * LUMA_GREEN + blue[i] * LUMA_BLUE) * rest
        red[i] = min(max(red[i] * factor + gray, ZERO), ONE)
        green[i] = min(max(green[i] * factor + gray, ZERO), ONE)
        blue[i] = min(max(blue[i] * factor + gray, ZERO), ONE)


@compiled
def from_hue(hue, chroma, low):
    away = hue - ((hue + ROUNDING) - ROUNDING)
    return min(max(abs(away) - THIRD, SIXTH), ZERO) * chroma + low


@compiled
def turn_hue(red, green, blue, shift):
    at_red, at_green, at_blue = shift + ZERO, shift + GREEN_AT, shift + BLUE_AT
    for i in range(len(red)):
        r, g, b = red[i], green[i], blue[i]
        low, high = min(min(r, g), b), max(max(r, g), b)
        chroma = high - low
        from_red = g - b
        from_green = (b - r) + TWO * chroma
        hue = (r - g) + FOUR * chroma
        hue = (hue - from_green) + from_green if high != g else from_green
        hue = (hue - from_red) + from_red if high != r else from_red
        scaled = chroma * MINUS_SIX
        hue = -(hue / min(scaled, TINY))
        red[i] = from_hue(hue + at_red, scaled, low)
        green[i] = from_hue(hue + at_green, scaled, low)
        blue[i] = from_hue(hue + at_blue, scaled, low)


@compiled
def adjust(image, which, amount, spare):
    if which == 0:
        scale(image.reshape(-1), amount, ZERO)
    elif which == 1:
        contrast(image, amount, spare)
    elif len(image) == 3 and which == 2:
        saturation(image[0], image[1], image[2], amount)
    elif len(image) == 3:
        turn_hue(image[0], image[1], image[2], amount)


@compiled
def jitter(start, stop, images, on, order, amounts, enabled, out):
    """Brightness, contrast, saturation and hue, those enabled, in each image's order, where it is `on`."""
    spare = np.empty(images.shape[2], dtype=np.float32)
    for b in range(start, stop):
        out[b] = images[b]
        if on[b]:
            for place in range(4):
                which = order[b, place]
                if enabled[which]:
                    adjust(out[b], which, amounts[b, which], spare)
