"""The nine sets of the transfer protocol as a table of facts, and how any set's three parts are opened."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from contrascope.data.imageset import ImageSet
from contrascope.data.labels import MissingColumnError, numbered_as
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError, MissingSplitError, did_you_mean

Metric = Literal["top1", "mean_per_class"]
"""Share of test images that are right, or the mean over classes of that share."""

METRICS: dict[str, Metric] = {"top1": "top1", "mean": "mean_per_class", "mean_per_class": "mean_per_class"}
STAND_INS = ("validation", "val", "valid")
HELD_OUT = "held-out fifth of train"


@dataclass(frozen=True, kw_only=True)
class TransferSet:
    """Where a set lies, which columns and splits it has, and by what it is measured."""

    name: str
    """The name in tables."""
    source: str
    """A name on the hub, a folder, an array file or a built-in set."""
    metric: Metric = "top1"
    """Its own measure."""
    label: str | None = None
    """Label column; None: the primary one."""
    train: str = "train"
    """Split to learn from."""
    validation: str | None = None
    """Official validation split; None: a part of train is used."""
    test: str | None = None
    """Split that is looked at once; None: found (`test`, else a validation split, else a fifth of train)."""
    classes: int | None = None
    """Number of classes, checked where it is known."""


@dataclass(frozen=True, kw_only=True)
class OpenedSet:
    """The three parts of a set; labels are the primary column of each."""

    train: ImageSet
    """Images to learn from, without the validation part where that is a split of its own."""
    validation: ImageSet | None
    """The official validation split, where there is one."""
    test: ImageSet
    """Images to test on."""
    split: str
    """What the test part is."""


def _nine(name: str, source: str, metric: Metric, classes: int, **where: str) -> TransferSet:
    return TransferSet(name=name, source=source, metric=metric, classes=classes, **{"test": "test", **where})


TRANSFER_SETS = {
    one.name: one
    for one in (
        _nine(
            "aircraft",
            "HuggingFaceM4/FGVC-Aircraft",
            "mean_per_class",
            100,
            label="variant",
            validation="validation",
        ),
        _nine("caltech101", "dpdl-benchmark/caltech101", "mean_per_class", 102, label="label"),
        _nine("cars", "tanganke/stanford_cars", "top1", 196, label="label"),
        _nine("cifar10", "uoft-cs/cifar10", "top1", 10, label="label"),
        _nine("cifar100", "uoft-cs/cifar100", "top1", 100, label="fine_label"),
        _nine("dtd", "mcimpoi/dtd_split_1", "top1", 47, label="label", validation="validation"),
        _nine(
            "flowers",
            "dpdl-benchmark/oxford_flowers102",
            "mean_per_class",
            102,
            label="label",
            validation="validation",
        ),
        _nine("food", "ethz/food101", "top1", 101, label="label", test="validation"),
        _nine("pets", "timm/oxford-iiit-pet", "mean_per_class", 37, label="label"),
    )
}
"""The sets of Ericsson et al. 2021 (arXiv:2011.13377) that ArCL (arXiv:2303.01092) reports, by hub name; metric and
official validation splits (Aircraft, DTD, Flowers) as in the authors' code."""


def find_transfer_set(text: str) -> TransferSet:
    """One of the nine by name, or `SOURCE`, `SOURCE@COLUMN`, `SOURCE@COLUMN@METRIC` for any other set.

    METRIC is `top1` or `mean` (mean per class). A path's last part is the set's name in tables.

    >>> find_transfer_set("pets").metric, find_transfer_set("data/mnist@digit").label
    ('mean_per_class', 'digit')
    """
    if text in TRANSFER_SETS:
        return TRANSFER_SETS[text]
    source, *rest = text.split("@")
    if not source or len(rest) > 2:
        raise InputError(
            f"the set {text!r} is not understood; expected one of {', '.join(TRANSFER_SETS)}, or "
            "SOURCE, SOURCE@COLUMN or SOURCE@COLUMN@METRIC."
        )
    metric = rest[1] if len(rest) == 2 else "top1"
    if metric not in METRICS:
        raise InputError(f"no metric {metric!r} in {text!r}. {did_you_mean(metric, METRICS)}")
    name = source.rstrip("/").rsplit("/", 1)[-1]
    return TransferSet(
        name=name, source=source, label=(rest[0] or None) if rest else None, metric=METRICS[metric]
    )


def open_transfer_set(wanted: TransferSet, data: DataSettings) -> OpenedSet:
    """The parts of a set at the size and within the memory that `data` says; its source and splits are not used.

    A set without a test split is tested on its validation split, and one with neither on a fifth of its
    training images (fixed by `data.seed`); `split` says which it was.

    >>> found = open_transfer_set(TransferSet(name="digits", source="digits"), DataSettings())
    >>> len(found.train), found.validation, len(found.test), found.split
    (1297, None, 500, 'test')
    """
    data = replace(data, source=wanted.source, labels=wanted.label)
    try:
        train = _labelled(open_images(replace(data, split=wanted.train)), wanted)
    except MissingColumnError as error:
        typed = f"{wanted.source}@{wanted.label}"
        raise MissingColumnError(error.column, error.known, name=error.name, setting=repr(typed)) from error
    if wanted.test is not None:
        test, split = open_images(replace(data, split=wanted.test)), wanted.test
    else:
        test, split = _first_of(("test", *STAND_INS), data)
    if test is None:
        learn, kept = _fifth(len(train), data.seed)
        return OpenedSet(train=train.select(learn), validation=None, test=train.select(kept), split=HELD_OUT)
    validation = None
    if wanted.validation is not None:
        validation = _labelled(open_images(replace(data, split=wanted.validation)), wanted)
    elif wanted.test is None and split not in STAND_INS:
        validation, _ = _first_of(STAND_INS, data)
    validation = None if validation is None else numbered_as(train, validation)
    test = numbered_as(train if validation is None else validation, _labelled(test, wanted))
    return OpenedSet(train=train, validation=validation, test=test, split=split)


def _first_of(splits: tuple[str, ...], data: DataSettings) -> tuple[ImageSet | None, str]:
    for split in splits:
        try:
            return open_images(replace(data, split=split)), split
        except MissingSplitError:
            continue
    return None, ""


def _fifth(count: int, seed: int) -> tuple[Tensor, Tensor]:
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    cut = max(1, count // 5)
    return order[cut:].sort().values, order[:cut].sort().values


def _labelled(images: ImageSet, wanted: TransferSet) -> ImageSet:
    if images.y is None:
        raise InputError(
            f"{images.name} has no labels; transfer is measured with some. Name a column: SOURCE@COLUMN."
        )
    column = images.label_column or ""
    known = images.class_names.get(column)
    found = len(known) if known else len(images.y.unique())
    if wanted.classes is not None and found != wanted.classes:
        raise InputError(
            f"{images.name} has {found} classes in {column!r}; {wanted.name} has {wanted.classes}. "
            "Name the column and the source: SOURCE@COLUMN."
        )
    return images
