"""Embeds the trained encoders of the bench: their own views, the standard ones, baits, and labelled images.

python benchmarks/verdict_embed.py --data FOLDER --out runs/verdict --part 0/2
"""

import argparse
import zlib
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from verdict_sets import BenchSet, bench_sets, images_of
from verdict_train import TWIN, Made, made, networks, policies

from contrascope import records
from contrascope.augment.policy import Policy
from contrascope.diagnosis.exhibits import FixedViews, Networks, embed_views, fixed_views
from contrascope.diagnosis.standard_views import shuffled_pixels, standard_policies

VIEWS, STANDARD = 4, 512
"""Views under the own policy; images under the standard ones."""


def file_of(out: Path, name: str) -> Path:
    return out / "features" / f"{name.replace(' ', '-').replace('/', '_')}.safetensors"


@cache
def standard_views(one: BenchSet) -> dict[str, FixedViews]:
    some = images_of(one)[1].select(torch.arange(min(STANDARD, len(images_of(one)[1]))))
    battery = standard_policies(some.shape[0])
    return {name: fixed_views(some, (policy,), num_views=2) for name, policy in battery.items()}


def clean(one: BenchSet) -> tuple[Tensor, Tensor]:
    """Learnt and measured images as they are, in [0, 1]."""
    bank, test = (
        torch.cat([p for _, p in images.batches(torch.arange(len(images)), 512)]).float() / 255
        for images in images_of(one)
    )
    return bank, test


def embed_all(networks: Networks, one: BenchSet, own: FixedViews) -> dict[str, Tensor]:
    """All rows of one encoder; several views are `views.h` [views n dim], others [n dim]."""
    h, z = embed_views(networks, own)
    found = {"own": h} | ({} if z is None else {"own z": z})
    encoder = Networks(encoder=networks.encoder)
    for name, views in standard_views(one).items():
        found[name] = embed_views(encoder, views)[0]
    baits = {"bait own": own.images[0], "bait crop": standard_views(one)["crop"].images[0]}
    baits = {name: shuffled_pixels(pixels[:STANDARD]) for name, pixels in baits.items()}
    bank, test = clean(one)
    for name, pixels in (baits | {"bank": bank, "test": test}).items():
        found[name] = embed_views(encoder, FixedViews(images=pixels[None]))[0][0]
    return {name: rows.contiguous() for name, rows in found.items()}


def embed_one(made: Made, out: Path) -> None:
    one, train = made.one, images_of(made.one)[0]
    own_policies = policies(one, made.case, train)
    own = own_views(one, own_policies)
    twin = networks(made.case, train, TWIN).eval()
    settings = "-".join((type(twin).__name__, own_policies[0].name, str(made.case.settings)))
    twin_name = f"{one.name}/twin {zlib.crc32(settings.encode()):08x}"
    twin_file = file_of(out, twin_name)
    if not twin_file.exists():
        _save(embed_all(Networks(encoder=twin.encoder, projector=twin.projector), one, own), twin_file)
    _save(
        embed_all(Networks(encoder=made.encoder, projector=made.projector), one, own), file_of(out, made.name)
    )
    facts = {
        "name": made.name,
        "set": one.name,
        "case": made.case.name,
        "truth": made.truth,
        "stopped": made.stopped,
        "twin": twin_file.name,
        "policy": own_policies[0].name,
    }
    records.write_json(file_of(out, made.name).with_suffix(".json"), facts)


@cache
def own_views(one: BenchSet, own_policies: tuple[Policy, ...]) -> FixedViews:
    return fixed_views(images_of(one)[1], own_policies, num_views=VIEWS)


def _save(rows: dict[str, Tensor], file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".part")
    save_file(rows, partial)
    partial.rename(file)


def of_set(one: BenchSet, out: Path) -> None:
    """Images and labels of a set, for what is measured beside the encoders."""
    train, test = images_of(one)
    bank, shown = clean(one)
    assert train.y is not None
    assert test.y is not None
    own = own_views(one, one.policies(train.shape[0], train.shape[1]))
    rows = {"bank": bank, "test": shown, "bank y": train.y, "test y": test.y, "own": own.images}
    rows |= {name: views.images for name, views in standard_views(one).items()}
    _save({name: part.contiguous() for name, part in rows.items()}, file_of(out, f"{one.name}/images"))


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
            if not file_of(options.out, f"{one.name}/images").exists():
                of_set(one, options.out)
            for encoder in made(one, place, options.out, train_missing=False):
                if not file_of(options.out, encoder.name).with_suffix(".json").exists():
                    embed_one(encoder, options.out)
                    print(encoder.name, flush=True)


if __name__ == "__main__":
    main()
