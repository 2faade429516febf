"""The transfer suite: one encoder on many sets; a set that cannot be had is named, and none stops the others."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from contrascope import records
from contrascope.data.imageset import ImageSet
from contrascope.data.sampling import some_images
from contrascope.data.settings import DataSettings
from contrascope.data.transfer_sets import (
    TRANSFER_SETS,
    OpenedSet,
    TransferSet,
    find_transfer_set,
    open_transfer_set,
)
from contrascope.encoders.twin import weights_hash
from contrascope.errors import did_you_mean
from contrascope.evaluation.finetune import Joined, LabelledImages, finetune_grid
from contrascope.evaluation.published import PUBLISHED_TRANSFER
from contrascope.evaluation.suites import TransferProtocol
from contrascope.evaluation.transfer import (
    TransferScore,
    few_labels,
    linear,
    mean_of,
    mean_ranks,
    scored,
    validation_mask,
)
from contrascope.features.embed import device_of
from contrascope.records.suites import MeanEntry, ModeEntry, SetEntry, TransferEntry, TransferRecord
from contrascope.records.typed import as_part, as_record
from contrascope.settings import to_json
from contrascope.subjects.encoder import TRAINED, FeatureStore, Say, continued, networks_for_any_images
from contrascope.subjects.open import open_subject

RECORD = TransferRecord.FILE
REASON = "not available"
UNREACHED = "the suite has not come to it yet"
"""The reason of a set that a stopped suite did not reach: it counts as missing in every mean."""


def transfer_suite(
    thing: Any,
    sets: Sequence[str],
    data: DataSettings,
    protocol: TransferProtocol,
    *,
    out: Path | None,
    store: FeatureStore,
    say: Say,
    device: torch.device | str | None = None,
) -> TransferRecord:
    """The record of the suite, written to `out` after each number; a stopped suite goes on behind the last one.

    Sets of earlier calls stay in the record; `asked` names those of this call, and the summary is of them.
    `sets` are names or `SOURCE@COLUMN@METRIC` (none: the nine). Each set has its rows, or the reason why it is
    not available; what was not available is tried again by the next call.
    """
    wanted = {text: find_transfer_set(text) for text in (sets or TRANSFER_SETS)}
    subject = open_subject(thing, size=protocol.size)
    side = protocol.size or subject.origin.side
    networks = networks_for_any_images(subject, references=protocol.references, device=device)
    marks = {"protocol": protocol.hash, "encoder": weights_hash(networks[TRAINED])}
    record = continued(TransferRecord, out, marks)
    record = record or as_record(TransferRecord, {**marks, "settings": to_json(protocol), "sets": {}})
    record = replace(record, asked=tuple(wanted))
    for text, one in wanted.items():
        entry = record.sets.setdefault(text, SetEntry(name=one.name, source=one.source))
        if not entry.rows:
            entry.not_available["set"] = UNREACHED

    def keep() -> None:
        record.summary.clear()
        record.summary.update(summary({text: record.sets[text] for text in wanted}))
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            records.write_record(out, record)

    for text, one in wanted.items():
        say(f"set {one.name}")
        entry = record.sets[text]
        entry.not_available.clear()
        try:
            opened = open_transfer_set(one, data if data.size else replace(data, size=side))
            opened = some_of(opened, protocol)
            prints = (opened.train.fingerprint, opened.test.fingerprint)
            # other images under the same name make void what was measured
            if entry.data and entry.data != prints:
                entry = replace(entry, rows=[], points={})
            entry = replace(entry, data=prints, metric=one.metric, split=opened.split)
            record.sets[text] = entry
            job = Job(
                wanted=one, opened=opened, entry=entry, protocol=protocol, store=store, keep=keep, say=say
            )
            job.run(networks)
        except Exception as error:  # whatever breaks one set, files or network, is that set's alone
            entry.not_available["set"] = reason = _reason(error) + _near(one.source)
            say(f"set {one.name}: {REASON}: {reason}")
        keep()
    return record


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


def summary(sets: Mapping[str, SetEntry]) -> dict[str, ModeEntry]:
    """For each mode and representation the mean over the sets, named after what it is of, and the mean rank.

    >>> sets = {name: SetEntry(name=name, source=name) for name in ("pets", "cars")}
    >>> summary(sets)
    {}
    """
    found: dict[str, ModeEntry] = {}
    rows = [(name, row) for name, entry in sets.items() for row in entry.rows]
    for mode in dict.fromkeys(row.mode for _, row in rows):
        of_mode = [(name, row) for name, row in rows if row.mode == mode]
        scores = {
            of: {
                name: next((row.value for at, row in of_mode if row.of == of and at == name), None)
                for name in sets
            }
            for of in dict.fromkeys(row.of for _, row in of_mode)
        }
        ranks, networks = mean_ranks(scores), {}
        for of, values in scores.items():
            mean, named = mean_of(list(values.values()))
            networks[of] = MeanEntry(mean=mean, mean_is=named, rank=ranks[of])
        found[mode] = ModeEntry(networks=networks, published=dict(PUBLISHED_TRANSFER.get(mode, {})))
    return found


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
                    score = work()
                except ValueError as error:  # too few labels for this mode, say: the others may have enough
                    self.entry.not_available[f"{of}, {mode}"] = _reason(error)
                    self.say(f"set {self.wanted.name}: {of}, {mode}: {REASON}: {_reason(error)}")
                else:
                    self.entry.rows.append(as_part(TransferEntry, {"of": of, **asdict(score)}))
                self.keep()

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


def _near(source: str) -> str:
    """A hint where a set's name is almost one of the nine."""
    hint = did_you_mean(source, TRANSFER_SETS)
    return f" {hint}" if hint.startswith("Did you mean") and source not in TRANSFER_SETS else ""


def _reason(error: Exception) -> str:
    """The first 300 characters of a fault in one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."
