"""A run's embeddings or its encoder, for others."""

from pathlib import Path

from contrascope.jobs.export import ExportSettings, Format, export_run
from contrascope.runs.load import Run
from contrascope.verbs.given import Device


def export(
    run: Path | str | Run,
    to: Format,
    *,
    out: Path | str | None = None,
    step: int | None = None,
    split: str | None = None,
    neighbours: int = 15,
    device: Device = None,
) -> Path:
    """A run's embeddings as a table (parquet, csv), or its encoder for another library; returns the file or folder."""
    settings = ExportSettings(to=to, step=step, split=split, neighbours=neighbours)
    where = None if out is None else Path(out).expanduser()
    opened = run if isinstance(run, Run) else Path(run).expanduser()
    return export_run(opened, settings, out=where, device=device).path
