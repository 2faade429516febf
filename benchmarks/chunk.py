"""Peak memory and time of a step of batch 4,096: whole, and in parts of 256 beside a whole batch of 256.

    python benchmarks/chunk.py
    python benchmarks/chunk.py --precision float32 --view-side 32

Every case runs in a process of its own and prints one line. The step is that of `cifar10-simclr-cpu` on random
images, from gathering the pixels of the batch to the optimiser's move, its views made in the step: in parts each
part's views are made twice. In parts batch norm is split, one split a part. Memory is what the process takes at
most above what it held with imports, weights and data set; on a GPU what torch allocated. Times are processor
time on a CPU. "nt_xent" is the loss alone, forward and backward, in blocks of rows and with all similarities at
once. "gradient in parts" compares gradients, with those of float64 as the measure of rounding.
"""

import argparse
import copy
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from arcl_cost import finish, peak_kib
from torch import Tensor

from contrascope.augment.presets import build_policy
from contrascope.augment.views import make_views
from contrascope.losses import blocks
from contrascope.losses.contrastive import nt_xent
from contrascope.losses.terms import LossTerms
from contrascope.methods.split_norm import split_batch_norm
from contrascope.runs.build import build
from contrascope.runs.environment import environment
from contrascope.runs.here import recipe_here
from contrascope.training.chunks import BatchPart, chunked_backward, part_sizes
from contrascope.training.optim import build_optimizer

RECIPE, SIDE, DIM, TEMPERATURE = "cifar10-simclr-cpu", 32, 128, 0.5
MEGABYTE = 1_000_000


class Step:
    """A training step over random images, whole (`chunk` 0) or in parts."""

    def __init__(self, *, batch: int, chunk: int, splits: int, precision: str, view_side: int) -> None:
        settings = recipe_here(RECIPE)
        policy = replace(settings.policy, size=view_side)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.batch, self.chunk, self.bf16 = batch, chunk, precision == "bf16"
        generator = torch.Generator().manual_seed(0)
        shape = (batch, 3, SIDE, SIDE)
        self.images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator).to(self.device)
        self.policies = build_policy(policy, channels=3, size=SIDE)
        self.method = build(settings, (3, SIDE, SIDE)).train()
        if splits:
            split_batch_norm(self.method, splits=splits)
        self.method.to(self.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.optimizer = build_optimizer(settings.optim, self.method)
        self.dtype = torch.float32

    def __call__(self, number: int) -> None:
        self.backward(number)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def backward(self, number: int) -> None:
        ids = torch.randperm(self.batch, generator=torch.Generator().manual_seed(number)).to(self.device)
        pixels = self.images[ids]
        if self.chunk:
            sizes = part_sizes(self.batch, self.chunk)
            both = zip(sizes, ids.split(sizes), pixels.split(sizes), strict=True)
            parts = [BatchPart(images=size, views=self.maker(number, *some)) for size, *some in both]
            chunked_backward(self.embed, contrast, parts, network=self.method, arithmetic=self.arithmetic)
            return
        with self.arithmetic():
            terms = contrast(self.embed(self.maker(number, ids, pixels)())[1], None)
        terms.total.backward()

    def maker(self, number: int, ids: Tensor, pixels: Tensor) -> Callable[[], Tensor]:
        return lambda: make_views(pixels, self.policies, ids=ids, seed=0, epoch=number)[0].to(self.dtype)

    def embed(self, views: Tensor) -> tuple[Tensor, Tensor]:
        h, projector = torch.stack([self.method.encoder(view) for view in views]), self.method.projector
        assert projector is not None
        return h, torch.stack([projector(one) for one in h])

    def arithmetic(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16)


def contrast(z: Tensor, _: Tensor | None) -> LossTerms:
    return nt_xent(z, temperature=TEMPERATURE)


class Loss:
    """NT-Xent alone on random embeddings."""

    def __init__(self, *, batch: int, whole: bool) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.z = torch.randn(2, batch, DIM, device=self.device, requires_grad=True)
        self.floats = 2**62 if whole else blocks.BLOCK_FLOATS
        nt_xent(self.z[:, :8], temperature=TEMPERATURE).total.backward()  # what the first product sets up
        self.z.grad = None

    def __call__(self, number: int) -> None:
        del number
        with mock.patch.object(blocks, "BLOCK_FLOATS", self.floats):
            nt_xent(self.z, temperature=TEMPERATURE).total.backward()
        self.z.grad = None


def measured(step: Step | Loss, repeats: int) -> dict[str, float]:
    """Peak memory above the present one, over all steps, and the median time of a step but the first."""
    on_gpu = step.device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
        base = torch.cuda.memory_allocated()
    else:
        Path("/proc/self/clear_refs").write_text("5")  # the peak so far, of importing, is forgotten
        base = 1024 * peak_kib()
    clock = time.perf_counter if on_gpu else time.process_time  # which other processes hardly disturb
    seconds = []
    for number in range(1 + repeats):
        start = clock()
        step(number)
        finish(step.device)
        seconds.append(clock() - start)
    peak = torch.cuda.max_memory_allocated() if on_gpu else 1024 * peak_kib()
    return {"MB": round((peak - base) / MEGABYTE, 1), "seconds": round(statistics.median(seconds[1:]), 4)}


def gradient_distance(**settings: Any) -> dict[str, float]:
    """Norms of differences of gradients over the gradient's: parts from whole, and whole from float64's."""
    parts = Step(**settings)
    found, whole, exact = (
        gradients(parts, chunk, dtype)
        for chunk, dtype in ((parts.chunk, torch.float32), (0, torch.float32), (0, torch.float64))
    )
    return {
        "parts from whole": float((found - whole).norm() / exact.norm()),
        "whole from float64": float((whole - exact).norm() / exact.norm()),
    }


def gradients(step: Step, chunk: int, dtype: torch.dtype) -> Tensor:
    other = copy.copy(step)
    other.method, other.chunk, other.dtype = copy.deepcopy(step.method).to(dtype), chunk, dtype
    other.bf16 = step.bf16 and dtype == torch.float32
    other.backward(0)
    return torch.cat([p.grad.double().flatten() for p in other.method.parameters() if p.grad is not None])


def case(pipe: Connection, kind: str, settings: dict[str, Any], repeats: int) -> None:
    torch.set_num_threads(1)
    if kind == "gradient":
        pipe.send(gradient_distance(**settings))
    else:
        pipe.send(measured(Step(**settings) if kind == "step" else Loss(**settings), repeats))


def alone(kind: str, repeats: int, **settings: Any) -> dict[str, float]:
    """A case in a process of its own."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=case, args=(there, kind, settings, repeats))
    process.start()
    there.close()
    found = here.recv()
    process.join()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", type=int, default=256, help="the small batch, and the size of a part")
    parser.add_argument("--large", type=int, default=4096)
    parser.add_argument("--precision", choices=("bf16", "float32"), default="bf16")
    parser.add_argument("--view-side", type=int, default=24)
    parser.add_argument("--steps", type=int, default=3, help="timed, after one that is not")
    options = parser.parse_args()
    small, large = options.small, options.large
    splits = large // small
    same = {"precision": options.precision, "view_side": options.view_side}
    machine = environment(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    first: dict[str, float] = {}
    for name, batch, chunk in (("whole", small, 0), ("whole", large, 0), ("in parts", large, small)):
        found = alone("step", options.steps, batch=batch, chunk=chunk, splits=splits if chunk else 0, **same)
        first = first or found
        ratio = {"memory over the small batch": round(found["MB"] / first["MB"], 3)}
        row = {"case": f"step, {name}", "batch": batch, "chunk": chunk, **found, **ratio, **same}
        print(json.dumps(row | {"machine": machine}), flush=True)
    for precision in ("float32", "bf16"):
        some = {"batch": 4 * small, "chunk": small}  # in float64 too
        off = alone("gradient", 0, **some, splits=4, precision=precision, view_side=options.view_side)
        print(json.dumps({"case": "gradient in parts", **some, "precision": precision, **off}), flush=True)
    for batch in (small, 4 * small, large):
        for whole in (False, True):
            found = alone("loss", max(5, options.steps), batch=batch, whole=whole)
            row = {"case": "nt_xent, all at once" if whole else "nt_xent, in blocks", "batch": batch, **found}
            print(json.dumps(row | {"machine": machine}), flush=True)


if __name__ == "__main__":
    main()
