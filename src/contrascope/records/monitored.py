"""The files of rows that a monitor leaves in its folder; a run of our own has none."""

from pathlib import Path

from contrascope.records.files import SETTINGS

MONITORED, REFERENCE = "monitored.safetensors", "monitored_reference.safetensors"
"""Rows that were measured last, and those of the reference where there is one."""


def is_monitored(folder: Path) -> bool:
    """Whether a folder is a monitor's, and no run's with settings and checkpoints."""
    return (folder / MONITORED).is_file() and not (folder / SETTINGS).exists()
