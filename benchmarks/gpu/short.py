"""Call 3, four minutes on an H100: what kNN a minute of training brings, and how long the papers' values would take.

    python benchmarks/gpu/short.py --images FOLDER_OR_NPZ

`cifar10-simclr` tuned for time (`--recipe paper`: as it is) for as many epochs as fit: two epochs are timed first, and
the schedule is made for what is left. kNN on the test images after each 10 epochs and at the end (k 200, temperature
0.1 as the protocol has it). `to_85` and `to_89.76`: seconds of training until then, measured where kNN came so far,
else extrapolated: a line in log2(seconds) by least squares through the points of the run's second half, followed to
the value; null where it does not rise. A cosine schedule ends in a rise that a longer run takes later, so this
flatters. `beyond` says how many times as long as the measured run it is: above 4 it is a guess. Images: a source with
splits train and test and a column `label`, as `--data.source` takes it. The last line on stdout is JSON.
"""

import argparse
import contextlib
import math
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from line import Line, Missing, arguments, call, say, synchronise, where

from contrascope.data.imageset import ImageSet, InMemoryImages
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.evaluation.knn import KNNClassifier
from contrascope.features.embed import embed
from contrascope.methods.base import Method
from contrascope.runs.build import build
from contrascope.runs.load import policies_for, views_for
from contrascope.runs.recipes import find_recipe
from contrascope.runs.settings import RunSettings
from contrascope.training.device import accelerator_on
from contrascope.training.interrupt import StoppedError
from contrascope.training.loop import fit
from contrascope.training.probe import Finding

TARGETS = (85.0, 89.76)
"""Percent kNN: a usual mark, and the value of SimCLR on CIFAR-10 in Huang et al. 2023 (arXiv:2111.00743)."""
EVERY, NEVER = 10, 10**9
ENDING = 15.0
"""Seconds kept for the last kNN and the line."""
Point = tuple[int, float, float]
"""Epoch, seconds of training until then, percent kNN."""


def tuned(settings: RunSettings) -> RunSettings:
    """For time: a larger batch, Muon and its rate as in the recipes for a CPU, a narrow projector, compiled."""
    projector = replace(settings.method.projector, hidden=(512,), out=128)  # pyright: ignore[reportAttributeAccessIssue]
    muon = find_recipe("cifar10-simclr-cpu").make().optim
    return replace(
        settings,
        method=replace(settings.method, projector=projector),
        training=replace(settings.training, batch_size=1024, compile=True),
        optim=muon,
        schedule=replace(settings.schedule, warmup_epochs=1.0),
    )


def settings_for(recipe: str, dry: bool) -> RunSettings:
    """The run's settings but for its epochs; nothing is saved or watched on the way."""
    settings = find_recipe("cifar10-simclr").make()
    settings = tuned(settings) if recipe == "tuned" else settings
    quiet = {"checkpoint_every": NEVER, "log_every": 50, "probe_every": 0}
    settings = replace(settings, training=replace(settings.training, **quiet))
    if not dry:
        return settings
    small = {"batch_size": 16, "precision": "float32", "compile": False}
    encoder = replace(settings.encoder, name="convnet", width=4)
    return replace(settings, encoder=encoder, training=replace(settings.training, **small))


@dataclass
class Clocked:
    """Times the training without its own work, measures kNN now and then, and stops when time is up."""

    line: Line
    train: ImageSet
    test: ImageSet
    k: int
    temperature: float
    epochs: int
    points: list[Point] = field(default_factory=list)
    epoch_ends: list[float] = field(default_factory=list)
    measuring: float = 0.0
    begin: float = field(default_factory=time.monotonic)

    def __call__(self, method: Method, finished: int) -> Finding | None:
        synchronise()
        now = time.monotonic()
        spent = now - self.begin - self.measuring
        self.epoch_ends.append(spent)
        up = not self.line.dry and self.line.left() < ENDING
        if finished % EVERY == 0 or finished == self.epochs or up:
            self.points.append((finished, round(spent, 2), self.knn(method)))
            say({"epoch": finished, "seconds": round(spent, 2), "knn": self.points[-1][2]})
        self.measuring += time.monotonic() - now
        return Finding(stop=True, alarm="the call's time is up") if up and finished < self.epochs else None

    def knn(self, method: Method) -> float:
        """Percent of the test images that get their class."""
        device = next(method.parameters()).device
        bank, query = (embed(method.encoder, None, one, device=device) for one in (self.train, self.test))
        judge = KNNClassifier(k=min(self.k, len(self.train)), temperature=self.temperature)
        judge.fit(bank.h[0].to(device), bank.y["label"])
        hits = torch.from_numpy(judge.predict(query.h[0].to(device))) == query.y["label"]
        return round(100 * hits.double().mean().item(), 2)


def run(settings: RunSettings, clock: Clocked) -> list[Point]:
    """Trains for the clock's epochs, or until it stops."""
    device = where()
    training = replace(settings.training, epochs=clock.epochs)
    settings = replace(settings, training=training)
    method = build(settings, clock.train.shape)
    views = views_for(settings, method, clock.train)
    with tempfile.TemporaryDirectory() as folder:
        clock.begin = time.monotonic()
        with contextlib.suppress(StoppedError):
            fit(
                method,
                clock.train,
                views,
                run=Path(folder),
                training=training,
                optim=settings.optim,
                schedule=settings.schedule,
                accelerator=accelerator_on(device),
                probes=(clock,),
            )
    return clock.points


def reached(points: list[Point], target: float) -> dict[str, Any] | None:
    """Seconds to a value: measured, by a line between two points, or extrapolated as the top of this file says."""
    for number, (_, seconds, value) in enumerate(points):
        if value >= target:
            if number == 0:
                return {"seconds": seconds, "how": "measured, at the first point or before"}
            _, before, low = points[number - 1]
            share = (target - low) / (value - low)
            return {"seconds": round(before + share * (seconds - before), 1), "how": "measured"}
    half = [(math.log2(s), v) for _, s, v in points if s >= points[-1][1] / 2] if points else []
    if len(half) < 2:
        return None
    mean_x, mean_y = (sum(column) / len(half) for column in zip(*half, strict=True))
    slope = sum((x - mean_x) * (y - mean_y) for x, y in half) / sum((x - mean_x) ** 2 for x, _ in half)
    if slope <= 0:
        return None
    doublings = mean_x + (target - mean_y) / slope
    if doublings > 40:
        return None
    seconds = 2**doublings
    return {
        "seconds": round(seconds, 1),
        "how": "extrapolated",
        "points": len(half),
        "percent_a_doubling": round(slope, 2),
        "beyond": round(seconds / points[-1][1], 1),
    }


def both_parts(source: str | None, dry: bool) -> tuple[ImageSet, ImageSet]:
    """Training and test images on the device; of a dry run drawn ones."""
    device = where()
    if dry:
        images = torch.randint(
            0, 256, (48, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
        )
        drawn = InMemoryImages(images=images, labels=torch.arange(48) % 3)
        return drawn.to(device), drawn.select(torch.arange(12)).to(device)
    if source is None:
        raise Missing("no images: give --images (docs/gpu.md)")
    parts = (
        open_images(DataSettings(source=source, split=split, labels="label")) for split in ("train", "test")
    )
    train, test = (part.to(device) for part in parts)
    return train, test


def measure(line: Line, options: argparse.Namespace) -> None:
    settings = settings_for(options.recipe, line.dry)
    parts: list[tuple[ImageSet, ImageSet]] = []

    def opened() -> dict[str, Any]:
        parts.append(both_parts(options.images, line.dry))
        train, test = parts[0]
        policies_for(settings.policy, train)
        return {"train": len(train), "test": len(test), "fingerprint": train.fingerprint}

    line.found |= {"recipe": options.recipe, "batch": settings.training.batch_size}
    if line.part("images", opened) is None:
        return
    protocol = {"k": settings.protocol.k, "temperature": settings.protocol.temperature}

    def clock(epochs: int) -> Clocked:
        return Clocked(line, *parts[0], epochs=epochs, **protocol)

    def pace() -> dict[str, float]:
        trial = clock(1 if line.dry else 2)
        trial.k, spent = 1, run(settings, trial)
        ends = trial.epoch_ends
        return {
            "first_epoch_s": round(ends[0], 2),
            "epoch_s": ends[-1] - (ends[-2] if len(ends) > 1 else 0.0),
            "knn_s": round(trial.measuring, 2),
            "points": len(spent),
        }

    found = line.part("pace", pace)
    if found is None:
        return
    each = found["epoch_s"] + found["knn_s"] / EVERY
    epochs = 1 if line.dry else max(1, int((line.left() - 2 * ENDING) / each))
    line.found["epochs"] = epochs
    points = line.part("knn", lambda: run(settings, clock(epochs)), needs=30) or []
    for target in TARGETS:
        line.found[f"to_{target:g}"] = reached(points, target)


if __name__ == "__main__":
    parser = arguments(__doc__, minutes=4)
    parser.add_argument("--images", help="CIFAR-10: a folder in hub layout or an .npz with train and test")
    parser.add_argument("--recipe", choices=("tuned", "paper"), default="tuned")
    call("short", parser.parse_args(), measure)
