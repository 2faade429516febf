"""The suites of robustness and transfer as measurements: copies of both CIFAR sets, and other sets."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from contrascope.data.settings import DataSettings
from contrascope.evaluation.protocol import Protocol
from contrascope.evaluation.suites import AugmentedSettings, FinetuneSettings, TransferProtocol
from contrascope.papers.measures.measured_run import MeasuredRun, MeasureFound, RunMeasure
from contrascope.records.suites import TransferRecord
from contrascope.settings import to_json
from contrascope.suites.copies import robustness_of
from contrascope.suites.run import evaluate_suite
from contrascope.suites.transfer import RECORD

COPIES = {
    False: (AugmentedSettings(train_images=10_000), Protocol(probe_grid=(1e-4, 1e-3, 1e-2, 1e-1, 1.0))),
    True: (AugmentedSettings(), Protocol()),
}
"""Whole or not to settings and protocol of the probes on copies."""
TRANSFER = {
    False: TransferProtocol(
        modes=("linear", "finetune"),
        size=32,
        train_images=4_000,
        test_images=4_000,
        references=False,
        penalties=12,
        finetune=FinetuneSettings(steps=300, rates=(1e-2,), decays=(0.0,)),
    ),
    True: TransferProtocol(modes=("linear", "finetune"), references=False),
}
"""Whole or not to the protocol on other sets: Ericsson et al. 2021, or a small part of it."""


def copies(whole: bool) -> Callable[[MeasuredRun], MeasureFound]:
    """Accuracy of a linear probe on each of six copies of both sets, in percent; the encoder saw CIFAR-10 alone."""
    settings, protocol = COPIES[whole]

    def make(one: MeasuredRun) -> MeasureFound:
        values: dict[str, float] = {}
        for name, source in (("cifar10", one.sources.cifar10), ("cifar100", one.sources.cifar100)):
            out = one.folder / f"copies-{name}"
            chosen = replace(settings, train_images=None) if one.sources.dry else settings
            asked = replace(one.run.settings.data, labels=None) if one.sources.dry else source
            found = robustness_of(one.folder, chosen, source=asked, protocol=protocol, out=out)
            values |= {f"{name} {copy}": 100 * row.accuracy for copy, row in found.copies.items()}
            values[f"{name} L_AR"] = found.l_ar_unit
        return MeasureFound(values=values)

    return make


def transfer(whole: bool) -> Callable[[MeasuredRun], MeasureFound]:
    """Linear and fine-tuning score on every set at hand, in percent of its own measure, and their means."""
    protocol = TRANSFER[whole]

    def make(one: MeasuredRun) -> MeasureFound:
        chosen = protocol
        if one.sources.dry:
            small = replace(protocol.finetune, steps=1, rates=(1e-2,), decays=(0.0,), batch_size=16)
            chosen = replace(protocol, train_images=40, test_images=20, penalties=1, finetune=small)
        record = evaluate_suite(
            "transfer",
            str(one.folder),
            DataSettings(),
            sets=one.sources.transfer,
            transfer=chosen,
            out=one.folder / "transfer",
            device=one.device,
            say=one.say,
        )
        assert isinstance(record, TransferRecord)
        return MeasureFound(values=transfer_values(record))

    return make


def transfer_values(record: TransferRecord) -> dict[str, float]:
    """Scores by `MODE SET`, and of the sets that have both modes the means `MODE mean`."""
    found = {
        (row.mode, plain(entry.name)): 100 * row.value
        for entry in record.sets.values()
        for row in entry.rows
        if row.value is not None
    }
    whole = {name for _, name in found if {("linear", name), ("finetune", name)} <= set(found)}
    values = {f"{mode} {name}": value for (mode, name), value in found.items()}
    for mode in ("linear", "finetune") if whole else ():
        values[f"{mode} mean"] = sum(found[mode, name] for name in whole) / len(whole)
    return values | {"sets": float(len(whole))}


def plain(name: str) -> str:
    """The name of a set without what its folder says of side and part.

    >>> plain("caltech101-32"), plain("flowers102-part-64"), plain("cifar100-jpeg"), plain("tiny-imagenet-200")
    ('caltech101', 'flowers', 'cifar100', 'tiny-imagenet')
    """
    known = (
        "aircraft",
        "caltech101",
        "cars",
        "cifar100",
        "cifar10",
        "dtd",
        "flowers",
        "food",
        "mnist",
        "pets",
    )
    return next((one for one in (*known, "tiny-imagenet") if Path(name).name.startswith(one)), name)


def _copies(whole: bool, minutes: float) -> RunMeasure:
    settings, protocol = COPIES[whole]
    told = {"augmented": to_json(settings), "protocol": to_json(protocol), "sets": ["cifar10", "cifar100"]}
    return RunMeasure(settings=told, make=copies(whole), minutes=minutes)


COPIES_SMALL, COPIES_WHOLE = _copies(False, 6.0), _copies(True, 60.0)
TRANSFER_SMALL = RunMeasure(
    settings={"transfer": to_json(TRANSFER[False]), "record": RECORD}, make=transfer(False), minutes=12.0
)
TRANSFER_WHOLE = RunMeasure(
    settings={"transfer": to_json(TRANSFER[True]), "record": RECORD}, make=transfer(True), minutes=600.0
)
