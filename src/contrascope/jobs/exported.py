"""What an export leaves, and where."""

from dataclasses import dataclass
from pathlib import Path

FOLDER = "exports"
"""Folder in the run's folder for what has no --out."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written."""

    path: Path
    """File of a table, folder of an encoder."""
    notes: tuple[str, ...]
    """What the user should know of it."""
