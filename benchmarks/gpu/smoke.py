"""Call 1, a minute on an H100: does everything run on a GPU, and with which bits?

    python benchmarks/gpu/smoke.py

`draws`: integers and uniform numbers have to equal the CPU's bit for bit. `views`: share of pixels that equal the
CPU's, and the largest difference. `precisions`: one step's loss and gradient in bf16 against float32. `resume`: a run
in two pieces against one in a piece. `tests`: those with the mark `gpu`. The last line on stdout is JSON.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault(
    "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
)  # before CUDA begins: matrix products in a fixed order

import torch
from line import Line, arguments, call, where

from contrascope.augment.presets import build_policy
from contrascope.augment.settings import PolicySettings
from contrascope.augment.views import make_views
from contrascope.data.imageset import InMemoryImages
from contrascope.draws import DrawKey, normal, uniform, words
from contrascope.jobs.train import train
from contrascope.runs.build import build
from contrascope.runs.load import open_run
from contrascope.runs.recipes import find_recipe
from contrascope.runs.settings import RunSettings

ROOT = Path(__file__).resolve().parents[2]
POLICIES = ("simclr", "huang-2023", "byol")
SIDE = 32


def byte_images(count: int, *, side: int = SIDE) -> torch.Tensor:
    """Smooth drawn pictures, the same everywhere."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, 8, 8, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=side, mode="bicubic").clamp(0, 1)
    return (smooth * 255).to(torch.uint8)


def gpu_tests() -> dict[str, Any]:
    """How many of the tests with the mark `gpu` pass, are skipped and fail."""
    files = [
        p for p in sorted((ROOT / "tests").rglob("test_*.py")) if "mark.gpu" in p.read_text(encoding="utf-8")
    ]
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-rf", *map(str, files)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=_environment())
    told = done.stdout + done.stderr
    counts = {
        word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|skipped|errors?)", told)
    }
    names = re.findall(r"^(?:FAILED|ERROR) \S*?([^/\s]+)(?: - .*)?$", told, flags=re.MULTILINE)
    if done.returncode:
        raise RuntimeError(f"pytest ended with {done.returncode}: {counts} {names} {told[-600:]}")
    return {"files": len(files), **counts}


def _environment() -> dict[str, str]:
    source = str(ROOT / "src")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))}


def draws(device: torch.device, count: int) -> dict[str, Any]:
    """Words, uniform numbers and crops' boxes have to be equal; of normal numbers one in 10**8 may differ."""
    ids = torch.arange(count)
    here, there = (DrawKey(seed=9, epoch=1, ids=ids.to(one)) for one in (torch.device("cpu"), device))
    found: dict[str, Any] = {
        "words_equal": torch.equal(words(here, 8), words(there, 8).cpu()),
        "uniform_equal": torch.equal(uniform(here, 8), uniform(there, 8).cpu()),
        "normal_different": int((normal(here, 4) != normal(there, 4).cpu()).sum()),
    }
    for name in POLICIES:
        ops = build_policy(PolicySettings(name=name), channels=3, size=SIDE)[0]
        one, other = ops.draw(here, (3, SIDE, SIDE)), ops.draw(there, (3, SIDE, SIDE))
        pairs = [(a[key], b[key].cpu()) for a, b in zip(one, other, strict=True) for key in a]
        found[f"{name}_different"] = sum(int((a != b).sum()) for a, b in pairs)
    if not (found["words_equal"] and found["uniform_equal"]):
        raise RuntimeError(f"keyed draws differ between CPU and GPU: {found}")
    return found


def views(device: torch.device, count: int) -> dict[str, Any]:
    """Pixels that are equal, and the largest difference: of resampling and blur the last bits may differ."""
    images, ids, found = byte_images(count), torch.arange(count), {}
    for name in POLICIES:
        policies = build_policy(PolicySettings(name=name), channels=3, size=SIDE)
        here, _ = make_views(images, policies, ids=ids, seed=0, epoch=3)
        there, _ = make_views(images.to(device), policies, ids=ids.to(device), seed=0, epoch=3)
        gap = (here - there.cpu()).abs()
        found[name] = {
            "equal_share": round((gap == 0).float().mean().item(), 6),
            "largest_difference": gap.max().item(),
            "views_beyond_1e-5": int((gap.flatten(2).amax(2) > 1e-5).sum()),
        }
    return found


def small(dry: bool) -> RunSettings:
    """SimCLR on 32 px: the GPU's recipe, or a tiny network."""
    settings = find_recipe("cifar10-simclr").make()
    encoder = replace(settings.encoder, name="convnet", width=4) if dry else settings.encoder
    training = replace(
        settings.training, batch_size=16 if dry else 128, precision="float32", checkpoint_every=0
    )
    return replace(settings, encoder=encoder, training=training)


def precisions(device: torch.device, dry: bool) -> dict[str, float]:
    """Loss in float32 and bf16 from the same weights and views, and the cosine of the two gradients."""
    settings, losses, slopes = small(dry), {}, []
    batch = settings.training.batch_size
    policies = build_policy(settings.policy, channels=3, size=SIDE)
    ids = torch.arange(batch, device=device)
    pair, _ = make_views(byte_images(batch).to(device), policies, ids=ids, seed=0, epoch=0)
    for precision in ("float32", "bf16"):
        method = build(settings, (3, SIDE, SIDE)).to(device).train()
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
            total = method(pair).terms.total
        total.backward()
        losses[precision] = total.item()
        slopes.append(
            torch.cat([p.grad.flatten().float() for p in method.parameters() if p.grad is not None])
        )
    return {**losses, "cosine_of_gradients": torch.cosine_similarity(slopes[0], slopes[1], dim=0).item()}


def resume(device: torch.device, dry: bool) -> dict[str, Any]:
    """Weights after two epochs in one piece and in two, with torch's deterministic algorithms."""
    settings = small(dry)
    batch = settings.training.batch_size
    training = replace(settings.training, epochs=2, log_every=1)
    monitor, geometry = replace(settings.monitor, times=0), replace(settings.geometry, times=0)
    settings = replace(settings, training=training, monitor=monitor, geometry=geometry)
    settings = replace(settings, protocol=replace(settings.protocol, probes=("knn",), k=3))
    count = (1 if dry else 4) * batch
    images = InMemoryImages(images=byte_images(count), labels=torch.arange(count) % 3)
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with tempfile.TemporaryDirectory() as folder:
            one, two = Path(folder) / "one", Path(folder) / "two"
            train(settings, one, images=images, device=device)
            train(settings, two, images=images, device=device, until=1)
            train(settings, two, images=images, device=device, resume=True)
            a, b = (open_run(run).method.state_dict() for run in (one, two))
    finally:
        torch.use_deterministic_algorithms(before)
    gaps = {name: (a[name].double() - b[name].double()).abs().max().item() for name in a if a[name].numel()}
    worst = max(gaps, key=lambda name: gaps[name])
    return {"equal": gaps[worst] == 0, "largest_difference": gaps[worst], "of": worst}


def measure(line: Line, options: argparse.Namespace) -> None:
    device, dry = where(), line.dry
    line.part("draws", lambda: draws(device, 100 if dry else 10_000))
    line.part("views", lambda: views(device, 16 if dry else 2048))
    line.part("precisions", lambda: precisions(device, dry))
    line.part("resume", lambda: resume(device, dry), needs=10)
    line.part("tests", gpu_tests, needs=15)


if __name__ == "__main__":
    call("smoke", arguments(__doc__, minutes=1).parse_args(), measure)
