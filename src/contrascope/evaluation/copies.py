"""The transformed copies of the robustness suite."""

from contrascope.augment.crop import RandomResizedCrop
from contrascope.augment.flip import HorizontalFlip
from contrascope.augment.jitter import ColorJitter, Grayscale
from contrascope.augment.policy import Policy

_JITTER = ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)

COPIES: dict[str, Policy | None] = {
    "original": None,
    "grayscale": Policy(ops=(Grayscale(p=1.0),), name="grayscale"),
    "crop": Policy(ops=(RandomResizedCrop(),), name="crop"),
    "flip": Policy(ops=(HorizontalFlip(p=1.0),), name="flip"),
    "jitter": Policy(ops=(_JITTER,), name="jitter"),
    "jitter_grayscale": Policy(ops=(_JITTER, Grayscale(p=1.0)), name="jitter_grayscale"),
}
"""One fixed transformed copy of the data each, the first untouched: ArCL's Aug 1 to 5, whose parameters the
authors' slides do not state. Ours: crop of an area share in (0.08, 1), jitter (0.4, 0.4, 0.4, 0.1), all always on."""
