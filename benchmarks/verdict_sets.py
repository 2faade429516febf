"""The sets of the bench of answers: three that come with the package, seven in hub layout."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch

from contrascope.augment.crop import RandomResizedCrop
from contrascope.augment.flip import HorizontalFlip
from contrascope.augment.jitter import ColorJitter, Grayscale
from contrascope.augment.policy import Policy
from contrascope.augment.presets import build_policy
from contrascope.augment.settings import PolicySettings
from contrascope.augment.warp import Affine
from contrascope.data.imageset import ImageSet, InMemoryImages
from contrascope.data.open import open_images
from contrascope.data.sampling import some_images
from contrascope.data.settings import DataSettings

TRAIN, TEST = 1500, 800
"""Images that encoders learn from, and that they are measured on; fewer where a set has fewer."""


def of_digits(channels: int, side: int) -> tuple[Policy, ...]:
    return build_policy(PolicySettings(name="digits"), channels=channels, size=side)


def of_photographs(channels: int, side: int) -> tuple[Policy, ...]:
    return build_policy(PolicySettings(name="simclr-cifar"), channels=channels, size=side)


def of_shapes(channels: int, side: int) -> tuple[Policy, ...]:
    """Everything but the shape is changed: place, size, tilt and colours."""
    del channels, side
    ops = (
        RandomResizedCrop(scale=(0.5, 1.0)),
        Affine(degrees=180.0, translate=0.1),
        ColorJitter.of_strength(1.0, p=0.8),
        Grayscale(p=0.2),
        HorizontalFlip(),
    )
    return (Policy(ops=ops, name="shapes"),)


@dataclass(frozen=True, kw_only=True)
class BenchSet:
    """Images, and the policy that suits them."""

    name: str
    data: DataSettings
    policies: Callable[[int, int], tuple[Policy, ...]]
    test: str = "test"
    """The split that is measured."""
    gray: bool = False
    epochs: int = 15
    """Of an unharmed training; a harmed one has four fifths of them."""
    classes: int | None = None
    """Only the first classes, where a set has too many for a thousand images."""


def _hub(name: str, *, test: str = "test", labels: str = "label", classes: int | None = None) -> BenchSet:
    data = DataSettings(source=name, size=32, labels=labels)
    return BenchSet(name=name, data=data, policies=of_photographs, test=test, classes=classes)


DRAWN = (
    BenchSet(name="digits", data=DataSettings(source="digits"), policies=of_digits, gray=True, epochs=20),
    BenchSet(
        name="shapes",
        data=DataSettings(source="shapes", count=2000, background=0.0),
        policies=of_shapes,
        epochs=20,
    ),
    BenchSet(
        name="scenes", data=DataSettings(source="scenes", count=2000), policies=of_photographs, epochs=20
    ),
)
HUB = (
    BenchSet(name="mnist", data=DataSettings(source="mnist", channels="0"), policies=of_digits, gray=True),
    _hub("cifar10-exact-5k"),
    _hub("cifar100-jpeg", labels="coarse_label"),
    _hub("caltech101-32", classes=30),
    _hub("dtd10-64"),
    _hub("flowers102-part-64", classes=30),
    _hub("tiny-imagenet-200", test="validation", classes=20),
)


def bench_sets(folder: Path | None) -> list[BenchSet]:
    """The drawn sets, and those that lie in `folder`."""
    found = list(DRAWN)
    for one in HUB:
        if folder is not None and (folder / one.name).is_dir():
            found.append(replace(one, data=replace(one.data, source=str(folder / one.name))))
        else:
            print(f"{one.name} is left out: it does not lie in {folder}", flush=True)
    return found


@cache
def images_of(one: BenchSet) -> tuple[ImageSet, ImageSet]:
    """What is learnt from, and what is measured, in memory."""
    parts = []
    for split, most in (("train", TRAIN), (one.test, TEST)):
        every = open_images(replace(one.data, split=split))
        if one.classes is not None and every.y is not None:
            every = every.select(torch.nonzero(every.y < one.classes)[:, 0])
        some = some_images(every, most, seed=0)
        pixels = torch.cat([part for _, part in some.batches(torch.arange(len(some)), 512)])
        y = next(iter(some.labels.values()))
        parts.append(InMemoryImages(images=pixels, labels=y, name=one.name))
    return parts[0], parts[1]
