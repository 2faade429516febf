# pyright: reportMissingImports=false
"""Call 2, two minutes on an H100: what a step costs, and what it is made of.

    python benchmarks/gpu/step.py

The recipe `cifar10-simclr`: ResNet-18, batch 512, bf16, channels last. `plain` and `compiled`: images/s of the whole
step (views from bytes, networks, loss, backwards, optimiser) and of the bare encoder on ready views, and their ratio
within each round (aim 0.93). `lightly`: ours over lightly's step with 12 loading workers (aim 4). `views`: views/s
against kornia's on the GPU. `profile`: the ten largest kernels of the step. The last line on stdout is JSON.
"""

import argparse
import importlib.util
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from line import Line, Missing, arguments, call, synchronise, where

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the CPU's benchmarks of the same things

from train import Contenders, Step, rate

from augment import kornia_batched, ours
from contrascope.runs.recipes import find_recipe
from contrascope.runs.settings import RunSettings

ROUNDS, STEPS, LARGEST = 5, 20, 10


def settings_of(dry: bool) -> RunSettings:
    """The recipe, or a tiny network and batch."""
    settings = find_recipe("cifar10-simclr").make()
    if not dry:
        return settings
    training = replace(settings.training, batch_size=8, precision="float32")
    return replace(settings, training=training, encoder=replace(settings.encoder, name="convnet", width=4))


class Rounds:
    """Contenders in turns; ratios are taken within a round."""

    def __init__(self, contenders: Contenders, dry: bool) -> None:
        self.contenders, self.dry = contenders, dry
        self.rounds, self.steps = (1, 1) if dry else (ROUNDS, STEPS)

    def rates(self, steps: dict[str, Step]) -> list[dict[str, float]]:
        """Images per second of each, round by round."""
        size, device = self.contenders.batch, self.contenders.device
        return [
            {name: rate(step, steps=self.steps, batch=size, device=device) for name, step in steps.items()}
            for _ in range(self.rounds)
        ]

    def whole_over_bare(self) -> dict[str, Any]:
        """Images/s of both, and the ratio with its least and largest round."""
        found = self.rates({"whole": self.contenders.whole, "bare": self.contenders.bare})
        return shown(found, "whole", "bare")

    def compiled(self) -> dict[str, Any]:
        """The same with the encoder compiled, and how long that took."""
        start = time.perf_counter()
        backend = "eager" if self.dry else "inductor"  # a dry run has no minute for a compiler
        self.contenders.method.encoder.compile(backend=backend)
        self.contenders.whole(0)
        synchronise()
        took = time.perf_counter() - start
        return {"compile_s": round(took, 1), "backend": backend} | self.whole_over_bare()

    def over_lightly(self, workers: int) -> dict[str, Any]:
        """Ours over lightly's whole step; its workers begin with the round."""
        need("lightly")
        found = []
        for _ in range(min(self.rounds, 3)):
            theirs = self.contenders.lightly(workers=workers)
            found += Rounds.rates(self.once(), {"ours": self.contenders.whole, "lightly": theirs})
        return {"workers": workers} | shown(found, "ours", "lightly")

    def once(self) -> "Rounds":
        """One round of these."""
        single = Rounds(self.contenders, self.dry)
        single.rounds = 1
        return single


def shown(rounds: list[dict[str, float]], one: str, other: str) -> dict[str, Any]:
    """Medians of the rates and of the ratio within a round."""
    ratios = [each[one] / each[other] for each in rounds]
    rates = {
        f"{name}_images_per_s": round(statistics.median(r[name] for r in rounds), 1) for name in (one, other)
    }
    ratio = {"ratio": statistics.median(ratios), "least": min(ratios), "largest": max(ratios)}
    return rates | {name: round(value, 4) for name, value in ratio.items()}


def need(package: str) -> None:
    """A missing package leaves a part out."""
    if importlib.util.find_spec(package) is None:
        raise Missing(f"{package} is not installed here: carry its wheel (docs/gpu.md)")


def over_kornia(device: torch.device, batch: int, rounds: int) -> dict[str, Any]:
    """Views per second from bytes on the device: crop, colour dropping, colour distortion, flip."""
    images = torch.randint(0, 256, (batch, 3, 32, 32), dtype=torch.uint8, device=device)
    makers: dict[str, Callable[[int], torch.Tensor]] = {"ours": ours(images)}
    reason = None
    try:
        need("kornia")
        makers["kornia"] = kornia_batched(images)
    except Missing as why:
        reason = str(why)
    seconds: dict[str, list[float]] = {name: [] for name in makers}
    for number in range(rounds + 2):
        for name, make in makers.items():
            synchronise()
            start = time.perf_counter()
            make(number)
            synchronise()
            seconds[name].append(time.perf_counter() - start)
    found = {
        f"{name}_views_per_s": round(2 * batch / statistics.median(t[2:]), 1) for name, t in seconds.items()
    }
    if reason is not None:
        return found | {"kornia_views_per_s": None, "reason": reason}
    pairs = zip(seconds["kornia"][2:], seconds["ours"][2:], strict=True)
    return found | {"ratio": round(statistics.median(theirs / own for theirs, own in pairs), 3)}


def largest_kernels(step: Step, steps: int) -> dict[str, Any]:
    """The ten kernels that take most of the step, by their own time."""
    on_gpu = torch.cuda.is_available()
    kinds = [torch.profiler.ProfilerActivity.CPU]
    kinds += [torch.profiler.ProfilerActivity.CUDA] if on_gpu else []
    with torch.profiler.profile(activities=kinds) as profiler:
        for number in range(steps):
            step(number)
        synchronise()
    field = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    rows = [(getattr(event, field), event.key, event.count) for event in profiler.key_averages()]
    if on_gpu:  # kernels alone, not the operations that launched them
        rows = [row for row in rows if not row[1].startswith(("aten::", "autograd::", "Optimizer."))]
    total = sum(time for time, _, _ in rows) or 1.0
    top = sorted(rows, reverse=True)[:LARGEST]
    return {
        "total_us_a_step": round(total / steps, 1),
        "kernels_a_step": round(sum(count for _, _, count in rows) / steps, 1),
        "largest": [
            {"name": key[:90], "share": round(time / total, 4), "us_a_step": round(time / steps, 1)}
            for time, key, _ in top
        ],
    }


def measure(line: Line, options: argparse.Namespace) -> None:
    device, dry = where(), line.dry
    settings = settings_of(dry)
    rounds = Rounds(Contenders(settings, settings.training.precision, device), dry)
    batch = rounds.contenders.batch
    line.found |= {"recipe": "cifar10-simclr", "batch": batch, "precision": settings.training.precision}
    line.part("plain", rounds.whole_over_bare)
    line.part("profile", lambda: largest_kernels(rounds.contenders.whole, 1 if dry else 5))
    line.part("views", lambda: over_kornia(device, batch, 1 if dry else 20))
    line.part("lightly", lambda: rounds.over_lightly(1 if dry else options.workers), needs=30)
    line.part("compiled", rounds.compiled, needs=30)
    line.part("profile_compiled", lambda: largest_kernels(rounds.contenders.whole, 1 if dry else 5))


if __name__ == "__main__":
    parser = arguments(__doc__, minutes=2)
    parser.add_argument("--workers", type=int, default=12, help="lightly's loading workers (%(default)d)")
    call("step", parser.parse_args(), measure)
