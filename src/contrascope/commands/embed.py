"""contrascope embed: features of images, to a file."""

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import tyro

from contrascope.commands.command import DONE, Command, Computing
from contrascope.data.settings import DataSettings
from contrascope.terminal.help import shown
from contrascope.terminal.progress import CommandProgress


@dataclass(frozen=True, kw_only=True)
class EmbedArguments(Computing):
    """Write the features of images to a file, each row with the name of its image.

    The file's ending says how: .safetensors, .npz, .npy (numbers alone), .parquet or .csv.
    """

    encoder: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN_OR_ENCODER")]
    """A run's folder, or an encoder: resnet18, timm:NAME, hf:NAME, torchvision:NAME, package.module:Object."""
    source: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
    """The images: digits, scenes, shapes, a folder, an array file, or a name on the hub."""
    out: Path
    """The file to write."""
    data: DataSettings = field(default_factory=DataSettings)


def run(parsed: EmbedArguments, progress: CommandProgress) -> int:
    """Embed and print the file."""
    from contrascope.jobs.embed import embed_to_file
    from contrascope.machine.device import find_device

    where = embed_to_file(
        parsed.encoder,
        replace(parsed.data, source=parsed.source),
        parsed.out,
        device=find_device(parsed.device),
        progress=progress.counter("images embedded"),
        say=progress.say,
    )
    sys.stdout.write(f"{where}\n")
    return DONE


COMMAND = Command(
    name="embed",
    group="use",
    words="RUN_OR_ENCODER DATA --out FILE",
    summary="write h, z, labels and names of images to a file",
    arguments=EmbedArguments,
    run=run,
    shown=(
        shown("--out", "file to write: .safetensors, .npz, .npy, .parquet or .csv"),
        shown("--data.split", "split of the images; all joins them"),
        shown("--data.size", "side in px to bring images to", "the run's, or as they are"),
        shown("--data.labels", "label columns to keep, by commas", "all"),
        shown("--data.on-bad-image", "what a broken image does: error or skip"),
        shown("--device", "cpu, cuda, cuda:1 or mps", "the first GPU, or the CPU"),
    ),
    examples=(
        "contrascope embed runs/my-run ~/photos --out features.safetensors",
        "contrascope embed runs/my-run ~/photos --data.labels none --out features.parquet",
        "contrascope embed timm:resnet18 uoft-cs/cifar10 --data.split test --out test.npz",
    ),
)
