"""The transfer suite: one encoder on many sets; a set that cannot be had is named, and none stops the others."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from contrascope.data.settings import DataSettings
from contrascope.data.transfer_sets import (
    TRANSFER_SETS,
    TransferSet,
    find_transfer_set,
    open_transfer_set,
)
from contrascope.errors import did_you_mean
from contrascope.evaluation.published import PUBLISHED_TRANSFER
from contrascope.evaluation.suites import MODES, TransferProtocol
from contrascope.evaluation.transfer import mean_of, mean_ranks
from contrascope.runs.feature_store import FeatureStore, weights_hash
from contrascope.runs.store import OpenRecord, Recorded, Request, begin_record, refuse
from contrascope.settings import differences, to_json
from contrascope.subjects.encoder import Say, Subject, open_subject
from contrascope.suites.transfer_set import REASON, Job, reason, some_of

RECORD = "evaluation-transfer.json"
UNREACHED = "the suite has not come to it yet"
"""The reason of a set that a stopped suite did not reach: it counts as missing in every mean."""


def transfer_suite(
    name: str,
    sets: Sequence[str],
    data: DataSettings,
    protocol: TransferProtocol,
    *,
    out: Path | None,
    store: FeatureStore,
    say: Say,
) -> dict[str, Any]:
    """The record of the suite, written to `out` after each number; a stopped suite goes on behind the last one.

    Sets of earlier calls stay in the record; `asked` names those of this call, and the summary is of them.
    `sets` are names or `SOURCE@COLUMN@METRIC` (none: the nine). Each set has its rows, or the reason why it is
    not available; what was not available is tried again by the next call. More sets, modes or references add to the
    record. Raises `InputError` where it is of another protocol or encoder, and at the end where a set's images are
    others than those that were measured: its rows stay as they are.
    """
    wanted = {text: find_transfer_set(text) for text in (sets or TRANSFER_SETS)}
    subject = open_subject(name, size=protocol.size)
    marks = {"protocol": protocol.hash, "encoder": weights_hash(subject.encoder)}
    request = Request(
        kind="suite transfer",
        settings={"hash": marks["protocol"], "transfer": to_json(protocol)},
        of={"encoder": marks["encoder"]},
        free=("settings.transfer.modes", "settings.transfer.references"),
    )
    fresh = {"suite": "transfer", **marks, "settings": to_json(protocol), "sets": {}}
    fresh |= {"asked": list(wanted), "summary": {}}
    with begin_record(out, request, fresh, older=_older) as record:
        _enter(record.content, wanted, protocol)
        measuring = Measuring(
            wanted=wanted, record=record, subject=subject, protocol=protocol, store=store, say=say
        )
        others = [line for text in wanted for line in measuring.set(text, data)]
        refuse(
            others,
            f"{out} holds what was measured on other images",
            "Measure these in another --out; what is there stays as it is.",
        )
    return record.content


def _older(record: dict[str, Any]) -> Recorded:
    """The request of a record of version 0.1."""
    settings = {"hash": record["protocol"], "transfer": record["settings"]}
    return {"of": {"encoder": record["encoder"]}, "settings": settings}


def _enter(record: dict[str, Any], wanted: dict[str, TransferSet], protocol: TransferProtocol) -> None:
    """Notes in the record what this call asks for beyond the earlier ones."""
    settings = record["settings"]
    both = {*settings["modes"], *protocol.modes}
    settings["modes"] = [mode for mode in MODES if mode in both]
    settings["references"] = settings["references"] or protocol.references
    record["asked"] = list(wanted)
    for text, one in wanted.items():
        new = {"name": one.name, "source": one.source, "rows": [], "points": {}, REASON: {}}
        entry = record["sets"].setdefault(text, new)
        if not entry["rows"]:
            entry[REASON] = {"set": UNREACHED}


@dataclass(frozen=True, kw_only=True)
class Measuring:
    """One call of the suite."""

    wanted: dict[str, TransferSet]
    """The sets that are asked for, as they were named."""
    record: OpenRecord
    """What is found; filled in place."""
    subject: Subject
    """What is measured."""
    protocol: TransferProtocol
    """How."""
    store: FeatureStore
    """Where features are kept."""
    say: Say
    """Tells how far it is."""

    def keep(self) -> None:
        """Writes the record."""
        sets = self.record.content["sets"]
        self.record.content["summary"] = summary({text: sets[text] for text in self.wanted})
        self.record.keep()

    def set(self, text: str, data: DataSettings) -> list[str]:
        """Every number of one set that the record lacks; returns how its images differ from those that it has."""
        one, entry = self.wanted[text], self.record.content["sets"][text]
        self.say(f"set {one.name}")
        entry[REASON] = {}
        changed: list[str] = []
        try:
            opened = open_transfer_set(one, data if data.size else replace(data, size=self.subject.side))
            opened = some_of(opened, self.protocol)
            prints = [opened.train.fingerprint, opened.test.fingerprint]
            measured = entry.get("data", prints) if entry["rows"] or entry["points"] else prints
            changed = differences({"data": measured}, {"data": prints}, path=text)
            if not changed:
                entry |= {"data": prints, "metric": one.metric, "split": opened.split}
                Job(
                    wanted=one,
                    opened=opened,
                    entry=entry,
                    protocol=self.protocol,
                    store=self.store,
                    keep=self.keep,
                    say=self.say,
                ).run(self.subject)
        except Exception as error:  # whatever breaks one set, files or network, is that set's alone
            entry[REASON]["set"] = why = reason(error) + _near(one.source)
            self.say(f"set {one.name}: {REASON}: {why}")
        self.keep()
        return changed


def summary(sets: dict[str, Any]) -> dict[str, Any]:
    """For each mode and representation the mean over the sets, named after what it is of, and the mean rank.

    >>> summary({"pets": {"rows": [{"of": "a", "mode": "linear", "value": 0.5}]}, "cars": {"rows": []}})["linear"]["a"]
    {'mean': 0.5, 'mean_is': 'mean of the 1 available of 2', 'rank': 1.0}
    """
    found: dict[str, Any] = {}
    rows = [{**row, "set": name} for name, entry in sets.items() for row in entry["rows"]]
    for mode in dict.fromkeys(row["mode"] for row in rows):
        of_mode = [row for row in rows if row["mode"] == mode]
        scores = {
            of: {
                name: next((r["value"] for r in of_mode if r["of"] == of and r["set"] == name), None)
                for name in sets
            }
            for of in dict.fromkeys(row["of"] for row in of_mode)
        }
        ranks = mean_ranks(scores)
        found[mode] = {}
        for of, values in scores.items():
            mean, named = mean_of(list(values.values()))
            found[mode][of] = {"mean": mean, "mean_is": named, "rank": ranks[of]}
        if mode in PUBLISHED_TRANSFER:
            found[mode]["published"] = PUBLISHED_TRANSFER[mode]
    return found


def _near(source: str) -> str:
    """A hint where a set's name is almost one of the nine."""
    hint = did_you_mean(source, TRANSFER_SETS)
    return f" {hint}" if hint.startswith("Did you mean") and source not in TRANSFER_SETS else ""
