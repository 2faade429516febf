"""Folders of pictures in which what tells the classes apart is known, because it was drawn."""

import colorsys

import numpy as np
from PIL import Image, ImageDraw

from contrascope.advice.settings import AdviseSettings

HUES = 6
SHAPES = ("disc", "box", "triangle")


def picture(random, hue, side=32):
    """One shape of any form, place, size and lightness on a gray ground; its hue is the class."""
    ground = int(random.integers(40, 200))
    image = Image.new("RGB", (side, side), (ground,) * 3)
    reach = random.uniform(0.2, 0.35) * side
    x, y = random.uniform(reach, side - reach, size=2)
    wheel = colorsys.hsv_to_rgb(
        (hue + random.normal(0, 0.015)) % 1, random.uniform(0.6, 1), random.uniform(0.5, 1)
    )
    colour = tuple(round(255 * part) for part in wheel)
    draw = ImageDraw.Draw(image)
    form, box = SHAPES[int(random.integers(3))], [x - reach, y - reach, x + reach, y + reach]
    if form == "disc":
        draw.ellipse(box, fill=colour)
    elif form == "box":
        draw.rectangle(box, fill=colour)
    else:
        draw.polygon([(x, y - reach), (x - reach, y + reach), (x + reach, y + reach)], fill=colour)
    noise = random.normal(0, 6, (side, side, 1))
    return Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))


def colour_folder(root, *, per_class=24, seed=0):
    """A folder in which colour is the class: one sub-folder a hue."""
    random = np.random.default_rng(seed)
    for number in range(HUES):
        folder = root / f"hue-{number}"
        folder.mkdir(parents=True)
        for row in range(per_class):
            picture(random, number / HUES).save(folder / f"{row:03d}.png")
    return root


def arrow(random, hue, turn, side=32):
    """An arrowhead that points one of four ways, of a colour, anywhere, on a ground that is lighter or darker."""
    ground = int(random.integers(30, 220))
    image = Image.new("RGB", (side, side), (ground,) * 3)
    reach = random.uniform(0.2, 0.3) * side
    x, y = random.uniform(reach + 1, side - reach - 1, size=2)
    corners = [(0, -1.0), (0.75, 0.8), (-0.75, 0.8)]
    for _ in range(turn):
        corners = [(-down, across) for across, down in corners]
    wheel = colorsys.hsv_to_rgb(
        (hue + random.normal(0, 0.015)) % 1, random.uniform(0.8, 1), random.uniform(0.7, 1)
    )
    colour = tuple(round(255 * part) for part in wheel)
    ImageDraw.Draw(image).polygon([(x + reach * a, y + reach * b) for a, b in corners], fill=colour)
    noise = random.normal(0, 3, (side, side, 1))
    return Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))


def placed(random, corner, side=32):
    """A disc of any colour and size in one of four corners; the corner is the class."""
    ground = int(random.integers(40, 200))
    image = Image.new("RGB", (side, side), (ground,) * 3)
    reach = random.uniform(0.1, 0.16) * side
    x, y = (
        (0.27 if part else 0.73) * side + random.normal(0, 0.02 * side) for part in (corner % 2, corner // 2)
    )
    colour = tuple(int(value) for value in random.integers(0, 256, size=3))
    ImageDraw.Draw(image).ellipse([x - reach, y - reach, x + reach, y + reach], fill=colour)
    noise = random.normal(0, 3, (side, side, 1))
    return Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))


def drawn_folder(root, pictures):
    """A folder of these pictures, without classes."""
    root.mkdir(parents=True)
    for row, one in enumerate(pictures):
        one.save(root / f"{row:03d}.png")
    return root


def small(**more):
    values = {"images": 144, "per_class": 5, "classes": 3, "views": 4, "draws": 50, "candidates": 4}
    return AdviseSettings(**{**values, "pool": 300, "scored": 64, "width": 4, **more})
