"""Accuracy and errors of a run: last epoch, best epoch, class centres, a linear classifier; and of its random twin."""

from dataclasses import replace

import torch

from contrascope.data.sampling import held_out
from contrascope.evaluation.evaluate import evaluate
from contrascope.evaluation.protocol import Protocol
from contrascope.features.features import Features
from contrascope.jobs.assess import fitted_protocol
from contrascope.papers.measures.measured_run import MeasuredRun, MeasureFound, RunMeasure, part_of, some_of
from contrascope.runs.load import random_twin_of
from contrascope.settings import to_json

BANK = 10_000
"""Training images of the kNN bank along the epochs, of the linear classifier, and held out from each other."""
KNN = Protocol(probes=("knn",))
"""kNN of Huang et al. 2023: k 200, temperature 0.1, all training images."""
CENTRE = replace(KNN, probes=("nearest_centre",))
LINEAR = replace(KNN, probes=("linear",), probe_grid=(1e-4, 1e-3, 1e-2, 1e-1, 1.0))


def percent(train: Features, test: Features, protocol: Protocol) -> float:
    """The score of a protocol of one probe, in percent."""
    fitted = fitted_protocol(protocol, num_train=len(train), test_split=protocol.test_split)
    score = evaluate(train, test, fitted)[0]
    if score.value is None:
        raise ValueError(score.not_defined)
    return 100 * score.value


def scores(one: MeasuredRun) -> MeasureFound:
    """KNN of the last and the best epoch and of held-out training images; errors of centres and of a line."""
    train, test = one.features
    some = part_of(train, some_of(len(train), BANK))
    learn, kept = held_out(len(some), seed=KNN.seed)
    last = percent(train, test, KNN)
    along = one.kept()
    curve = [
        percent(*one.embedded(make(), train=BANK), KNN)
        if place < len(along) - 1
        else percent(some, test, KNN)
        for place, (_, make) in enumerate(along)
    ]
    best = max(range(len(curve)), key=lambda place: curve[place])
    whole = last
    if best < len(along) - 1:
        whole = max(last, percent(*one.embedded(along[best][1]()), KNN))
    return MeasureFound(
        values={
            "knn": last,
            "knn_best": whole,
            "best_epoch": along[best][0] if whole > last else along[-1][0],
            "held_out": percent(part_of(some, learn), part_of(some, kept), KNN),
            "centre_error": 100 - percent(train, test, CENTRE),
            "centre_error_some": 100 - percent(some, test, CENTRE),
            "linear_error": 100 - percent(some, test, LINEAR),
        },
        curves={"epoch": tuple(epoch for epoch, _ in along), "knn": tuple(curve)},
    )


def twin(one: MeasuredRun) -> MeasureFound:
    """KNN of random weights of the same architecture."""
    train, test = one.embedded(random_twin_of(one.run))
    return MeasureFound(values={"knn_random": percent(train, test, KNN)})


SCORES = RunMeasure(
    settings={"bank": BANK, **{name: to_json(p) for name, p in (("knn", KNN), ("linear", LINEAR))}},
    make=torch.no_grad()(scores),
    minutes=1.2,
)
TWIN = RunMeasure(settings={"knn": to_json(KNN)}, make=torch.no_grad()(twin), minutes=0.5)
