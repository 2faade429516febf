"""Short trainings of the candidates, scored on the same views, by successive halving."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from contrascope import records
from contrascope.advice.policies import Candidate
from contrascope.advice.settings import AdviseSettings
from contrascope.augment.policy import Policy
from contrascope.augment.settings import PolicySettings
from contrascope.data.imageset import InMemoryImages
from contrascope.data.sampling import some_images
from contrascope.diagnosis.exhibits import Networks, embed_views, fixed_views
from contrascope.encoders.settings import EncoderSettings
from contrascope.errors import InputError, did_you_mean
from contrascope.features.embed import embed
from contrascope.intervals import (
    SPLITS,
    Estimate,
    first_in_half,
    images_worth,
    random_halves,
    share_estimate,
)
from contrascope.linalg import nearest
from contrascope.machine.device import default_device
from contrascope.methods.base import Method
from contrascope.progress import to_stderr
from contrascope.records.inside import removed
from contrascope.runs.build import build, build_twin
from contrascope.runs.load import policies_for
from contrascope.runs.recipes import CPU_METHODS, cifar_cpu, small_run
from contrascope.runs.settings import RunSettings
from contrascope.runs.store import Store
from contrascope.theory.factors.lidar import lidar
from contrascope.theory.factors.retrieval import instance_retrieval
from contrascope.theory.factors.spectrum import spectrum
from contrascope.training.device import accelerator_on
from contrascope.training.loop import fit
from contrascope.training.order import steps_per_epoch
from contrascope.training.settings import ScheduleSettings, TrainingSettings
from contrascope.training.views import image_views

LEAST_IMAGES = 16
TIMED_STEPS = 4
"""Steps whose time is measured, so that finding out what an epoch costs does not cost two."""
SCORE_VIEWS = 4
NEIGHBOURS = 5
CANDIDATES = 32
"""Nearest images among which the 5 of the same half are looked for."""
TEMPERATURE = 0.1


@dataclass(frozen=True, kw_only=True)
class ProxyScore:
    """What a short training gave; everything but `knn` is label-free."""

    epochs: int
    """Epochs trained."""
    seconds: float
    """Seconds of training and scoring, this stage."""
    retrieval: Estimate
    """Share of images whose view finds another view of its image first; views of the common policy, encoder."""
    lidar: float
    """LiDAR of these views."""
    rankme: float
    """RankMe of the clean images."""
    knn: Estimate | None
    """Accuracy of 5 nearest neighbours, each image left out in turn; None without labels."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """What training and scoring take here, wall clock."""

    epoch: float
    """Seconds of an epoch."""
    score: float
    """Seconds of scoring a candidate."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Successive halving: how many are trained in each round, and to how many epochs altogether."""

    rounds: tuple[tuple[int, int], ...]
    """(policies, epochs), epochs counted from the start; empty: the budget affords no training."""


def halving_plan(candidates: int, *, budget: float, timing: Timing) -> Plan:
    """Halve the policies and double the epochs each round, so that all rounds together fit the budget.

    Jamieson and Talwalkar 2016 (arXiv:1502.07943) with doubling; the last round has two policies, since one alone
    decides nothing. Where not even one epoch of each fits, the number of policies is halved first.

    >>> halving_plan(4, budget=100.0, timing=Timing(epoch=1.0, score=0.0)).rounds
    ((4, 16), (2, 32))
    """
    while candidates >= 2:
        counts = [candidates]
        while counts[-1] >= 4:
            counts.append(counts[-1] // 2)
        cost = counts[0] + sum(count * 2 ** (turn - 1) for turn, count in enumerate(counts) if turn)
        first = math.floor((budget - timing.score * sum(counts)) / (timing.epoch * cost))
        if first >= 1:
            return Plan(rounds=tuple((count, first * 2**turn) for turn, count in enumerate(counts)))
        candidates //= 2
    return Plan(rounds=())


def check_base(base: str) -> None:
    """Raises `InputError` where there is no such method to train with."""
    if base not in CPU_METHODS:
        raise InputError(f"there is no method {base!r} to train with. {did_you_mean(base, CPU_METHODS)}")
    if CPU_METHODS[base].supervised:
        raise InputError(
            f"the method {base!r} learns from labels; advice trains without them. Choose another base."
        )


def base_settings(base: str, candidate: Candidate, count: int, settings: AdviseSettings) -> RunSettings:
    """The run of a candidate: the method's CPU recipe around a small convolutional network, or its own."""
    check_base(base)
    chosen = cifar_cpu(CPU_METHODS[base])
    batch = min(chosen.training.batch_size, max(LEAST_IMAGES, 2 ** (max(1, count // 4).bit_length() - 1)))
    return RunSettings(
        policy=candidate.settings,
        encoder=EncoderSettings(
            **{"name": "convnet", "width": settings.width, **small_run(CPU_METHODS[base]).encoder}
        ),
        method=chosen.method,
        training=TrainingSettings(epochs=1, batch_size=batch, seed=settings.seed, keep_last=1),
        optim=chosen.optim,
        schedule=ScheduleSettings(warmup_epochs=1.0),
    )


class Proxies:
    """Trains and scores candidates on one pool of images."""

    def __init__(
        self,
        images: InMemoryImages,
        common: Candidate,
        store: Store,
        *,
        base: str,
        settings: AdviseSettings,
        device: torch.device | str | None = None,
    ) -> None:
        if len(images) < LEAST_IMAGES:
            raise InputError(
                f"short trainings of {len(images)} images; expected at least {LEAST_IMAGES}. Use --budget 0."
            )
        self._images, self._store, self._base, self._settings = images, store, base, settings
        self._common = self._policies(common.settings)
        self._scored = some_images(images, settings.scored, seed=settings.seed)
        self._accelerator = accelerator_on(device)
        self._device = device or default_device()

    def timing(self, candidate: Candidate) -> Timing:
        """What an epoch and a score take, measured once and kept.

        Timed are the later ones of a few steps (the first may compile), starting and saving a run included: on
        many images the epoch is somewhat overestimated.
        """

        def measure() -> Timing:
            to_stderr("timing a short training")
            count = min(len(self._images), TIMED_STEPS * self._run(candidate).training.batch_size)
            few = self._images.select(torch.arange(count))
            folder = records.inside(self._store.folder, "timing-run")
            removed(folder)
            self._fit(candidate, 1, folder, few)
            start = time.perf_counter()
            method = self._fit(candidate, 2, folder, few)
            trained = time.perf_counter()
            self._measure(method, 2, start)
            removed(folder)
            epoch = (trained - start) * len(self._images) / count
            return Timing(epoch=epoch, score=time.perf_counter() - trained)

        return self._store.kept(Timing, "timing", measure)

    def score(self, candidate: Candidate, epochs: int) -> ProxyScore:
        """Trains on to so many epochs, from the newest checkpoint of an earlier stage, and scores; kept."""
        name = f"proxies/{candidate.key}-{epochs}"

        def make() -> ProxyScore:
            start = time.perf_counter()
            method = self._fit(candidate, epochs, self._folder(candidate, epochs), self._images)
            return self._measure(method, epochs, start)

        return self._store.kept(ProxyScore, name, make)

    def random(self, candidate: Candidate) -> ProxyScore:
        """The score of the same network with random weights, on the same views and images."""

        def make() -> ProxyScore:
            start, run = time.perf_counter(), self._run(candidate)
            method = build_twin(run, self._images.shape)
            return self._measure(method.to(self._device), 0, start)

        return self._store.kept(ProxyScore, "proxies/random", make)

    def _folder(self, candidate: Candidate, epochs: int) -> Path:
        """The candidate's run; one of its own where that run is already beyond these epochs."""
        folder = records.inside(self._store.folder, "proxies", candidate.key)
        batch = self._run(candidate).training.batch_size
        wanted = epochs * steps_per_epoch(len(self._images), batch_size=batch, world_size=1)
        beyond = any(step > wanted for step, _ in records.checkpoint_folders(folder))
        name = f"{candidate.key}-{epochs}" if beyond else candidate.key
        return records.inside(self._store.folder, "proxies", name)

    def _run(self, candidate: Candidate) -> RunSettings:
        return base_settings(self._base, candidate, len(self._images), self._settings)

    def _fit(self, candidate: Candidate, epochs: int, folder: Path, images: InMemoryImages) -> Method:
        run = self._run(candidate)
        training = TrainingSettings(
            epochs=epochs,
            batch_size=run.training.batch_size,
            seed=run.training.seed,
            keep_last=1,
            log_every=10**6,
        )
        method = build(run, images.shape)
        return fit(
            method,
            images.to(self._accelerator.device),
            image_views(method, self._policies(candidate.settings), images, training),
            run=folder,
            training=training,
            optim=run.optim,
            schedule=run.schedule,
            accelerator=self._accelerator,
        )

    def _policies(self, policy: PolicySettings) -> tuple[Policy, ...]:
        return policies_for(policy, self._images)

    def _measure(self, method: Method, epochs: int, start: float) -> ProxyScore:
        device, settings = self._device, self._settings
        subject = Networks(encoder=method.eval().encoder)
        views = fixed_views(
            self._scored, self._common, num_views=SCORE_VIEWS, seed=settings.seed, device=device
        )
        rows, _ = embed_views(subject, views, device=device)
        clean = embed(method.encoder, None, self._scored, device=device).h[0]
        found = instance_retrieval(rows, k=(1,), pairs=SCORE_VIEWS, draws=settings.draws)
        return ProxyScore(
            epochs=epochs,
            seconds=time.perf_counter() - start,
            retrieval=found.recall[1],
            lidar=lidar(rows),
            rankme=spectrum(clean).rankme,
            knn=knn_left_out(clean, self._scored.y, draws=settings.draws),
        )


def knn_left_out(h: Tensor, y: Tensor | None, *, draws: int) -> Estimate | None:
    """Share of images whose 5 nearest others, weighted by exp(cosine / 0.1), vote for their class."""
    if y is None:
        return None
    near = nearest(h, h, min(CANDIDATES, len(h) - 1), exclude_self=True)
    half = random_halves(len(h), splits=SPLITS if draws else 0)
    weight, label = (near.value / TEMPERATURE).exp(), y[near.index]
    right = _voted(weight[:, :NEIGHBOURS], label[:, :NEIGHBOURS], y)
    taken = first_in_half(near.index, half, NEIGHBOURS)
    halved = [_voted(weight * one, label, y) for one in taken]
    worth = images_worth(torch.stack(halved).double(), half) if halved else None
    return share_estimate(right.double(), draws=draws, images=worth)


def _voted(weight: Tensor, label: Tensor, y: Tensor) -> Tensor:
    """Whether the weights of the own label are the largest, by image."""
    votes = torch.zeros(len(y), int(y.max()) + 1, dtype=weight.dtype)
    return votes.scatter_add_(1, label, weight).argmax(dim=1) == y


def run_halving(
    proxies: Proxies,
    candidates: Sequence[Candidate],
    plan: Plan,
    found: dict[str, ProxyScore],
    *,
    labelled: bool,
) -> None:
    """Puts every candidate's last score into `found` by its key; after each round the better half goes on."""
    left = list(candidates)
    for turn, (count, epochs) in enumerate(plan.rounds, start=1):
        left = left[:count]
        for place, candidate in enumerate(left, start=1):
            to_stderr(
                f"round {turn}/{len(plan.rounds)}, policy {place}/{count} ({candidate.name}), {epochs} epochs"
            )
            found[candidate.key] = proxies.score(candidate, epochs)
        left.sort(key=lambda one: -value_of(found[one.key], labelled=labelled).value)


def value_of(score: ProxyScore, *, labelled: bool) -> Estimate:
    """What candidates are ranked by: kNN accuracy where labels are given, else retrieval."""
    return score.knn if labelled and score.knn is not None else score.retrieval
