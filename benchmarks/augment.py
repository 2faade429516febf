# pyright: reportMissingImports=false
"""Views per second, side by side: ours, torchvision's per-image PIL pipeline, kornia's batched one.

    OMP_NUM_THREADS=1 python benchmarks/augment.py --sides 32 96 224 --out augment.json

The policy is `acde` (crop, colour dropping, colour distortion, flip) from bytes to float views. The
contenders take turns within one process on one core; each figure is the median of the rounds with its
quartiles, ratios are medians of the ratios within a round, so that a slow moment hits both.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from operator_schemas import declare_torchvision_operators
from PIL import Image

from contrascope.augment import make_views, policy

IMAGES = {32: 512, 96: 128, 224: 32}
VIEWS = 2


def ours(images: torch.Tensor) -> Callable[[int], torch.Tensor]:
    ids, chosen = torch.arange(len(images)), policy("acde")
    return lambda epoch: make_views(images, chosen, ids=ids, seed=0, epoch=epoch, num_views=VIEWS)[0]


def torchvision_pil(images: torch.Tensor) -> Callable[[int], torch.Tensor]:
    declare_torchvision_operators()
    import torchvision.transforms as T

    transform = T.Compose(
        [
            T.RandomResizedCrop(images.shape[-1]),
            T.RandomGrayscale(0.2),
            T.RandomApply([T.ColorJitter(0.4, 0.4, 0.4, 0.1)], 0.8),
            T.RandomHorizontalFlip(),
            T.ToTensor(),
        ]
    )
    pictures = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images]
    return lambda epoch: torch.stack(
        [torch.as_tensor(transform(picture)) for _ in range(VIEWS) for picture in pictures]
    )


def kornia_batched(images: torch.Tensor) -> Callable[[int], torch.Tensor]:
    import kornia.augmentation as K

    side = images.shape[-1]
    transform = torch.nn.Sequential(
        K.RandomResizedCrop((side, side), scale=(0.08, 1.0)),
        K.RandomGrayscale(p=0.2),
        K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
        K.RandomHorizontalFlip(),
    )
    return lambda epoch: torch.stack([transform(images / 255) for _ in range(VIEWS)])


CONTENDERS = {"contrascope": ours, "torchvision-pil": torchvision_pil, "kornia": kornia_batched}


def quartiles(values: list[float]) -> dict[str, float]:
    low, middle, high = statistics.quantiles(values, n=4)
    return {"median": round(middle, 2), "low": round(low, 2), "high": round(high, 2)}


def measure(side: int, rounds: int, names: list[str]) -> dict[str, object]:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(IMAGES.get(side, 32), 3, 8, 8, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=side, mode="bicubic").clamp(0, 1)
    images = (smooth * 255).to(torch.uint8)
    run = {name: CONTENDERS[name](images) for name in names}
    for warm_up in range(2):
        for name in names:
            run[name](warm_up)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for epoch in range(rounds):
        for name in names:
            start = time.perf_counter()
            run[name](epoch)
            seconds[name].append(time.perf_counter() - start)
    views = VIEWS * len(images)
    mine = seconds["contrascope"]
    return {
        "side": side,
        "images": len(images),
        "views_per_second": {name: quartiles([views / s for s in seconds[name]]) for name in names},
        "ratio": {
            name: quartiles([other / own for other, own in zip(seconds[name], mine, strict=True)])
            for name in names
            if name != "contrascope"
        },
    }


def versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "processor": platform.processor() or platform.machine()}
    for package in ("torch", "torchvision", "kornia", "pillow"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sides", type=int, nargs="+", default=[32, 96, 224])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=None)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    packages = versions()
    needs = {"contrascope": "torch", "torchvision-pil": "torchvision", "kornia": "kornia"}
    names = [name for name in CONTENDERS if packages[needs[name]] != "absent"]
    result = {
        "policy": "acde",
        "threads": args.threads,
        "rounds": args.rounds,
        "versions": packages,
        "results": [measure(side, args.rounds, names) for side in args.sides],
    }
    text = json.dumps(result, indent=2)
    print(text)
    if args.out is not None:
        args.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
