"""The robustness suite: six fixed copies of the data and corruptions, beside random weights and raw pixels."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from contrascope.augment.corrupt import Corruption
from contrascope.augment.policy import Policy
from contrascope.data.imageset import ImageSet
from contrascope.data.sampling import some_images
from contrascope.data.settings import DataSettings
from contrascope.encoders.twin import weights_hash
from contrascope.errors import InputError
from contrascope.evaluation.augmented import Fit, Move, fit_copy, original_probe, own_probe
from contrascope.evaluation.copies import COPIES
from contrascope.evaluation.protocol import Protocol
from contrascope.evaluation.published import AUGMENTED_COPIES, PUBLISHED_AUGMENTED
from contrascope.evaluation.suites import AugmentedSettings
from contrascope.features.embed import embed
from contrascope.features.features import Features
from contrascope.jobs.assess import evaluation_sets, facts_of, tell_sets
from contrascope.progress import Say
from contrascope.records.requests import RequestEntry
from contrascope.records.suites import AugmentedRecord
from contrascope.records.typed import as_record
from contrascope.runs.store import Request, begin_record
from contrascope.settings import to_json
from contrascope.subjects.encoder import TRAINED, networks_for_any_images
from contrascope.subjects.subject import Subject
from contrascope.suites.parts import Parts, forget_parts
from contrascope.theory.factors.alignment import augmentation_robust, unit_views

RECORD = AugmentedRecord.FILE
_TRAIN, _TEST = 0, 1
"""Places of the two sets, and epochs of the keyed draws: train and test images of one id are changed differently."""


def augmented_suite(
    subject: Subject,
    settings: AugmentedSettings,
    *,
    protocol: Protocol,
    out: Path | None,
    say: Say,
    device: torch.device | str | None = None,
) -> AugmentedRecord:
    """The record of the suite, written to `out` after each row; what is there already is kept.

    Raises `InputError` where `out` holds the record of another request: other settings, encoder or images.

    Rows are `Move`s with the name of their representation (`of`): six copies with their own probe, and with
    the original's probe the five other copies and every corruption at every severity.
    """
    images = subject.source
    if isinstance(images, DataSettings) and images.size is None and subject.folder is not None:
        images = replace(images, size=subject.origin.side)
    images = subject.images if images is None else images  # the former says what is missing
    networks = networks_for_any_images(subject, references=settings.references, device=device)
    train, test, split = evaluation_sets(images, protocol)
    tell_sets(train, test, split, say)
    source = images.source if isinstance(images, DataSettings) else images.name
    if train.y is None:
        raise InputError(f"{source!r} has no labels; a probe needs some. Set data.labels.")
    if settings.train_images is not None:
        train = some_images(train, settings.train_images, seed=settings.seed)
    test, note = _of_known_classes(train, test, protocol)
    if note:
        say(note)
    prints, encoder = (train.fingerprint, test.fingerprint), weights_hash(networks[TRAINED])
    marks = {"protocol": settings.hash(protocol), "encoder": encoder, "data": prints}
    facts = {"source": source, "split": split, "train_images": len(train), "settings": to_json(settings)}
    facts |= {"note": note}
    fresh = as_record(AugmentedRecord, {**marks, **facts, "published": _published()})
    with begin_record(out, _request(fresh, protocol), fresh, older=_older) as record:
        if not record.content.rows:
            forget_parts(out)
        for of, network in _representations(networks, settings).items():
            parts = Parts(of=of, record=record)
            if not parts.finished:
                measure(network, (train, test), settings, protocol=protocol, parts=parts, say=say)
        forget_parts(out)
    return record.content


def _of_known_classes(train: ImageSet, test: ImageSet, protocol: Protocol) -> tuple[ImageSet, str]:
    """The test images whose class a probe has learnt, for the cross-entropy of others is infinite, and a word on these.

    Raises `InputError` where the labels allow no probe, before anything is embedded.
    """
    facts = facts_of(train, test)
    why = facts.why_not("linear", held_out=protocol.probe_held_out if len(protocol.probe_grid) > 1 else None)
    if why:
        raise InputError(f"robustness is not defined with these labels: {why}.")
    if not facts.unknown:
        return test, facts.note
    left, y = torch.tensor(sorted(facts.unknown)), test.labels[train.label_column or ""].cpu()
    kept = (~torch.isin(y, left)).nonzero()[:, 0]
    gone = f"{len(y) - len(kept)} of {len(y)} test images are left out: training lacks {facts.listed(facts.unknown)}."
    return test.select(kept), " ".join([gone, *facts.twins()])


def _request(record: AugmentedRecord, protocol: Protocol) -> Request:
    told = {"hash": record.protocol, "augmented": record.settings, "protocol": to_json(protocol)}
    return Request(work="suite augmented", settings=told, of={"encoder": record.encoder, "data": record.data})


def _older(record: AugmentedRecord) -> RequestEntry:
    """The request of a record of version 0.1, which does not say the protocol of its probes but for the hash."""
    of = {"encoder": record.encoder, "data": list(record.data)}
    return RequestEntry(work="", of=of, settings={"hash": record.protocol, "augmented": record.settings})


def _representations(networks: dict[str, nn.Module], settings: AugmentedSettings) -> dict[str, nn.Module]:
    return networks | ({"raw pixels": nn.Flatten()} if settings.references else {})


def measure(
    network: nn.Module,
    images: tuple[ImageSet, ImageSet],
    settings: AugmentedSettings,
    *,
    protocol: Protocol,
    parts: Parts,
    say: Say,
) -> None:
    """All rows of one representation and its L_AR over the six copies (of h, and of h at unit length), into `parts`."""

    def features(epoch: int, policy: Policy | None) -> Features:
        return embed(network, None, images[epoch], policies=policy, seed=settings.seed, epoch=epoch)

    def fit(copy: str, policy: Policy | None) -> Fit:
        say(f"{parts.of}: copy {copy}")
        return fit_copy(copy, features(_TRAIN, policy), features(_TEST, policy), protocol)

    fits: dict[str, Fit] = {}
    for copy, policy in COPIES.items():
        one = fits[copy] = parts.fit(copy, partial(fit, copy, policy))
        original = fits["original"]
        parts.row(copy, None, "own", partial(own_probe, original, one, protocol))
        if copy != "original":
            parts.row(copy, None, "original", partial(original_probe, original, one, protocol))

    def corrupted(name: str, severity: int) -> Move:
        say(f"{parts.of}: corruption {name}, severity {severity}")
        policy = Policy(ops=(Corruption(name=name, severity=severity),), name=name)
        moved = replace(fits["original"], name=name, h=features(_TEST, policy).h[0])
        return original_probe(fits["original"], moved, protocol, severity=severity)

    for name in settings.corruptions:
        for severity in settings.severities:
            parts.row(name, severity, "original", partial(corrupted, name, severity))
    views = torch.stack([one.h for one in fits.values()])
    worst, worst_unit = (augmentation_robust(rows).value for rows in (views, unit_views(views)))
    parts.finish({"l_ar": worst, "l_ar_unit": worst_unit})


def _published() -> list[dict[str, Any]]:
    return [
        {"data": data, "of": of, "batch": batch, "accuracy": dict(zip(AUGMENTED_COPIES, values, strict=True))}
        for data, of, batch, values in PUBLISHED_AUGMENTED
    ]
