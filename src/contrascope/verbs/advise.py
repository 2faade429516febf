"""Which augmentation suits a set of images."""

from pathlib import Path
from typing import Any

from contrascope.advice.advise import Advice
from contrascope.advice.advise import advise as advise_images
from contrascope.advice.settings import AdviseSettings, seconds_of
from contrascope.data.imageset import ImageSet
from contrascope.data.memory import Labels, images_from
from contrascope.data.settings import DataSettings
from contrascope.verbs.given import Device


def advise(
    images: Any,
    *,
    labels: Labels = None,
    budget: str | float | int = "10m",
    base: str = "simclr",
    out: Path | str = "advised-policy.json",
    settings: AdviseSettings | None = None,
    device: Device = None,
) -> Advice:
    """Which augmentation suits these images: a word on every operation, a ranking, and a policy file at `out`.

    `labels`: a column that the advice may use, or labels; unset: none is looked at. `budget`: time for short trainings,
    such as "90s" or "10m", or seconds; 0: none. The same call again goes on.
    """
    column = labels if labels is None or isinstance(labels, str) else "label"
    given = images if labels is None else images_from(images, labels=labels)
    given = given if isinstance(given, DataSettings | ImageSet) else images_from(given)
    return advise_images(
        given,
        labels=column,
        budget=seconds_of(budget) if isinstance(budget, str) else float(budget),
        base=base,
        out=Path(out).expanduser(),
        settings=settings or AdviseSettings(),
        device=device,
    )
