"""contrascope export: a run's images as a table, or its encoder for another library."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from contrascope.commands.command import DONE, Command, Computing
from contrascope.terminal.help import shown
from contrascope.terminal.progress import CommandProgress


@dataclass(frozen=True, kw_only=True)
class ExportArguments(Computing):
    """Write a run's embeddings, or its encoder, in a form that other tools open.

    parquet, csv: one row an image with its place on the map, labels, alignment and neighbours. safetensors, timm, hf,
    onnx: a folder with the encoder's weights and a model card; what is written is loaded again and compared first.
    Where timm or transformers has no such network, model.py beside the weights is it, for torch and safetensors alone.
    Of a run on sentences: sentence-transformers, a folder that it and transformers open.
    """

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """A run's folder."""
    to: Literal["parquet", "csv", "safetensors", "timm", "hf", "onnx", "sentence-transformers"]
    """What to write: a table of the images, or the encoder."""
    out: Path | None = None
    """File or folder to write; unset: in the run's folder, under exports."""
    step: int | None = None
    """Checkpoint by its step; unset: the newest."""
    split: str | None = None
    """Split of the images for parquet and csv; unset: the one that the run was trained on."""
    neighbours: int = 15
    """Nearest neighbours of every image in parquet and csv."""


def run(parsed: ExportArguments, progress: CommandProgress) -> int:
    """Export, and print where it lies."""
    from contrascope.jobs.export import ExportSettings, export_run
    from contrascope.machine.device import find_device

    settings = ExportSettings(
        to=parsed.to, step=parsed.step, split=parsed.split, neighbours=parsed.neighbours
    )
    device = find_device(parsed.device)
    found = export_run(parsed.run.expanduser(), settings, out=parsed.out, device=device)
    for said in found.notes:
        progress.say(said)
    sys.stdout.write(f"{found.path}\n")
    return DONE


COMMAND = Command(
    name="export",
    group="use",
    words="RUN --to FORMAT",
    summary="embeddings as parquet or csv; the encoder for timm, hf, onnx",
    arguments=ExportArguments,
    run=run,
    shown=(
        shown(
            "--to",
            "parquet or csv: the images; safetensors, timm, hf or onnx: the encoder; sentence-transformers",
        ),
        shown("--out", "file or folder to write", "in the run's folder, under exports"),
        shown("--step", "checkpoint of the run", "the newest"),
        shown("--split", "split of the images for a table", "the one trained on"),
        shown("--neighbours", "nearest neighbours of every image in a table"),
        shown("--device", "cpu, cuda, cuda:1 or mps", "the first GPU, or the CPU"),
    ),
    examples=(
        "contrascope export runs/my-run --to parquet",
        "contrascope export runs/my-run --to timm --out my-encoder",
        "contrascope export runs/simcse --to sentence-transformers",
    ),
)
