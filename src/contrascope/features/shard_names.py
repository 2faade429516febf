"""What the shards of a folder of features are called, and whether all are there; reads none of them."""

import re
from pathlib import Path

from contrascope.errors import InputError
from contrascope.records.inside import inside

NAME = re.compile(r"part-(\d{5,})-of-(\d{5,})\.parquet")
"""What a shard is called."""


def is_shards(folder: Path) -> bool:
    """Whether a folder holds shards of features."""
    return folder.is_dir() and any(NAME.fullmatch(path.name) for path in folder.iterdir())


def shard_files(folder: Path) -> list[Path]:
    """All shards of a folder in their order; raises `InputError` where some are missing or of two sets."""
    found = {path.name: match for path in folder.iterdir() if (match := NAME.fullmatch(path.name))}
    counts = {int(match[2]) for match in found.values()}
    if len(counts) != 1:
        raise InputError(
            f"{folder} has shards of {len(counts)} sets; expected those of one, part-00000-of-NNNNN.parquet."
        )
    most = counts.pop()
    missing = most - len({int(match[1]) for match in found.values() if int(match[1]) < most})
    if missing or len(found) != most:
        raise InputError(
            f"{folder} has {most - missing} of {most} shards; expected all. Give the command that writes them again: "
            "it goes on where it stopped."
        )
    return [inside(folder, name) for name in sorted(found, key=lambda name: int(found[name][1]))]
