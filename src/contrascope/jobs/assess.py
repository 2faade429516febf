"""A trained encoder beside a random one and raw pixels, under one protocol."""

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from contrascope.data.imageset import ImageSet
from contrascope.data.labels import numbered_as
from contrascope.data.open import open_images
from contrascope.data.sampling import PROBE_IMAGES, held_out, some_images
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError, MissingSplitError
from contrascope.evaluation.evaluate import compare, undefined
from contrascope.evaluation.knn import KNNClassifier
from contrascope.evaluation.labels import LabelFacts, label_facts
from contrascope.evaluation.protocol import Protocol
from contrascope.evaluation.scores import table
from contrascope.features.embed import embed, raw_pixels
from contrascope.features.features import Features
from contrascope.methods.base import Method
from contrascope.precision import single_precision
from contrascope.progress import Passes, Progress, Say, silent, unheard
from contrascope.records.lookup import not_defined
from contrascope.runs.bad_images import tell_images
from contrascope.runs.load import Run
from contrascope.subjects.open import open_subject
from contrascope.subjects.subject import Subject
from contrascope.training.probe import Finding, Probe

STAND_INS = ("validation", "valid", "val")
HELD_OUT = "held-out"
"""Name of a test split that is a part of the training images."""
PIXELS = "raw pixels"
"""The representation that no network made."""


Rows = list[dict[str, Any]]


@single_precision()
def assess(
    encoder: nn.Module,
    projector: nn.Module | None,
    data: DataSettings | ImageSet,
    protocol: Protocol,
    *,
    random_encoder: nn.Module | None = None,
    device: torch.device | str = "cpu",
    progress: Progress = silent,
    probing: Progress = silent,
    say: Say = unheard,
) -> Rows:
    """The table of scores: one row a representation and probe; `progress` counts images, `probing` probes.

    `say` is told how the images were read.

    Learns from `protocol.train_split`, tests on `protocol.test_split`; where the data has no such split, its
    validation split stands in, or else a fifth of the training images that the probes' labels never come from
    (the encoder has seen them, unlabelled). The rows name the split that was used. A score that the labels do not
    allow says so in its row; where they allow none, nothing is embedded.
    """
    train, test, split = evaluation_sets(data, protocol)
    tell_sets(train, test, split, say)
    if train.y is None:
        source = repr(data.source) if isinstance(data, DataSettings) else data.name
        raise InputError(f"{source} has no labels; kNN, linear and nearest-centre scores need some.")
    protocol = fitted_protocol(protocol, num_train=len(train), test_split=split)
    facts = facts_of(train, test)
    networks: dict[str, tuple[nn.Module, nn.Module | None]] = {"trained encoder": (encoder, projector)}
    if random_encoder is not None:
        networks["random encoder"] = (random_encoder, None)
    nothing = undefined(facts, protocol, images=len(test))
    if nothing is not None:
        return [{**row, "split": split} for row in table(dict.fromkeys([*networks, PIXELS], nothing))]
    passes = Passes(progress, total=len(networks) * (len(train) + len(test)))

    def embedded(networks: tuple[nn.Module, nn.Module | None], images: ImageSet) -> Features:
        return embed(*networks, images, device=device, progress=passes.next(len(images)))

    pairs = {name: (embedded(both, train), embedded(both, test)) for name, both in networks.items()}
    pairs[PIXELS] = (raw_pixels(train), raw_pixels(test))
    rows = compare(pairs, protocol, class_names=facts.names, progress=probing)
    return [{**row, "split": split} for row in rows]


def assess_subject(
    subject: Subject,
    protocol: Protocol,
    *,
    device: torch.device | str | None = None,
    progress: Progress = silent,
    probing: Progress = silent,
    say: Say = unheard,
) -> Rows:
    """Scores of a subject's encoder on its images, beside its random twin where there is one, and raw pixels."""
    networks, twin = subject.trained, subject.twin
    images = subject.images if subject.source is None else subject.source  # the former says what is missing
    return assess(
        networks.encoder,
        networks.projector if protocol.features == "z" else None,
        images,
        protocol,
        random_encoder=None if twin is None else twin.encoder,
        device=subject.device(device),
        progress=progress,
        probing=probing,
        say=say,
    )


def assess_run(
    run: Run,
    data: DataSettings | ImageSet,
    protocol: Protocol,
    *,
    device: torch.device | str = "cpu",
    progress: Progress = silent,
    probing: Progress = silent,
) -> Rows:
    """Scores of a run's encoder on any data, beside a random encoder of the same architecture and raw pixels."""
    return assess_subject(
        open_subject(run, data=data), protocol, device=device, progress=progress, probing=probing
    )


def evaluation_sets(
    data: DataSettings | ImageSet, protocol: Protocol, *, train: ImageSet | None = None
) -> tuple[ImageSet, ImageSet, str]:
    """Images that probes learn from, images that they are tested on, and the name of the latter split.

    A set in memory has no splits: a fifth of it is held out. `train`: the training images where they are open already.
    The test images' classes are numbered as those of the training images are.
    """
    if isinstance(data, ImageSet):
        learn, kept = held_out(len(data), seed=protocol.seed)
        return data.select(learn), data.select(kept), HELD_OUT
    train = open_images(replace(data, split=protocol.train_split)) if train is None else train
    for split in (protocol.test_split, *STAND_INS):
        try:
            return train, numbered_as(train, open_images(replace(data, split=split))), split
        except MissingSplitError:
            continue
    learn, kept = held_out(len(train), seed=protocol.seed)
    return train.select(learn), train.select(kept), HELD_OUT


def tell_sets(train: ImageSet, test: ImageSet, split: str, say: Say) -> None:
    """Says how both sets were read and what was skipped; of a held-out part it is said once."""
    for images in (train,) if split == HELD_OUT else (train, test):
        tell_images(images, say)


def facts_of(train: ImageSet, test: ImageSet) -> LabelFacts:
    """What the primary labels of the training images allow on both sides; raises `InputError` where there are none."""
    column = train.label_column
    if column is None:
        raise InputError(f"{train.name} has no labels; a score needs some.")
    names = [images.class_names.get(column, ()) for images in (train, test)]
    return label_facts(train.labels[column], test.labels.get(column), max(names, key=len))


def foreseen(data: DataSettings | ImageSet, protocol: Protocol, *, images: ImageSet) -> list[str]:
    """What can be said of a run's scores before it is trained, from the labels alone; nothing where all is well.

    `images` are the open training images, unlabelled ones promise no scores.
    """
    if images.y is None:
        return []
    opened = isinstance(data, DataSettings) and data.split == protocol.train_split
    try:
        train, test, split = evaluation_sets(data, protocol, train=images if opened else None)
        facts = facts_of(train, test)
    except InputError as error:
        return [f"scores after training cannot be measured as things are: {error}"]
    said = [*not_defined(facts.reasons(protocol)), facts.note]
    return [f"scores after training, {split} images: {one}" for one in said if one]


def fitted_protocol(protocol: Protocol, *, num_train: int, test_split: str) -> Protocol:
    """The protocol with the split that was really used, and k no larger than the data allows."""
    k = min(protocol.k, max(1, num_train // 2))
    return replace(protocol, k=k, test_split=test_split)


def knn_probe(images: ImageSet, protocol: Protocol, *, every: int, device: torch.device) -> Probe | None:
    """KNN accuracy on a held-out part of the training images (never on the test split), each `every` epochs.

    None without labels, where these allow no accuracy, or where `every` is 0.
    """
    if images.y is None or every <= 0:
        return None
    some = some_images(images, PROBE_IMAGES, seed=protocol.seed)
    learn, kept = held_out(len(some), seed=protocol.seed)
    if some.y is None or label_facts(some.y[learn], some.y[kept]).why_not("knn"):
        return None
    knn = KNNClassifier(k=min(protocol.k, max(1, len(learn) // 2)), temperature=protocol.temperature)

    def probe(method: Method, finished: int) -> Finding | None:
        if finished % every:
            return None
        features = embed(method.encoder, None, some, device=device)
        return Finding(row={"knn_held_out": _accuracy(knn, features, learn, kept)})

    return probe


def _accuracy(
    knn: KNNClassifier, features: Features, learn: Int[Tensor, " learn"], kept: Int[Tensor, " kept"]
) -> float:
    h, y = features.h[0], features.labels()
    return float(knn.fit(h[learn], y[learn]).score(h[kept], y[kept]))
