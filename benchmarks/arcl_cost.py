"""What m views cost: time of a training step and memory of the losses; called by `benchmarks/arcl.py --cost`."""

import json
import multiprocessing
import statistics
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from contrascope.augment.presets import build_policy
from contrascope.augment.views import make_views
from contrascope.losses import LOSSES, SoftWorst
from contrascope.losses.pairs import Positives
from contrascope.runs.build import build
from contrascope.runs.settings import RunSettings
from contrascope.training.optim import build_optimizer

SIDE = 32
ROWS, WIDTH = 64, 4096
"""Of the embeddings whose memory is measured: wide, so that (m rows)^2 similarities weigh little."""


class Step:
    """Training steps of one method with so many views, on random images."""

    def __init__(self, settings: RunSettings, *, batch: int, device: torch.device) -> None:
        generator = torch.Generator().manual_seed(0)
        shape = (batch, 3, SIDE, SIDE)
        self.images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator).to(device)
        self.ids = torch.arange(batch, device=device)
        self.policies = build_policy(settings.policy, channels=3, size=SIDE)
        self.method = build(settings, (3, SIDE, SIDE)).train()
        self.method.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.optimizer = build_optimizer(settings.optim, self.method)
        self.views, self.device = settings.training.num_views, device
        self.bf16 = settings.training.precision == "bf16"

    def __call__(self, number: int) -> None:
        views, _ = make_views(
            self.images, self.policies, ids=self.ids, seed=0, epoch=number, num_views=self.views
        )
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            total = self.method(views).terms.total
        total.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.method.after_step(0.5)

    def seconds(self, steps: int) -> float:
        """Of one step; the first is not counted. On a CPU processor time, which other processes hardly disturb."""
        clock = time.process_time if self.device.type == "cpu" else time.perf_counter
        self(0)
        finish(self.device)
        start = clock()
        for number in range(steps):
            self(1 + number)
        finish(self.device)
        return (clock() - start) / steps


def finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def step_costs(
    two: RunSettings,
    many: Mapping[str, RunSettings],
    *,
    batch: int,
    rounds: int,
    repeats: int,
    device: torch.device,
) -> dict[str, Any]:
    """Time over m / 2 times that of two views: a ratio of 1 is the number of views alone."""
    steps = {name: Step(one, batch=batch, device=device) for name, one in {"two views": two, **many}.items()}
    ratios: dict[str, list[float]] = {name: [] for name in many}
    for _ in range(rounds):
        seconds = {name: step.seconds(repeats) for name, step in steps.items()}
        for name in many:
            ratios[name].append(2 * seconds[name] / seconds["two views"] / steps[name].views)
        print(json.dumps({name: round(value, 4) for name, value in seconds.items()}), flush=True)
    return {
        name: {"median": statistics.median(found), "quartiles": quartiles(found)}
        for name, found in ratios.items()
    }


def quartiles(found: list[float]) -> list[float]:
    return statistics.quantiles(found, n=4) if len(found) > 1 else found


def forward_and_backward(name: str, positives: Positives, shape: tuple[int, int, int]) -> None:
    z, target = (torch.randn(shape, requires_grad=True) for _ in range(2))
    known = {"temperature": 0.5, "repulsion": 1.0, "std": "biased", "mu": 1.0, "centring": 1.0}
    settings = {key: known.get(key) for key in LOSSES[name].required}
    if "queue" in settings:
        settings["queue"] = torch.randn(16, shape[2])
    LOSSES[name].fn(z, target, positives=positives, **settings).total.backward()


def tell_peak(pipe: Connection, name: str, positives: Positives, shape: tuple[int, int, int]) -> None:
    forward_and_backward(name, positives, (3, 4, 8))
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far, of importing, is forgotten
    before = peak_kib()
    forward_and_backward(name, positives, shape)
    inputs = 2 * shape[0] * shape[1] * shape[2] * 4
    pipe.send(1024 * (peak_kib() - before) / inputs)


def peak_kib() -> int:
    """Largest resident memory of this process, from Linux."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def peak(name: str, positives: Positives, shape: tuple[int, int, int]) -> float:
    """Largest memory of a loss over its inputs (online and target), in a process of its own."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=tell_peak, args=(there, name, positives, shape))
    process.start()
    there.close()
    value = here.recv()
    process.join()
    return round(value, 2)


def memory_costs(losses: Sequence[str], *, views: int) -> dict[str, dict[str, list[float]]]:
    """Of m = `views` and of 2 m views."""
    choices: tuple[Positives, ...] = ("average", "worst", SoftWorst(temperature=1.0))
    found: dict[str, dict[str, list[float]]] = {}
    for name in losses:
        for positives in choices:
            if LOSSES[name].per_dimension and isinstance(positives, SoftWorst):
                continue
            both = [peak(name, positives, (m, ROWS, WIDTH)) for m in (views, 2 * views)]
            found.setdefault(name, {})[str(positives)] = both
            print(name, positives, both, flush=True)
    return found
