"""The robustness suite: six fixed copies of the data and corruptions, beside random weights and raw pixels."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from contrascope import records
from contrascope.augment.corrupt import Corruption
from contrascope.augment.policy import Policy
from contrascope.data.imageset import ImageSet
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError
from contrascope.evaluation.augmented import Fit, Move, fit_copy, original_probe, own_probe
from contrascope.evaluation.protocol import Protocol
from contrascope.evaluation.published import AUGMENTED_COPIES, PUBLISHED_AUGMENTED
from contrascope.evaluation.suites import COPIES, AugmentedSettings
from contrascope.experiments.assess import evaluation_sets, some_images
from contrascope.experiments.suite_encoder import Say, Subject, continued, open_subject, weights_hash
from contrascope.features.embed import embed
from contrascope.features.features import Features
from contrascope.settings import to_json
from contrascope.theory.alignment import augmentation_robust, unit_views

RECORD = "evaluation-augmented.json"
_TRAIN, _TEST = 0, 1
"""Epochs of the keyed draws, so that train and test images of one id are changed in different ways."""


def augmented_suite(
    name: str,
    data: DataSettings,
    settings: AugmentedSettings,
    *,
    protocol: Protocol,
    out: Path | None,
    say: Say,
) -> dict[str, Any]:
    """The record of the suite, written to `out` after each representation; what is there already is kept.

    Rows are `Move`s with the name of their representation (`of`): six copies with their own probe, and with
    the original's probe the five other copies and every corruption at every severity.
    """
    subject = open_subject(name, size=data.size)
    if subject.folder is not None and data.size is None:
        data = replace(data, size=subject.side)
    train, test, split = evaluation_sets(data, protocol)
    if train.y is None:
        raise InputError(f"{data.source!r} has no labels; a probe needs some. Set data.labels.")
    if settings.train_images is not None:
        train = some_images(train, settings.train_images, seed=settings.seed)
    marks = {
        "suite": "augmented",
        "protocol": settings.hash(protocol),
        "encoder": weights_hash(subject.encoder),
        "data": [train.fingerprint, test.fingerprint],
    }
    facts = {"source": data.source, "split": split, "train_images": len(train), "settings": to_json(settings)}
    empty = {"rows": [], "robustness": [], "published": _published()}
    record = continued(out, marks) or {**marks, **facts, **empty}
    done = {row["of"] for row in record["robustness"]}
    for of, network in _representations(subject, settings).items():
        if of in done:
            continue
        rows, robust = measure(
            network, train, test, settings, protocol=protocol, say=lambda text, of=of: say(f"{of}: {text}")
        )
        record["rows"] += [{"of": of, **asdict(row)} for row in rows]
        record["robustness"].append({"of": of, **robust})
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            records.write_json(out, record)
    return record


def _representations(subject: Subject, settings: AugmentedSettings) -> dict[str, nn.Module]:
    if not settings.references:
        return {"trained encoder": subject.encoder}
    return {**subject.networks, "raw pixels": nn.Flatten()}


def measure(
    network: nn.Module,
    train: ImageSet,
    test: ImageSet,
    settings: AugmentedSettings,
    *,
    protocol: Protocol,
    say: Say,
) -> tuple[list[Move], dict[str, float]]:
    """All rows of one representation, and L_AR over its six copies (of h, and of h at unit length)."""

    def features(images: ImageSet, policy: Policy | None, epoch: int) -> Features:
        return embed(network, None, images, policies=policy, seed=settings.seed, epoch=epoch)

    fits, rows = {}, []
    for copy, policy in COPIES.items():
        say(f"copy {copy}")
        fits[copy] = fit_copy(copy, features(train, policy, _TRAIN), features(test, policy, _TEST), protocol)
        rows.append(own_probe(fits["original"], fits[copy], protocol))
    original: Fit = fits["original"]
    rows += [original_probe(original, fits[copy], protocol) for copy in COPIES if copy != "original"]
    for corruption in settings.corruptions:
        say(f"corruption {corruption}")
        for severity in settings.severities:
            policy = Policy(ops=(Corruption(name=corruption, severity=severity),), name=corruption)
            h = features(test, policy, _TEST).h[0]
            corrupted = replace(original, name=corruption, h=h)
            rows.append(original_probe(original, corrupted, protocol, severity=severity))
    views = torch.stack([fit.h for fit in fits.values()])
    robust = {
        "l_ar": augmentation_robust(views).value,
        "l_ar_unit": augmentation_robust(unit_views(views)).value,
    }
    return rows, robust


def _published() -> list[dict[str, Any]]:
    return [
        {"data": data, "of": of, "batch": batch, "accuracy": dict(zip(AUGMENTED_COPIES, values, strict=True))}
        for data, of, batch, values in PUBLISHED_AUGMENTED
    ]
