"""The settings that the runs of every table start from, at each scale, and where the images lie."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from contrascope.augment.settings import PolicySettings
from contrascope.data.settings import DataSettings
from contrascope.diagnosis.settings import MonitorSettings
from contrascope.errors import InputError
from contrascope.papers.table import Scale, Sources
from contrascope.runs.recipes import RECIPES
from contrascope.runs.settings import RunSettings

ImagesName = Literal["cifar10", "cifar100"]
TITLES: dict[ImagesName, str] = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}
LABELS: dict[ImagesName, str] = {"cifar10": "label", "cifar100": "fine_label,coarse_label"}
TRAIN_IMAGES = 50_000
"""Of both sets."""
METHODS = {"simclr": "SimCLR", "barlow-twins": "Barlow Twins", "moco": "MoCo", "simsiam": "SimSiam"}
"""Of Huang et al. 2023, as recipes call them, and their titles."""
SIMCLR, MOCO = "simclr", "moco"
EPOCHS: dict[Scale, int] = {"cpu": 4, "gpu": 30, "paper": 800}
"""Where a table does not say otherwise; the paper's are those of Huang et al. 2023."""
KEPT = 10
"""Checkpoints that a run keeps for good, at ends of epochs: the best of them is the `paper protocol`."""
LETTER_ORDER = "aedcb"
"""Crop, flip, colour distortion, colour dropping, blur: the order in the code of Huang et al. 2023."""
CPU_SIDE = 24
"""Side of the views in px where a crop makes them, at the scale of a CPU (docs/log.md)."""
CPU_WIDTH = 16
"""Of the convnet at the scale of a CPU: half of the recipes', for a quarter of the arithmetic."""
DRY_IMAGES = 32
"""Drawn images of a dry run, and its batch: one step."""
DRY_RATE = 1e-5
"""Learning rate of that step."""
FOLDERS = {
    "aircraft": "variant@mean",
    "caltech101": "label@mean",
    "cars": "label",
    "cifar100": "fine_label",
    "dtd": "label",
    "flowers": "label@mean",
    "food": "label",
    "mnist": "label",
    "pets": "label@mean",
    "tiny-imagenet": "label",
}
"""Beginning of a folder's name to label column and metric: sets of transfer that may lie beside CIFAR."""


def in_order(letters: str) -> str:
    """Letters of operations in the order in which the authors' code applies them.

    >>> in_order("abcde"), in_order("bd")
    ('aedcb', 'db')
    """
    return "".join(letter for letter in LETTER_ORDER if letter in letters)


def run_settings(
    scale: Scale, method: str, images: ImagesName, sources: Sources, *, epochs: dict[Scale, int] | None = None
) -> RunSettings:
    """Settings of a method on CIFAR before a table changes what it varies.

    `paper`: those of Huang et al. 2023, whose code trains the four methods; `gpu`: the same in fewer epochs; `cpu`: the
    recipe of the method for a CPU with half of its width, in fewer epochs still. `method` is as recipes call it.
    """
    recipe = f"cifar10-{method}-cpu" if scale == "cpu" else f"{images}-{method}"
    made = RECIPES[recipe].make()
    chosen = (epochs or EPOCHS)[scale]
    data = DataSettings(source=getattr(sources, images), labels=LABELS[images])
    if scale == "cpu":
        made = replace(made, encoder=replace(made.encoder, width=CPU_WIDTH))
    return replace(made, data=data, training=replace(made.training, epochs=chosen))


def with_letters(settings: RunSettings, letters: str, *, strength: float | None = None) -> RunSettings:
    """These settings with the operations of these letters; the side of the views stays."""
    policy = PolicySettings(name=in_order(letters), strength=strength, size=settings.policy.size)
    return replace(settings, policy=policy)


def with_preset(settings: RunSettings, name: str, *, strength: float | None = None) -> RunSettings:
    """These settings with a policy that has a name; the side of the views stays."""
    return replace(settings, policy=PolicySettings(name=name, strength=strength, size=settings.policy.size))


def finished(settings: RunSettings, sources: Sources, *, labelled: bool = False) -> RunSettings:
    """What every run of a table has in common: checkpoints to measure, one look of the monitor; or a dry run.

    A run sees no labels unless it is `labelled`: what needs some is measured apart, and the run need not assess itself.
    """
    training = settings.training
    count, batch = TRAIN_IMAGES, training.batch_size
    if sources.dry:
        count = batch = DRY_IMAGES
        training = replace(training, epochs=1, batch_size=batch)
        optim = replace(settings.optim, lr=DRY_RATE)  # a paper's rate may end a network in its one step
        settings = replace(settings, data=DataSettings(source="shapes", count=count), optim=optim)
    data = settings.data if labelled else replace(settings.data, labels="none")
    each = count // batch * max(1, training.epochs // KEPT)
    return replace(
        settings,
        data=data,
        training=replace(training, keep_every=each, keep_last=1),
        monitor=MonitorSettings(times=1),
        protocol=replace(settings.protocol, probes=("nearest_centre",)),
    )


def find_sources(folder: Path | None, *, dry: bool = False) -> Sources:
    """The sets in a folder, each a folder in hub layout whose name begins with the set's; None: names on the hub.

    Raises `InputError` where a CIFAR is not there.

    >>> find_sources(None).cifar10
    'uoft-cs/cifar10'
    """
    if dry:
        return Sources(transfer=("digits",), dry=True)
    if folder is None:
        nine = ("aircraft", "caltech101", "cars", "cifar100", "dtd", "flowers", "food", "pets")
        return Sources(transfer=nine)
    if not folder.is_dir():
        raise InputError(
            f"--data {folder} is no folder; expected one with CIFAR-10 and CIFAR-100 in hub layout."
        )
    found = sorted(path for path in folder.iterdir() if path.is_dir())
    sets = tuple(
        f"{path}@{FOLDERS[name]}" for name in FOLDERS for path in found if path.name.startswith(name)
    )
    return Sources(
        cifar10=_source("cifar10", found, folder), cifar100=_source("cifar100", found, folder), transfer=sets
    )


def _source(name: str, found: list[Path], folder: Path) -> str:
    """The folder of a set: its name, or its name with a word behind it, the shortest first."""
    alike = [path for path in found if path.name == name or path.name.startswith(f"{name}-")]
    if not alike:
        raise InputError(
            f"{folder} has no folder {name} or {name}-...; expected CIFAR in the layout of the Hugging Face hub there."
        )
    whole = [path for path in alike if "exact" not in path.name] or alike
    return str(min(whole, key=lambda path: len(path.name)))
