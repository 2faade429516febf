"""Trains the encoders of the bench and embeds what they are judged by; every finished part is read back.

    python benchmarks/verdict_train.py --data FOLDER --out runs/verdict --part 0/2

About 90 trainings of half a minute and 350 encoders of five seconds on one core; `--part I/N` takes every N-th set.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from verdict_broken import newer
from verdict_cases import Case, Truth, cases_of
from verdict_faults import FAULTS, faulted
from verdict_sets import BenchSet, bench_sets, images_of

from contrascope import records
from contrascope.augment.policy import Policy
from contrascope.data.imageset import ImageSet
from contrascope.encoders.build import build_encoder
from contrascope.methods.base import Method
from contrascope.training.loop import fit
from contrascope.training.settings import ScheduleSettings, TrainingSettings
from contrascope.training.views import image_views
from contrascope.training.watch import NonFiniteLossError

TWIN = 1_000_003


@dataclass(frozen=True, kw_only=True)
class Made:
    """An encoder of the bench."""

    name: str
    one: BenchSet
    case: Case
    truth: Truth
    encoder: nn.Module
    projector: nn.Module | None
    stopped: str | None = None


def networks(case: Case, images: ImageSet, seed: int) -> Method:
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(seed)
        channels, height, _ = images.shape
        encoder = build_encoder(case.network, channels=channels, size=height)
        return case.make(encoder)


def policies(one: BenchSet, case: Case, images: ImageSet) -> tuple[Policy, ...]:
    return (case.policies or one.policies)(images.shape[0], images.shape[1])


def weights(method: Method) -> dict[str, Tensor]:
    kept = {f"encoder.{key}": value for key, value in method.encoder.state_dict().items()}
    if method.projector is not None:
        kept |= {f"projector.{key}": value for key, value in method.projector.state_dict().items()}
    return {key: value.detach().clone().contiguous() for key, value in kept.items()}


def train(one: BenchSet, case: Case, seed: int, folder: Path) -> None:
    """Weights after each of the case's epochs, in `folder`."""
    plain, _ = images_of(one)
    images = case.images(plain)
    method = networks(case, images, seed)
    folder.mkdir(parents=True, exist_ok=True)
    began, stopped = time.perf_counter(), None

    def keep(trained: Method, finished: int) -> None:
        if finished in case.epochs:
            save_file(weights(trained), folder / f"{finished}.safetensors")

    keep(method, 0)
    try:
        if case.epochs[-1]:
            _fit(one, case, method, images, seed, folder, keep)
    except NonFiniteLossError as error:
        stopped = str(error)
        save_file(weights(method), folder / f"{case.epochs[-1]}.safetensors")
    seconds = round(time.perf_counter() - began, 1)
    records.write_json(folder / "trained.json", {"stopped": stopped, "seconds": seconds})


def _fit(
    one: BenchSet,
    case: Case,
    method: Method,
    images: ImageSet,
    seed: int,
    folder: Path,
    keep: Callable[[Method, int], None],
) -> None:
    training = TrainingSettings(
        epochs=case.epochs[-1],
        batch_size=min(case.batch, len(images)),
        seed=seed,
        checkpoint_every=10**9,
        log_every=5,
    )
    fit(
        method,
        images,
        image_views(method, policies(one, case, images), images, training),
        run=folder / "run",
        training=training,
        optim=case.optim,
        schedule=ScheduleSettings(warmup_epochs=2.0),
        accelerator=Accelerator(mixed_precision="no"),
        probes=[keep],
    )


def made(one: BenchSet, place: int, out: Path, *, train_missing: bool = True) -> Iterator[Made]:
    """All encoders of a set, trained where they are not yet: snapshots, then faults."""
    images, _ = images_of(one)
    for case in cases_of(one, place, newer()):
        folder = out / "weights" / one.name / case.name.replace(" ", "-").replace("/", "-")
        if not (folder / "trained.json").exists():
            if not train_missing:
                continue
            train(one, case, 0, folder)
        stopped = records.read_json(folder / "trained.json")["stopped"]
        for epoch in case.epochs:
            method = networks(case, images, 0)
            kept = load_file(folder / f"{epoch}.safetensors")
            for name in ("encoder", "projector"):
                part = getattr(method, name)
                if part is not None:
                    part.load_state_dict(
                        {k.removeprefix(f"{name}."): v for k, v in kept.items() if k.startswith(f"{name}.")}
                    )
            method.eval()
            name = f"{one.name}/{case.name}@{epoch}"
            yield Made(
                name=name,
                one=one,
                case=case,
                truth=case.truth,
                encoder=method.encoder,
                projector=method.projector,
                stopped=stopped if epoch == case.epochs[-1] else None,
            )
            if case.truth == "none" and epoch == case.epochs[-1]:
                yield from _changed(name, one, case, method, images, place)


def _changed(
    name: str, one: BenchSet, case: Case, method: Method, images: ImageSet, place: int
) -> Iterator[Made]:
    """A sixth of the changes after training on each method's last encoder, so that each stands once a set or so."""
    some = next(images.batches(torch.arange(256), 256))[1].float() / 255
    order = ("simclr", "moco", "barlow-twins", "simsiam", "byol", "vicreg")
    for at, fault in enumerate(FAULTS):
        if (at + place) % len(order) == order.index(case.name) and not (fault.colour and one.gray):
            with torch.no_grad():
                encoder = faulted(fault, method.encoder, some)
            yield Made(
                name=f"{name}/{fault.name}",
                one=one,
                case=case,
                truth=fault.truth,
                encoder=encoder,
                projector=None,
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the photographs' sets in hub layout")
    parser.add_argument("--out", type=Path, default=Path("runs/verdict"))
    parser.add_argument("--part", default="0/1", help="every N-th set from the I-th: I/N")
    options = parser.parse_args()
    part, parts = map(int, options.part.split("/"))
    for place, one in enumerate(bench_sets(options.data)):
        if place % parts == part:
            for encoder in made(one, place, options.out):
                print(encoder.name, flush=True)


if __name__ == "__main__":
    main()
