"""The transfer suite: one encoder on many sets; a set that cannot be had is named, and none stops the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from contrascope.data.settings import DataSettings
from contrascope.data.transfer_sets import (
    HELD_OUT,
    TRANSFER_SETS,
    TransferSet,
    find_transfer_set,
    open_transfer_set,
)
from contrascope.encoders.twin import weights_hash
from contrascope.errors import did_you_mean
from contrascope.evaluation.published import PUBLISHED_TRANSFER, PUBLISHED_TRANSFER_SETS
from contrascope.evaluation.suites import MODES, TransferProtocol
from contrascope.evaluation.transfer import mean_of, mean_ranks
from contrascope.progress import Say
from contrascope.records.requests import RequestEntry
from contrascope.records.suites import MeanEntry, ModeEntry, SetEntry, TransferRecord
from contrascope.records.typed import as_record
from contrascope.runs.bad_images import tell_images
from contrascope.runs.feature_store import FeatureStore
from contrascope.runs.store import OpenRecord, Request, begin_record, refuse
from contrascope.settings import differences, to_json
from contrascope.subjects.encoder import TRAINED, networks_for_any_images
from contrascope.subjects.open import open_subject
from contrascope.suites.transfer_set import REASON, Job, facts_of, reason, some_of

RECORD = TransferRecord.FILE
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
    not available; what was not available is tried again by the next call. More sets, modes or references add to the
    record. Raises `InputError` where it is of another protocol or encoder, and at the end where a set's images are
    others than those that were measured: its rows stay as they are.
    """
    wanted = {text: find_transfer_set(text) for text in (sets or TRANSFER_SETS)}
    subject = open_subject(thing, size=protocol.size)
    networks = networks_for_any_images(subject, references=protocol.references, device=device)
    marks = {"protocol": protocol.hash, "encoder": weights_hash(networks[TRAINED])}
    fresh = as_record(TransferRecord, {**marks, "settings": to_json(protocol), "sets": {}})
    with begin_record(out, _request(fresh), fresh, older=_older) as record:
        record.content = _with_asked(record.content, wanted, protocol)
        measuring = Measuring(
            wanted=wanted,
            record=record,
            networks=networks,
            side=protocol.size or subject.origin.side,
            protocol=protocol,
            store=store,
            say=say,
        )
        others = [line for text in wanted for line in measuring.set(text, data)]
        refuse(
            others,
            f"{out} holds what was measured on other images",
            "Measure these in another --out; what is there stays as it is.",
        )
    return record.content


def _request(record: TransferRecord) -> Request:
    return Request(
        work="suite transfer",
        settings={"hash": record.protocol, "transfer": record.settings},
        of={"encoder": record.encoder},
        free=("settings.transfer.modes", "settings.transfer.references"),
    )


def _older(record: TransferRecord) -> RequestEntry:
    """The request of a record of version 0.1."""
    settings = {"hash": record.protocol, "transfer": record.settings}
    return RequestEntry(work="", of={"encoder": record.encoder}, settings=settings)


def _with_asked(
    record: TransferRecord, wanted: Mapping[str, TransferSet], protocol: TransferProtocol
) -> TransferRecord:
    """The record with what this call asks for beyond the earlier ones."""
    both = {*record.settings.get("modes", ()), *protocol.modes}
    modes = [mode for mode in MODES if mode in both]
    references = record.settings.get("references", False) or protocol.references
    for text, one in wanted.items():
        entry = record.sets.setdefault(text, SetEntry(name=one.name, source=one.source))
        if not entry.rows:
            entry.not_available.clear()
            entry.not_available["set"] = UNREACHED
    settings = {**record.settings, "modes": modes, "references": references}
    return replace(record, asked=tuple(wanted), settings=settings)


@dataclass(frozen=True, kw_only=True)
class Measuring:
    """One call of the suite."""

    wanted: dict[str, TransferSet]
    """The sets that are asked for, as they were named."""
    record: OpenRecord[TransferRecord]
    """What is found; filled in place."""
    networks: dict[str, nn.Module]
    """What is measured, by its name in tables."""
    side: int | None
    """Side of the images in px."""
    protocol: TransferProtocol
    """How."""
    store: FeatureStore
    """Where features are kept."""
    say: Say
    """Tells how far it is."""

    def keep(self) -> None:
        """Writes the record."""
        content = self.record.content
        content.summary.clear()
        content.summary.update(summary({text: content.sets[text] for text in self.wanted}))
        self.record.keep()

    def set(self, text: str, data: DataSettings) -> list[str]:
        """Every number of one set that the record lacks; returns how its images differ from those that it has."""
        one, entry = self.wanted[text], self.record.content.sets[text]
        self.say(f"set {one.name}")
        entry.not_available.clear()
        changed: list[str] = []
        try:
            opened = open_transfer_set(one, data if data.size else replace(data, size=self.side))
            tell_images(opened.train, self.say)
            if opened.split != HELD_OUT:
                tell_images(opened.test, self.say)
            opened = some_of(opened, self.protocol)
            prints = (opened.train.fingerprint, opened.test.fingerprint)
            measured = entry.data if entry.data and (entry.rows or entry.points) else prints
            changed = differences({"data": list(measured)}, {"data": list(prints)}, path=text)
            if not changed:
                facts = {"metric": one.metric, "split": opened.split, "note": facts_of(opened).note}
                entry = replace(entry, data=prints, **facts)
                self.record.content.sets[text] = entry
                Job(
                    wanted=one,
                    opened=opened,
                    entry=entry,
                    protocol=self.protocol,
                    store=self.store,
                    keep=self.keep,
                    say=self.say,
                ).run(self.networks)
        except Exception as error:  # whatever breaks one set, files or network, is that set's alone
            entry.not_available["set"] = why = reason(error) + _near(one.source)
            self.say(f"set {one.name}: {REASON}: {why}")
        self.keep()
        return changed


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
        found[mode] = ModeEntry(
            networks=networks,
            published=dict(PUBLISHED_TRANSFER.get(mode, {})),
            published_sets=_published(mode, [entry.name for entry in sets.values()]),
        )
    return found


def _published(mode: str, names: Sequence[str]) -> dict[str, dict[str, float | None]]:
    """What is published of the sets with these names, by method; empty where of none."""
    rows = {
        method: {name: values[name] for name in names if name in values}
        for method, values in PUBLISHED_TRANSFER_SETS.get(mode, {}).items()
    }
    return {method: dict(values) for method, values in rows.items() if values}


def _near(source: str) -> str:
    """A hint where a set's name is almost one of the nine."""
    hint = did_you_mean(source, TRANSFER_SETS)
    return f" {hint}" if hint.startswith("Did you mean") and source not in TRANSFER_SETS else ""
