"""Which label-free number tells that a continued training has lost what its encoder could?

    python benchmarks/forgetting.py mnist cifar10 ... > rows.jsonl      # images of ../shared/data

An encoder is trained on some images (by classes, or by SimCLR), then continued by SimCLR at learning rates from far
too small to far too large. Each row holds the kNN accuracy of start, continued encoder and random weights on test
images, and what `forgetting` says of the same images without a label. `lost`: the share of the start's lead over random
weights that is gone. The cuts were chosen on cifar10 and mnist; flowers and caltech were left out.
"""

import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save_file
from torch import nn

from contrascope.augment.settings import PolicySettings
from contrascope.data.imageset import ImageSet
from contrascope.data.memory import images_from
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.data.sources.memory import NAME
from contrascope.diagnosis.checks.forgetting import forgetting
from contrascope.diagnosis.exhibits import Exhibits, Networks, ShownRows, exhibits, show
from contrascope.diagnosis.settings import MonitorSettings
from contrascope.encoders.encoder import Encoder
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.errors import InputError
from contrascope.evaluation.knn import KNNClassifier
from contrascope.exports.blueprint import trunk_tensors
from contrascope.features.embed import embed
from contrascope.jobs.train import train
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.runs.build import build
from contrascope.runs.load import load_run, policies_for
from contrascope.runs.settings import RunSettings
from contrascope.training.settings import OptimSettings, ScheduleSettings, TrainingSettings

SHARED = Path(os.environ.get("SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
SETS = {
    "mnist": ("mnist", 20, "digits"),
    "cifar10": ("cifar10-exact-5k", 16, "simclr-cifar"),
    "caltech": ("caltech101-32", 16, "simclr-cifar"),
    "flowers": ("flowers102-part-64", 16, "simclr-cifar"),
}
RATES = (1e-4, 1e-3, 3e-3, 1e-2, 0.03, 0.1, 0.3)
IMAGES, TESTS = 1200, 500


def open_set(name: str) -> tuple[ImageSet, ImageSet, str]:
    folder, size, policy = SETS[name]
    settings = DataSettings(source=str(SHARED / folder), size=size)
    images = open_images(settings)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    try:
        test = open_images(replace(settings, split="test"))
        tests = torch.randperm(len(test), generator=torch.Generator().manual_seed(0))[:TESTS].sort().values
        return images.select(order[:IMAGES].sort().values), test.select(tests), policy
    except InputError:
        cut = len(images) * 3 // 4
        return (
            images.select(order[: min(cut, IMAGES)].sort().values),
            images.select(order[cut : cut + TESTS].sort().values),
            policy,
        )


def settings_for(policy: str, *, lr: float, epochs: int, weights: str | None, seed: int) -> RunSettings:
    return RunSettings(
        data=DataSettings(source=NAME),
        policy=PolicySettings(name=policy),
        encoder=EncoderSettings(name="convnet", width=8, weights=weights),
        method=SimCLRSettings(temperature=0.5, projector=ProjectorSettings(hidden=(128,), out=64)),
        training=TrainingSettings(epochs=epochs, batch_size=100, seed=seed, threads=1),
        optim=OptimSettings(name="adamw", lr=lr, weight_decay=1e-4),
        schedule=ScheduleSettings(warmup_epochs=0.5),
        monitor=MonitorSettings(times=0),
    )


def labels_of(images: ImageSet) -> torch.Tensor:
    assert images.y is not None
    return images.y


def by_classes(encoder: Encoder, images: ImageSet, *, epochs: int, seed: int) -> None:
    torch.manual_seed(seed)
    y = labels_of(images)
    head = nn.Linear(encoder.dim, int(y.max()) + 1)
    optim = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], lr=2e-3)
    encoder.train()
    for _ in range(epochs):
        for ids in torch.randperm(len(images)).split(64):
            pixels = images.gather(ids).float() / 255
            loss = nn.functional.cross_entropy(head(encoder(pixels)), y[ids])
            optim.zero_grad()
            loss.backward()
            optim.step()
    encoder.eval()


def accuracy(encoder: nn.Module, images: ImageSet, test: ImageSet) -> float:
    learn, held = (embed(encoder, None, one) for one in (images, test))
    found = KNNClassifier(k=20, temperature=0.1).fit(learn.h[0], labels_of(images))
    return float((torch.as_tensor(found.predict(held.h[0])) == labels_of(test)).double().mean())


def cases(name: str) -> None:
    images, test, policy = open_set(name)
    bare = images_from(images.gather(torch.arange(len(images))))
    shown_on = exhibits(test, policies_for(PolicySettings(name=policy), test), seed=0)
    for kind in ("classes", "simclr"):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            plain = settings_for(policy, lr=2e-3, epochs=8, weights=None, seed=0)
            start, twin = (cast(Encoder, build(plain, images.shape, seed=seed).encoder) for seed in (0, 99))
            for one in (start, twin):
                one.eval()
            if kind == "classes":
                by_classes(start, images, epochs=6, seed=0)
            else:
                train(plain, folder / "start", images=bare)
                start = cast(Encoder, load_run(folder / "start").encoder)
            weights = folder / "start.safetensors"
            save_file(trunk_tensors(start), weights)
            before, random = accuracy(start, images, test), accuracy(twin, images, test)
            shown, drawn = (show(Networks(encoder=one), shown_on) for one in (start, twin))
            for rate in RATES:
                asked = settings_for(policy, lr=rate, epochs=3, weights=str(weights), seed=1)
                train(asked, folder / f"lr-{rate}", images=bare)
                encoder = load_run(folder / f"lr-{rate}").encoder
                now = accuracy(encoder, images, test)
                row = {"set": name, "start": kind, "lr": rate, "before": before, "now": now, "random": random}
                row["lost"] = round((before - now) / max(1e-9, before - random), 3)
                found = measures(show(Networks(encoder=encoder), shown_on), shown, drawn, shown_on)
                print(json.dumps(row | found), flush=True)


def measures(now: ShownRows, start: ShownRows, random: ShownRows, shown_on: Exhibits) -> dict[str, Any]:
    """The word and the numbers."""
    found = forgetting(now, start, random.h[0], shown_on, draws=0)
    numbers = {"kept": found.kept, "neighbours": found.neighbours}
    gains = {"own": found.own, "standard": found.standard}
    return {
        "word": found.word,
        "rank": found.rank,
        **{name: None if one is None else round(one.value, 4) for name, one in numbers.items()},
        **{name: None if one is None else round(one.odds.value, 4) for name, one in gains.items()},
    }


if __name__ == "__main__":
    for name in sys.argv[1:]:
        cases(name)
