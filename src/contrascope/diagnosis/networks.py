"""From networks, images and a policy to the signals of the verdict."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from contrascope.augment.policy import Policy
from contrascope.diagnosis.checks.batch_dependence import batch_dependence
from contrascope.diagnosis.checks.expected_input import input_fit
from contrascope.diagnosis.checks.near_copies import near_copies
from contrascope.diagnosis.checks.weights import initial_weights
from contrascope.diagnosis.exhibits import Exhibits, FixedViews, Networks, ShownRows, exhibits, show
from contrascope.diagnosis.learning_signals import learning_signals
from contrascope.diagnosis.signals import Faults, LayerSignals, Signals, finite_signals, value_faults
from contrascope.encoders.twin import TWIN_SEED, random_twin
from contrascope.features.embed import ImageSource, evaluating
from contrascope.linalg import unit_rows
from contrascope.progress import Passes, Progress, silent
from contrascope.theory.bounds.lipschitz import LipschitzEstimate, local_lipschitz

NO_FORWARD_MODE = (NotImplementedError, RuntimeError)
"""What a derivative in forward mode raises where there is none: by operators, and by custom functions."""
RANDOM = "a random encoder of the same shape on the same views"
NO_TWIN = "none: the encoder has no weights that could be drawn anew"
CHECKED = 256
"""Views that the checks of input and batch norm look at."""
IN_BATCH = 64
"""Views of the check of batches."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A random twin, shown everything once."""

    networks: Networks
    """Its networks."""
    shown: ShownRows
    """What it makes of the exhibits."""
    h: LayerSignals | None
    """Signals of its encoder."""
    z: LayerSignals | None
    """Signals of its projector."""


def reference_on(
    twin: Networks,
    exhibited: Exhibits,
    *,
    draws: int = 200,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: Progress = silent,
) -> Reference:
    """The random twin on the exhibits; `progress` counts embedded images."""
    shown = show(twin, exhibited, device=device, progress=progress)
    h, z = _layers(shown, exhibited, draws=draws, seed=seed)
    return Reference(networks=twin, shown=shown, h=h, z=z)


def signals_on(
    subject: Networks,
    shown: ShownRows,
    reference: Reference | None,
    exhibited: Exhibits,
    *,
    draws: int = 200,
    seed: int = 0,
    stopped: str | None = None,
    copies: float = 0.0,
    device: torch.device | str = "cpu",
) -> Signals:
    """Signals of a subject from what it makes of the exhibits, beside a reference that is already measured.

    `copies` is the share of images with a near copy among the others, `stopped` why training ended early.
    """
    layers = _layers(shown, exhibited, draws=draws, seed=seed)
    known = None if reference is None else reference.networks.encoder
    faults = replace(value_faults(shown.h, shown.z), stopped=stopped, copies=copies)
    learnt = None
    if not faults.non_finite:
        faults = network_faults(faults, subject.encoder, known, exhibited.own, device=device)
        if reference is not None:
            learnt = learning_signals(shown, reference.shown, exhibited, draws=draws, seed=seed)
    return Signals(
        h=layers[0],
        z=layers[1],
        reference_h=None if reference is None else reference.h,
        reference_z=None if reference is None else reference.z,
        reference=NO_TWIN if reference is None else RANDOM,
        equal_views=exhibited.own.equal,
        faults=faults,
        learning=learnt,
    )


def network_faults(
    found: Faults,
    encoder: nn.Module,
    twin: nn.Module | None,
    views: FixedViews,
    *,
    device: torch.device | str,
) -> Faults:
    """What only the network itself tells: its weights, the input that it expects, what its batch does to a row."""
    some = views.images[0, :CHECKED].to(device)
    return replace(
        found,
        batch_norm_gap=batch_norm_gap(encoder, views, device=device),
        initial=initial_weights(encoder, twin),
        input=input_fit(encoder, some),
        batch=batch_dependence(encoder, some[:IN_BATCH]),
    )


def measure_networks(
    subject: Networks,
    twin: Networks | None,
    images: ImageSource,
    policies: Policy | tuple[Policy, ...],
    *,
    num_views: int = 4,
    seed: int = 0,
    draws: int = 200,
    stopped: str | None = None,
    device: torch.device | str = "cpu",
    progress: Progress = silent,
) -> tuple[Signals, Exhibits, ShownRows]:
    """Signals of a subject beside its twin on all `images`, with the exhibits and what it makes of them."""
    exhibited = exhibits(images, policies, num_views=num_views, seed=seed, device=device)
    passes = Passes(progress, total=exhibited.count * (1 if twin is None else 2))
    known = None
    if twin is not None:
        told = passes.next(exhibited.count)
        known = reference_on(twin, exhibited, draws=draws, seed=seed, device=device, progress=told)
    shown = show(subject, exhibited, device=device, progress=passes.next(exhibited.count))
    found = signals_on(
        subject,
        shown,
        known,
        exhibited,
        draws=draws,
        seed=seed,
        stopped=stopped,
        copies=copies_in(images),
        device=device,
    )
    return found, exhibited, shown


def twin_of(networks: Networks) -> Networks | None:
    """The networks with weights drawn anew, on the CPU; None where the encoder has none that could be.

    A projector without weights stands behind the twin's encoder as it is.
    """
    encoder, projector = random_twin(networks.encoder), networks.projector
    if encoder is None:
        return None
    drawn = None if projector is None else random_twin(projector, seed=TWIN_SEED + 1)
    return Networks(encoder=encoder, projector=projector if drawn is None else drawn)


def copies_in(images: ImageSource) -> float:
    """Share of images that have a near copy among the others."""
    parts = [
        pixels.float().cpu() for _, pixels in images.batches(torch.arange(len(images)), 512, device="cpu")
    ]
    return float(near_copies(torch.cat(parts)).double().mean())


def _layers(
    shown: ShownRows, exhibited: Exhibits, *, draws: int, seed: int
) -> tuple[LayerSignals | None, LayerSignals | None]:
    statistics = exhibited.own.statistics[0]
    h, z = (
        finite_signals(rows, statistics=statistics, draws=draws, seed=seed) for rows in (shown.h, shown.z)
    )
    return h, z


def encoder_lipschitz(
    encoder: nn.Module,
    views: FixedViews,
    *,
    most: int = 32,
    steps: int = 8,
    device: torch.device | str = "cpu",
) -> LipschitzEstimate | None:
    """Largest slope of the encoder's unit rows between views of one image, and at images; from below.

    Pixels in [0, 1], l2 on both sides. None where an operation of the encoder has no forward-mode derivative.
    """
    first, second = (views.images[view, :most].to(device) for view in (0, 1))
    points = torch.stack((first, second), dim=1).flatten(0, 1)
    pairs = torch.arange(len(points)).view(-1, 2)
    with evaluating(encoder), torch.enable_grad():
        try:
            return local_lipschitz(lambda rows: unit_rows(encoder(rows)), points, pairs=pairs, steps=steps)
        except NO_FORWARD_MODE:
            return None


def batch_norm_gap(
    encoder: nn.Module, views: FixedViews, *, most: int = 512, device: torch.device | str = "cpu"
) -> float | None:
    """How far stored batch norm statistics lead from those of a batch: mean squared distance of unit rows.

    The encoder's running statistics are left as they were. None where no batch norm has seen a batch.
    """
    layers = [m for m in encoder.modules() if isinstance(m, _BatchNorm) and m.running_mean is not None]
    if not any(layer.num_batches_tracked for layer in layers):
        return None
    batch = views.images[0, :most].to(device)
    with evaluating(encoder):
        stored = unit_rows(encoder(batch).float())
        with _batch_statistics(layers):
            fresh = unit_rows(encoder(batch).float())
    return float((stored - fresh).square().sum(dim=1).mean())


@contextmanager
def _batch_statistics(layers: list[_BatchNorm]) -> Iterator[None]:
    """Inside, these layers standardise with the batch and change nothing."""
    kept = [(layer, layer.running_mean, layer.running_var) for layer in layers]
    try:
        for layer in layers:
            layer.running_mean = layer.running_var = None
        yield
    finally:
        for layer, mean, var in kept:
            layer.running_mean, layer.running_var = mean, var
