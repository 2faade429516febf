"""How many threads a run on a CPU takes: as many as the machine really gives, found by a trial of two seconds."""

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from contrascope.machine.cores import usable_cores, whole_threads
from contrascope.machine.openmp import threads_are_asked_for
from contrascope.training.arithmetic import arithmetic
from contrascope.training.settings import MOST_THREADS, TrainingSettings

SECONDS = 2.0
"""What the trial takes, its warm-up apart."""
CLEAR = 1.25
"""How much faster fewer threads must be to be taken; more of them are the rule."""
STEP_SECONDS = 0.1
"""Time of a passage of the trial, for which images are added."""


@dataclass(frozen=True, kw_only=True)
class Threads:
    """Threads of a run, and why so many."""

    count: int
    """Threads of each operation, at least 1."""
    why: str = ""
    """One sentence where it is not what torch would take; else empty."""


def threads_for(
    training: TrainingSettings,
    encoder: nn.Module,
    images: Callable[[int], Tensor],
    *,
    device: torch.device,
    recorded: int | None = None,
    seconds: float = SECONDS,
) -> Threads:
    """Threads of a run: what is set or recorded; else what the user told OpenMP or torch; else by a trial.

    `images` makes that many inputs of the encoder, of which a copy is tried. `recorded` are the threads with which the
    run began: with as many it goes on with the same bits. Where other processes keep the cores busy, threads that wait
    for each other are slower than one alone.
    """
    now = torch.get_num_threads()
    if training.threads:
        return Threads(count=training.threads)
    if recorded and recorded <= MOST_THREADS:
        said = f"{recorded} threads, as the run began" if recorded != now else ""
        return Threads(count=recorded, why=said)
    if device.type != "cpu" or threads_are_asked_for():
        return Threads(count=now)
    most = min(now, whole_threads(usable_cores()))
    if most == 1:
        return Threads(
            count=1, why="" if now == 1 else f"one thread: this process may use {usable_cores():.1f} cores"
        )
    rates = _trial(training, encoder, images, candidates(most), device=device, seconds=seconds)
    best = max(rates, key=lambda count: rates[count] * (CLEAR if count == most else 1.0))
    if best == most:
        return Threads(count=most, why="" if most == now else f"{most} threads: no more cores may be used")
    ratio = rates[best] / rates[most]
    one = "one thread is" if best == 1 else f"{best} threads are"
    return Threads(
        count=best,
        why=f"{one} {ratio:.1f} times as fast as {most} now, as other processes keep the cores busy; "
        f"on a quiet machine give --training.threads {most}",
    )


def candidates(most: int) -> list[int]:
    """What is tried: all, half of them, and so on down to one.

    >>> candidates(12)
    [12, 6, 3, 1]
    """
    found = [most]
    while found[-1] > 1:
        found.append(found[-1] // 2)
    return found


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Torch takes this many threads while the block runs, then as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _trial(
    training: TrainingSettings,
    encoder: nn.Module,
    images: Callable[[int], Tensor],
    counts: Sequence[int],
    *,
    device: torch.device,
    seconds: float,
) -> dict[int, float]:
    """Images a second of the encoder, forwards and back, with each number of threads in turn."""
    tried = copy.deepcopy(encoder).train()

    def passage(batch: Tensor) -> float:
        start = time.perf_counter()
        with torch.enable_grad(), arithmetic(training, device):
            total = tried(batch).float().square().mean()
        total.backward()
        return time.perf_counter() - start

    with torch.random.fork_rng(devices=[]), threads(counts[0]):
        batch = images(min(8, training.batch_size))
        passage(batch)
        while passage(batch) < STEP_SECONDS and len(batch) < training.batch_size:
            batch = images(min(2 * len(batch), training.batch_size))
        spent = dict.fromkeys(counts, 0.0)
        turns = dict.fromkeys(counts, 0)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or not all(turns.values()):
            # the same time for each, so that slow ones take fewer turns
            count = min(counts, key=lambda one: spent[one])
            torch.set_num_threads(count)
            if not turns[count]:
                passage(batch)
            spent[count] += passage(batch)
            turns[count] += 1
    return {count: len(batch) * turns[count] / spent[count] for count in counts}
