"""One set of the transfer suite: every mode of an encoder and its random twin that the record lacks."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from contrascope.data.imageset import ImageSet
from contrascope.data.sampling import some_images
from contrascope.data.transfer_sets import OpenedSet, TransferSet
from contrascope.errors import InputError
from contrascope.evaluation.finetune import Joined, LabelledImages, finetune_grid
from contrascope.evaluation.labels import LabelFacts, label_facts
from contrascope.evaluation.suites import TransferProtocol
from contrascope.evaluation.transfer import TransferScore, few_labels, linear, scored, validation_mask
from contrascope.features.embed import device_of
from contrascope.progress import Say
from contrascope.records.suites import SetEntry, TransferEntry
from contrascope.records.typed import as_part
from contrascope.runs.feature_store import FeatureStore

REASON = "not available"


def some_of(opened: OpenedSet, protocol: TransferProtocol) -> OpenedSet:
    """The set with no more images in a part than the protocol allows."""

    def some(images: ImageSet, most: int | None) -> ImageSet:
        return images if most is None else some_images(images, most, seed=protocol.seed)

    validation = opened.validation
    return replace(
        opened,
        train=some(opened.train, protocol.train_images),
        validation=None if validation is None else some(validation, protocol.train_images),
        test=some(opened.test, protocol.test_images),
    )


@dataclass(frozen=True, kw_only=True)
class Job:
    """One set with all that measuring it needs."""

    wanted: TransferSet
    """Its facts."""
    opened: OpenedSet
    """Its images."""
    entry: SetEntry
    """What the record holds of it; filled in place."""
    protocol: TransferProtocol
    """What is measured."""
    store: FeatureStore
    """Where features are kept."""
    keep: Callable[[], None]
    """Writes the record."""
    say: Say
    """Tells how far it is."""

    def run(self, networks: dict[str, nn.Module]) -> None:
        """Every mode of both networks that the record lacks; a mode that fails is named with its reason."""
        done = {(row.of, row.mode) for row in self.entry.rows}
        for of, network in networks.items():
            for mode, work in self._works(of, network).items():
                if (of, mode) in done:
                    continue
                self.say(f"set {self.wanted.name}: {of}, {mode}")
                try:
                    self._refuse_undefined(mode)
                    score = work()
                except ValueError as error:  # too few labels for this mode, say: the others may have enough
                    self.entry.not_available[f"{of}, {mode}"] = reason(error)
                    self.say(f"set {self.wanted.name}: {of}, {mode}: {REASON}: {reason(error)}")
                else:
                    self.entry.rows.append(as_part(TransferEntry, {"of": of, **asdict(score)}))
                self.keep()

    def _refuse_undefined(self, mode: str) -> None:
        """Raises `InputError` where the labels do not allow the mode, before anything is embedded."""
        held_out = self.protocol.held_out if self.opened.validation is None else None
        why = facts_of(self.opened).why_not(mode, held_out=held_out)
        if why:
            raise InputError(f"not defined: {why}")

    def _works(self, of: str, network: nn.Module) -> dict[str, Callable[[], TransferScore]]:
        """What is to be measured, by mode; nothing is embedded before it is asked for."""

        def parts() -> dict[str, Any]:
            validation = self.opened.validation
            return {
                "train": self.store.embed(network, self.opened.train),
                "test": self.store.embed(network, self.opened.test),
                "validation": None if validation is None else self.store.embed(network, validation),
                "metric": self.wanted.metric,
                "protocol": self.protocol,
            }

        works: dict[str, Callable[[], TransferScore]] = {}
        if "linear" in self.protocol.modes:
            works["linear"] = lambda: linear(**parts())
        if "few_labels" in self.protocol.modes:
            for shots in self.protocol.shots:
                works[f"few_labels_{shots}"] = lambda shots=shots: few_labels(**parts(), shots=shots)
        if "finetune" in self.protocol.modes:
            works["finetune"] = lambda: self._finetune(network, self.entry.points.setdefault(of, {}))
        return works

    def _finetune(self, network: nn.Module, points: dict[str, float]) -> TransferScore:
        def note(point: str, score: float) -> None:
            points[point] = score
            self.keep()
            self.say(f"set {self.wanted.name}: {point}: {100 * score:.1f} % on validation")

        learn, validation, test, whole, classes = labelled_parts(self.opened, self.protocol)
        found = finetune_grid(
            network,
            (learn, validation, test),
            whole,
            classes,
            metric=self.wanted.metric,
            settings=self.protocol.finetune,
            known=points,
            note=note,
            device=device_of(network),
        )
        return scored(
            found.hits,
            test.y,
            mode="finetune",
            metric=self.wanted.metric,
            train=len(whole.y),
            classes=classes,
            chosen=f"rate {found.rate:g}, decay {found.decay:g}",
            protocol=self.protocol,
        )


def facts_of(opened: OpenedSet) -> LabelFacts:
    """What the labels of a set's parts allow; those of the validation part are learnt from too."""
    column = opened.train.label_column or ""
    seen = [_labels(opened.train), *([] if opened.validation is None else [_labels(opened.validation)])]
    names = (images.class_names.get(column, ()) for images in (opened.train, opened.test))
    return label_facts(torch.cat(seen), opened.test.labels.get(column), max(names, key=len))


def labelled_parts(
    opened: OpenedSet, protocol: TransferProtocol
) -> tuple[LabelledImages, LabelledImages, LabelledImages, LabelledImages, int]:
    """Images to learn from, for validation and for the test, the first two joined, and the number of classes.

    A test image of a class that is not among these has code -1 and counts as wrong.
    """
    assert opened.train.y is not None
    seen = [opened.train.y] + ([] if opened.validation is None else [_labels(opened.validation)])
    classes = torch.cat(seen).unique()

    def coded(images: ImageSet) -> LabelledImages:
        y = _labels(images)
        place = torch.searchsorted(classes, y).clamp_max(len(classes) - 1)
        return LabelledImages(images=images, y=torch.where(classes[place] == y, place, -1))

    test = coded(opened.test)
    if opened.validation is None:
        whole = coded(opened.train)
        out = validation_mask(whole.y, protocol)
        learn, kept = (coded(opened.train.select(rows.nonzero()[:, 0])) for rows in (~out, out))
        return learn, kept, test, whole, len(classes)
    learn, kept = coded(opened.train), coded(opened.validation)
    both = LabelledImages(images=Joined(learn.images, kept.images), y=torch.cat([learn.y, kept.y]))
    return learn, kept, test, both, len(classes)


def _labels(images: ImageSet) -> Int[Tensor, " n"]:
    assert images.y is not None
    return images.y.cpu()


def reason(error: Exception) -> str:
    """The first 300 characters of a fault in one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."
