"""contrascope embed: features of images, to a file."""

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from contrascope.commands.command import DONE, Command, Computing
from contrascope.commands.engine import EngineArguments
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError
from contrascope.terminal.help import shown
from contrascope.terminal.progress import CommandProgress

if TYPE_CHECKING:
    from contrascope.jobs.embed_stream import Finish


@dataclass(frozen=True, kw_only=True)
class EmbedArguments(EngineArguments, Computing):
    """Write the features of images to a file, each row with the name of its image.

    The file's ending says how: .safetensors, .npz, .npy (numbers alone), .parquet or .csv. Without an ending it is a
    folder of Parquet files, for very many images: they are written as they come, in memory that does not grow, and
    asked again it goes on where it stopped.
    """

    encoder: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN_OR_ENCODER")]
    """A run's folder, an exported encoder's, or a name: resnet18, timm:NAME, hf:NAME, torchvision:NAME,
    package.module:Object."""
    source: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
    """The images: digits, scenes, shapes, a folder, an array file, or a name on the hub."""
    out: Path
    """The file to write; a folder of Parquet files if it has no ending."""
    shard_rows: int = 10_000
    """Images of a Parquet file where --out is a folder; brought to whole batches."""
    data: DataSettings = field(default_factory=DataSettings)


def run(parsed: EmbedArguments, progress: CommandProgress) -> int:
    """Embed and print the file or the folder."""
    from contrascope.jobs.embed import embed_to_file
    from contrascope.jobs.embed_stream import embed_to_shards
    from contrascope.machine.device import find_device

    data, out = replace(parsed.data, source=parsed.source), parsed.out.expanduser()
    on_ray = parsed.on_ray(parsed.device)
    told: dict[str, Any] = {
        "device": parsed.ray_settings().device if on_ray else find_device(parsed.device),
        "progress": progress.counter("images embedded"),
        "say": progress.say,
    }
    if out.suffix and on_ray:
        raise InputError(f"the engine ray writes a folder; expected --out without an ending, not {out.name}.")
    if out.suffix:
        where = embed_to_file(parsed.encoder, data, out, **told)
    else:
        told |= {"rows": parsed.shard_rows, "finish": _pool(parsed, data) if on_ray else None}
        try:
            where = embed_to_shards(parsed.encoder, data, out, **told)
        except KeyboardInterrupt as stop:
            more = f"The files in {out} stay; the same command goes on."
            raise (type(stop)(more) if out.is_dir() else stop) from None
    sys.stdout.write(f"{where}\n")
    return DONE


def _pool(parsed: EmbedArguments, data: DataSettings) -> "Finish":
    from contrascope.jobs.embed_ray import finish_on_ray

    return finish_on_ray(
        parsed.ray_settings(),
        parsed.encoder,
        data,
        workers=parsed.workers,
        rows=parsed.shard_rows,
    )


COMMAND = Command(
    name="embed",
    group="use",
    words="RUN_OR_ENCODER DATA --out FILE",
    summary="write h, z, labels and names of images to a file",
    arguments=EmbedArguments,
    run=run,
    shown=(
        shown(
            "--out", "file to write: .safetensors, .npz, .npy, .parquet or .csv; or a folder of Parquet files"
        ),
        shown("--shard-rows", "images of a Parquet file in that folder"),
        shown("--data.split", "split of the images; all joins them"),
        shown("--data.size", "side in px to bring images to", "the run's, or as they are"),
        shown("--data.labels", "label columns to keep, by commas", "all"),
        shown("--data.on-bad-image", "what a broken image does: error or skip"),
        shown("--engine", "local: this process; ray: --workers of a Ray cluster, to a folder"),
        shown("--device", "cpu, cuda, cuda:1 or mps", "the first GPU, or the CPU"),
    ),
    examples=(
        "contrascope embed runs/my-run ~/photos --out features.safetensors",
        "contrascope embed runs/my-run ~/photos --data.labels none --out features.parquet",
        "contrascope embed timm:resnet18 ~/shards-of-webdataset --out features",
        "contrascope embed timm:resnet18 uoft-cs/cifar10 --data.split test --out test.npz",
    ),
)
