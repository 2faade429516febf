"""Draws the pictures of docs/metrics.md: `python tools/draw_metrics.py`. The same numbers each time, no library."""

import math
import random
from collections.abc import Iterable
from pathlib import Path

FIGURES = Path(__file__).resolve().parents[1] / "docs" / "figures"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9")
"""Told apart by colour-blind readers too (Okabe and Ito)."""
INK, PALE = "#666", "#bbb"
HEAD = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" font-family="sans-serif" role="img">'


def page(width: int, height: int, title: str, parts: Iterable[str]) -> str:
    """One SVG with a title for those who cannot see it, on white so that it is read on a dark page too."""
    ground = f'<rect width="{width}" height="{height}" fill="white"/>'
    return "\n".join(
        (HEAD.format(w=width, h=height), f"<title>{title}</title>", ground, *parts, "</svg>", "")
    )


def text(x: float, y: float, words: str, size: int = 14, anchor: str = "middle") -> str:
    """Words at a place."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{INK}" text-anchor="{anchor}">{words}</text>'
    )


def dot(x: float, y: float, colour: str, radius: float = 5) -> str:
    """A disc."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}" fill-opacity="0.8"/>'


def circle() -> str:
    """Three encoders with two outputs: unit rows lie on a circle."""
    draw = random.Random(1)
    angles = {
        "collapsed": [[draw.gauss(0.9, 0.05) for _ in range(4)] for _ in COLOURS],
        "scattered": [[draw.uniform(0, math.tau) for _ in range(4)] for _ in COLOURS],
        "aligned and uniform": [
            [draw.gauss(place * math.tau / len(COLOURS), 0.09) for _ in range(4)]
            for place in range(len(COLOURS))
        ],
    }
    parts = []
    for place, (name, images) in enumerate(angles.items()):
        x, y, radius = 110 + 220 * place, 110, 80
        parts.append(f'<circle cx="{x}" cy="{y}" r="{radius}" fill="none" stroke="{PALE}"/>')
        for colour, views in zip(COLOURS, images, strict=True):
            parts += [dot(x + radius * math.cos(one), y - radius * math.sin(one), colour) for one in views]
        parts.append(text(x, 222, name))
    return page(660, 240, "Unit rows on a circle: collapsed, scattered, aligned and uniform", parts)


def gallery() -> str:
    """A view and the gallery in which its image's other view has to be found."""
    draw = random.Random(2)
    parts = [
        f'<rect x="30" y="60" width="60" height="60" rx="6" fill="{COLOURS[0]}"/>',
        text(60, 145, "a view"),
        f'<path d="M105 90 H170 m-8 -6 l8 6 l-8 6" fill="none" stroke="{INK}" stroke-width="2"/>',
        text(138, 80, "nearest?", 12),
    ]
    own = (6, 2)
    for column in range(20):
        for row in range(5):
            mine = (column, row) == own
            colour = COLOURS[0] if mine else draw.choice(COLOURS[1:])
            edge = f' stroke="{INK}" stroke-width="3"' if mine else ' fill-opacity="0.35"'
            x, y = 190 + 23 * column, 35 + 23 * row
            parts.append(f'<rect x="{x}" y="{y}" width="18" height="18" rx="3" fill="{colour}"{edge}/>')
    parts.append(text(420, 175, "100 views: the other view of the same image, and 99 of other images"))
    return page(670, 195, "A view is shown with the other view of its image and 99 views of others", parts)


def ranks() -> str:
    """Four spectra of 16 eigenvalues with the ranks that they have."""
    spectra = {
        "even": [1.0] * 16,
        "falling": [0.8**place for place in range(16)],
        "one wide": [1.0] + [0.15] * 15,
        "two left": [1.0, 0.9] + [0.002] * 14,
    }
    parts = []
    for place, (name, values) in enumerate(spectra.items()):
        left = 20 + 165 * place
        for index, value in enumerate(values):
            height = max(1.0, 90 * value)
            x, y = left + 9 * index, 110 - height
            parts.append(
                f'<rect x="{x}" y="{y:.1f}" width="7" height="{height:.1f}" fill="{COLOURS[place]}"/>'
            )
        parts.append(text(left + 71, 130, name))
        for line, (words, number) in enumerate(rank_numbers(values).items()):
            parts.append(text(left + 71, 152 + 18 * line, f"{words} {number:.1f}", 12))
    return page(
        680, 200, "Four spectra of 16 eigenvalues with participation ratio, effective and stable rank", parts
    )


def rank_numbers(values: list[float]) -> dict[str, float]:
    """Participation ratio, effective rank and stable rank of eigenvalues.

    >>> rank_numbers([1.0, 1.0])
    {'participation': 2.0, 'effective': 2.0, 'stable': 2.0}
    """
    total = sum(values)
    entropy = -sum(one / total * math.log(one / total) for one in values)
    return {
        "participation": total**2 / sum(one**2 for one in values),
        "effective": round(math.exp(entropy), 9),
        "stable": total / max(values),
    }


PICTURES = {"metrics-circle.svg": circle, "metrics-gallery.svg": gallery, "metrics-ranks.svg": ranks}

if __name__ == "__main__":
    for name, drawn in PICTURES.items():
        (FIGURES / name).write_text(drawn(), encoding="utf-8")
