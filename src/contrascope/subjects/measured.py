"""Which images a subject is measured on: those that it was not trained on, where there are any."""

from dataclasses import dataclass, replace

from contrascope.data.imageset import ImageSet
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.data.splits import split_word
from contrascope.errors import MissingSplitError
from contrascope.evaluation.protocol import Protocol
from contrascope.subjects.subject import Subject

STAND_INS = ("test", "validation", "valid", "val")
"""Splits that a run was not trained on, in the order in which they are looked for behind its protocol's own."""
LEAST = 16
"""Images below which a split is too small to measure."""


@dataclass(frozen=True, kw_only=True)
class MeasuredImages:
    """Images, and what they are."""

    images: ImageSet
    """The images."""
    what: str
    """Set, split, policy and step in words."""


def measured_images(subject: Subject) -> MeasuredImages:
    """A run's test or validation images; its training images where it has no others, which is then said.

    Images that the user named are taken as they are.
    """
    source = subject.source
    if subject.run is None or not isinstance(source, DataSettings) or source != _own(subject):
        return MeasuredImages(images=subject.images, what=subject.what)
    for split in _others(source.split, subject.protocol):
        try:
            images = open_images(replace(source, split=split))
        except MissingSplitError:
            continue
        if len(images) >= LEAST:
            return MeasuredImages(images=images, what=_words(subject, images, "not trained on"))
    return MeasuredImages(
        images=subject.images, what=_words(subject, subject.images, "trained on: there is no other split")
    )


def _others(trained: str, protocol: Protocol | None) -> list[str]:
    """Splits that are looked for; none that holds the images of the split that was trained on."""
    if trained == "all":
        return []
    named = () if protocol is None else (protocol.test_split,)
    own = split_word(trained)
    looked_for = dict.fromkeys((*named, *STAND_INS))
    return [
        split
        for split in looked_for
        if split not in (trained, "all") and (own is None or split_word(split) != own)
    ]


def _own(subject: Subject) -> DataSettings | None:
    """The run's own images, with the labels that were asked for."""
    if subject.run is None or not isinstance(subject.source, DataSettings):
        return None
    return replace(subject.run.settings.data, labels=subject.source.labels, size=subject.source.size)


def _words(subject: Subject, images: ImageSet, why: str) -> str:
    step = "" if subject.origin.step is None else f", step {subject.origin.step}"
    return f"{images.name} ({why}), policy {subject.policy.name}{step}"
