# pyright: reportMissingImports=false
"""Images per second of a whole training step: over the bare encoder's, and over lightly's, in one run.

    make bench
    python benchmarks/train.py --rounds 5 --lightly

All contenders take turns in one process at the same precision and memory layout; ratios are taken within a round and
their median stands with quartiles. The bare encoder sees ready float views and a mean as its loss, forward and
backward. The whole step makes the views, runs projector and loss, goes back and lets the optimiser move. lightly's
step has its own transform (from PIL images, 2 loading workers), its own head and loss, our encoder and optimiser.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import version
from typing import Any, cast

import torch
from operator_schemas import declare_torchvision_operators
from PIL import Image
from torch import nn

from contrascope.augment.presets import build_policy
from contrascope.augment.views import make_views
from contrascope.runs.build import build
from contrascope.runs.environment import environment
from contrascope.runs.here import recipe_here
from contrascope.runs.settings import RunSettings
from contrascope.training.optim import build_optimizer

Step = Callable[[int], None]
SIDE, WARM_UP = 32, 3


def rate(step: Step, *, steps: int, batch: int, device: torch.device) -> float:
    for number in range(WARM_UP):
        step(number)
    finish(device)
    start = time.perf_counter()
    for number in range(steps):
        step(number)
    finish(device)
    return steps * batch / (time.perf_counter() - start)


def finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def channels_last(network: nn.Module, device: torch.device) -> None:
    """Moves a network to the device, channels last, in training mode."""
    network.to(device, memory_format=torch.channels_last).train()  # pyright: ignore[reportCallIssue]


class Contenders:
    """The steps, over one set of random images and networks of the same shape."""

    def __init__(self, settings: RunSettings, precision: str, device: torch.device) -> None:
        self.settings, self.device, self.batch = settings, device, settings.training.batch_size
        self.bf16 = precision == "bf16"
        generator = torch.Generator().manual_seed(0)
        shape = (8 * self.batch, 3, SIDE, SIDE)
        self.images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator).to(device)
        self.ids = torch.arange(len(self.images), device=device)
        self.policies = build_policy(settings.policy, channels=3, size=SIDE)
        self.method = build(settings, (3, SIDE, SIDE))
        channels_last(self.method, device)
        self.optimizer = build_optimizer(settings.optim, self.method)
        some, ids = self.images[: self.batch], self.ids[: self.batch]
        self.ready = make_views(some, self.policies, ids=ids, seed=0, epoch=0)[0]

    def arithmetic(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16)

    def whole(self, number: int) -> None:
        low = number % 8 * self.batch
        part = slice(low, low + self.batch)
        views, _ = make_views(self.images[part], self.policies, ids=self.ids[part], seed=0, epoch=number)
        with self.arithmetic():
            total = self.method(views).terms.total
        total.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.method.after_step(0.5)

    def bare(self, number: int) -> None:
        del number
        for view in self.ready:
            with self.arithmetic():
                h = self.method.encoder(view)
            h.float().mean().backward()
        self.method.zero_grad(set_to_none=True)

    def lightly(self, *, workers: int = 2) -> Step:
        """A fresh step: its workers begin with the round and hold no batches made ready in another's turn."""
        declare_torchvision_operators()
        from lightly.loss import NTXentLoss
        from lightly.models.modules.heads import SimCLRProjectionHead

        encoder = build(self.settings, (3, SIDE, SIDE)).encoder
        dim = self.method.encoder(self.ready[0, :2]).shape[1]
        network = nn.Sequential(encoder, SimCLRProjectionHead(dim, 512, 128, batch_norm=False))
        channels_last(network, self.device)
        optimizer = build_optimizer(self.settings.optim, network)
        criterion = NTXentLoss(temperature=0.5)
        side = self.ready.shape[-1]
        batches = iter(lightly_batches(self.images.cpu(), self.batch, side, workers=workers))

        def step(number: int) -> None:
            del number
            views = [view.to(self.device, memory_format=torch.channels_last) for view in next(batches)]
            with self.arithmetic():
                z = [network(view) for view in views]
                loss = criterion(*z)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

        return step


class Endless(torch.utils.data.Dataset[Any]):
    """lightly's two views of each image, over and over."""

    def __init__(self, images: torch.Tensor, side: int) -> None:
        from lightly.transforms import SimCLRTransform

        self.pictures = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images]
        self.transform = SimCLRTransform(input_size=side, cj_strength=0.5, gaussian_blur=0.0, normalize=None)

    def __len__(self) -> int:
        return 1000 * len(self.pictures)

    def __getitem__(self, index: int) -> list[torch.Tensor]:
        return cast(list[torch.Tensor], self.transform(self.pictures[index % len(self.pictures)]))


def lightly_batches(
    images: torch.Tensor, batch: int, side: int, *, workers: int
) -> Iterator[list[torch.Tensor]]:
    return iter(torch.utils.data.DataLoader(Endless(images, side), batch_size=batch, num_workers=workers))


def summary(ratios: list[float]) -> dict[str, Any]:
    quartiles = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios
    return {"median": statistics.median(ratios), "quartiles": quartiles}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", default="cifar10-simclr-cpu")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--view-side", type=int, help="side of the views; unset: the recipe's")
    parser.add_argument("--precision", choices=("bf16", "float32"), default="bf16")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--lightly", action="store_true", help="lightly beside us; `make bench` installs it")
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    settings = recipe_here(options.recipe)
    policy = replace(settings.policy, size=options.view_side or settings.policy.size)
    training = replace(settings.training, batch_size=options.batch)
    settings = replace(settings, training=training, policy=policy)
    contenders = Contenders(settings, options.precision, device)
    rounds: list[dict[str, float]] = []
    for _ in range(options.rounds):
        steps: dict[str, Step] = {"ours": contenders.whole, "bare encoder": contenders.bare}
        if options.lightly:
            steps["lightly"] = contenders.lightly()
        rates = {
            name: rate(step, steps=options.steps, batch=options.batch, device=device)
            for name, step in steps.items()
        }
        rounds.append(rates)
        print(json.dumps({name: round(value, 1) for name, value in rates.items()}), flush=True)
    over = [name for name in rounds[0] if name != "ours"]
    result = {
        "recipe": options.recipe,
        "batch": options.batch,
        "view side": contenders.ready.shape[-1],
        "precision": options.precision,
        "ours over": {name: summary([one["ours"] / one[name] for one in rounds]) for name in over},
        "lightly": version("lightly") if options.lightly else None,
        "environment": environment(device),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
