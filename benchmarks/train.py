"""Images per second of the whole training step over those of the bare encoder's forward and backward.

    python benchmarks/train.py --rounds 5

Both in one process, in turns, at the same precision and memory layout; the median of the rounds' ratios with quartiles.
The bare encoder sees ready float views and a mean as its loss; the whole step makes the views, runs projector and loss,
goes back, and lets the optimiser move.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from contrascope.augment.presets import build_policy
from contrascope.augment.views import make_views
from contrascope.experiments.environment import environment
from contrascope.experiments.recipes import RECIPES
from contrascope.experiments.train import build
from contrascope.training.optim import build_optimizer


def rate(step: Callable[[int], None], *, steps: int, batch: int, device: torch.device) -> float:
    start = time.perf_counter()
    for number in range(steps):
        step(number)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return steps * batch / (time.perf_counter() - start)


def steps_of(
    recipe: str, batch: int, precision: str, device: torch.device
) -> tuple[Callable[[int], None], Callable[[int], None]]:
    settings = RECIPES[recipe].make()
    settings = replace(settings, training=replace(settings.training, batch_size=batch))
    method = build(settings, (3, 32, 32)).to(device, memory_format=torch.channels_last).train()
    optimizer = build_optimizer(settings.optim, method)
    policies = build_policy(settings.policy, channels=3, size=32)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (4 * batch, 3, 32, 32), dtype=torch.uint8, generator=generator).to(device)
    ids = torch.arange(4 * batch, device=device)
    ready, _ = make_views(images[:batch], policies, ids=ids[:batch], seed=0, epoch=0)

    def arithmetic() -> torch.autocast:
        return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")

    def whole(number: int) -> None:
        part = slice((number % 4) * batch, (number % 4 + 1) * batch)
        views, _ = make_views(images[part], policies, ids=ids[part], seed=0, epoch=number)
        with arithmetic():
            total = method(views).terms.total
        total.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        method.after_step(0.5)

    def bare(number: int) -> None:
        del number
        for view in ready:
            with arithmetic():
                h = method.encoder(view)
            h.float().mean().backward()
        method.zero_grad(set_to_none=True)

    return whole, bare


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", default="cifar10-simclr-cpu")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--precision", choices=("bf16", "float32"), default="bf16")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    whole, bare = steps_of(options.recipe, options.batch, options.precision, device)
    for step in (whole, bare):
        rate(step, steps=3, batch=options.batch, device=device)
    rounds = []
    for _ in range(options.rounds):
        ours = rate(whole, steps=options.steps, batch=options.batch, device=device)
        theirs = rate(bare, steps=options.steps, batch=options.batch, device=device)
        rounds.append({"whole": ours, "bare": theirs, "ratio": ours / theirs})
    ratios = [one["ratio"] for one in rounds]
    result = {
        "recipe": options.recipe,
        "batch": options.batch,
        "precision": options.precision,
        "ratio": statistics.median(ratios),
        "quartiles": statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios,
        "rounds": rounds,
        "environment": environment(device),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
