"""All probes of a protocol on features, and the same beside its references."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.errors import InputError
from contrascope.evaluation.centres import NearestCentre, few_label_hits
from contrascope.evaluation.knn import KNNClassifier
from contrascope.evaluation.labels import LabelFacts, label_facts
from contrascope.evaluation.probe import LinearProbe
from contrascope.evaluation.protocol import Protocol
from contrascope.evaluation.scores import Score, table
from contrascope.features.features import Features
from contrascope.intervals import share_interval
from contrascope.linalg import unit_rows
from contrascope.progress import Passes, Progress, silent


def evaluate(
    train: Features,
    test: Features,
    protocol: Protocol,
    *,
    label: str | None = None,
    class_names: Sequence[str] = (),
    progress: Progress = silent,
) -> list[Score]:
    """Scores of every probe of the protocol: learnt on all views of `train`, averaged over those of `test`.

    `label` names a label column; the primary one of `train` if not named. `progress` counts probes. A score that the
    labels do not allow has no value and says why in `not_defined`; a test image of a class that `train` lacks counts as
    wrong, and every score's `note` names these classes, by `class_names` where codes have names.

    >>> parts = [Features(h=torch.eye(2)[None], y={"label": torch.arange(2)}, ids=torch.arange(2))] * 2
    >>> [score.value for score in evaluate(*parts, Protocol(k=1, probes=("knn", "nearest_centre")))]
    [1.0, 1.0]
    """
    label = train.primary if label is None else label
    train_rows, test_rows = train.output(protocol.features), test.output(protocol.features)
    if train_rows.shape[2] != test_rows.shape[2]:
        raise InputError(
            f"train features have {train_rows.shape[2]} dimensions and test features {test_rows.shape[2]}; "
            "both come from one encoder."
        )
    train_y, test_y = train.labels(label), test.y.get(label)
    facts = label_facts(train_y, test_y, class_names)
    reasons, scores = facts.reasons(protocol), list[Score]()
    for done, (name, why) in enumerate(reasons.items(), start=1):
        if why or test_y is None:
            scores.append(_undefined(name, protocol, why, images=len(test)))
        elif name.startswith("few_labels_"):
            shots = int(name.removeprefix("few_labels_"))
            scores.append(_few(train_rows, train_y, test_rows, test_y, protocol, shots))
        else:
            scores.append(_full(name, train_rows, train_y, test_rows, test_y, protocol))
        progress(done, len(reasons))
    return [replace(score, note=facts.note) for score in scores]


def undefined(facts: LabelFacts, protocol: Protocol, *, images: int) -> list[Score] | None:
    """The scores of a protocol where the labels allow none of them, without looking at any feature; None: some do.

    >>> facts = label_facts(torch.zeros(9).long(), torch.zeros(3).long(), ("cat",))
    >>> [score.not_defined for score in undefined(facts, Protocol(probes=("knn",)), images=3) or []]
    ["needs two classes; the training images are all of class 'cat'"]
    """
    reasons = facts.reasons(protocol)
    if not all(reasons.values()):
        return None
    return [_undefined(name, protocol, why, images=images) for name, why in reasons.items()]


def compare(
    pairs: Mapping[str, tuple[Features, Features]],
    protocol: Protocol,
    *,
    label: str | None = None,
    class_names: Sequence[str] = (),
    progress: Progress = silent,
) -> list[dict[str, str | float | int | None]]:
    """The table of several named (train, test) features under one protocol: an encoder beside its references.

    Put a random encoder of the same architecture (`encoders.random_twin`) and `features.raw_pixels` in.
    Where the protocol asks for z and a pair has none, h is measured, and the row says so: its `output`
    is h and its protocol hash is that of the protocol on h. What the labels do not allow is in the rows, and a
    `LabelWarning` says it.
    """
    if not pairs:
        raise InputError("nothing to compare. Give {'encoder': (train, test), 'raw pixels': (train, test)}.")
    each = len(protocol.probes) + ("few_labels" in protocol.probes) * (len(protocol.shots) - 1)
    scores, passes = {}, Passes(progress, total=len(pairs) * each)
    for name, (train, test) in pairs.items():
        no_z = train.z is None or test.z is None
        asked = replace(protocol, features="h") if no_z else protocol
        scores[name] = evaluate(
            train, test, asked, label=label, class_names=class_names, progress=passes.next(each)
        )
    return table(scores)


def _full(
    probe: str, train: Tensor, train_y: Tensor, test: Tensor, test_y: Tensor, protocol: Protocol
) -> Score:
    if probe == "knn":
        estimator = KNNClassifier(k=protocol.k, temperature=protocol.temperature)
    elif probe == "nearest_centre":
        estimator = NearestCentre(normalise=protocol.normalisation == "unit")
    else:
        estimator = LinearProbe(
            grid=protocol.probe_grid, held_out=protocol.probe_held_out, seed=protocol.seed
        )
    images = torch.arange(len(train_y)).repeat(len(train))
    if isinstance(estimator, LinearProbe):
        estimator.fit(train.flatten(0, 1), train_y.repeat(len(train)), groups=images)
    else:
        estimator.fit(train.flatten(0, 1), train_y.repeat(len(train)))
    guess = torch.from_numpy(np.asarray(estimator.predict(test.flatten(0, 1)))).view(len(test), -1)
    hits = (guess == test_y.cpu()).double().mean(dim=0)
    chosen = estimator.inverse_penalty_ if isinstance(estimator, LinearProbe) else None
    return _score(probe, hits, protocol, chosen=chosen)


def _few(
    train: Float[Tensor, "views n dim"],
    train_y: Int[Tensor, " n"],
    test: Float[Tensor, "test_views m dim"],
    test_y: Int[Tensor, " m"],
    protocol: Protocol,
    shots: int,
) -> Score:
    unit = protocol.normalisation == "unit"
    train = torch.stack([unit_rows(view) if unit else view for view in train])
    rows = unit_rows(test.flatten(0, 1)) if unit else test.flatten(0, 1)
    hits = few_label_hits(
        train.mean(dim=0),
        train_y,
        rows,
        test_y.repeat(len(test)),
        shots=shots,
        draws=protocol.draws,
        seed=protocol.seed,
    )
    by_draw = hits.double().mean(dim=1)
    std = by_draw.std().item() if len(by_draw) > 1 else 0.0
    by_image = hits.double().mean(dim=0).view(len(test), -1).mean(dim=0)
    return _score(f"few_labels_{shots}", by_image, protocol, std=std)


def _undefined(name: str, protocol: Protocol, why: str, *, images: int) -> Score:
    return Score(
        name=name,
        value=None,
        low=None,
        high=None,
        n=images,
        output=protocol.features,
        protocol=protocol.hash,
        not_defined=why,
    )


def _score(
    name: str, hits: Tensor, protocol: Protocol, *, std: float | None = None, chosen: float | None = None
) -> Score:
    low, high = share_interval(hits, level=protocol.level)
    return Score(
        name=name,
        value=hits.mean().item(),
        low=low,
        high=high,
        n=len(hits),
        output=protocol.features,
        protocol=protocol.hash,
        std=std,
        chosen=chosen,
    )
