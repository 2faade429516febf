"""Accuracy of simple classifiers on frozen features."""

from typing import Any

from contrascope.data.memory import Labels
from contrascope.evaluation.protocol import Protocol
from contrascope.jobs.assess import Rows
from contrascope.jobs.evaluate import evaluate_anything
from contrascope.progress import Progress, silent
from contrascope.verbs.given import Device


def evaluate(
    thing: Any,
    data: Any = None,
    *,
    labels: Labels = None,
    protocol: Protocol | None = None,
    step: int | None = None,
    device: Device = None,
    progress: Progress = silent,
    probing: Progress = silent,
) -> Rows:
    """Accuracy of simple classifiers on frozen features, beside the random twin and raw pixels.

    `thing`: a run (on its own images unless others are given), an encoder's name or a model with labelled images,
    arrays with labels, or a file of features with a second one to test on. What has no test split is tested on a
    fifth of its images.

    >>> import contrascope, torch
    >>> h, y = torch.eye(2).repeat(20, 1), [0, 1] * 20
    >>> rows = contrascope.evaluate(h, labels=y, protocol=Protocol(probes=("knn",)))
    >>> rows[0]["name"], rows[0]["value"], rows[0]["split"]
    ('knn', 1.0, 'held-out')
    """
    return evaluate_anything(
        thing,
        None,
        data,
        protocol,
        labels=labels,
        step=step,
        device=device,
        progress=progress,
        probing=probing,
    )
