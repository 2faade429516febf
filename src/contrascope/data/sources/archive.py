"""A zip or a tar of pictures."""

from pathlib import Path

from contrascope.data.kinds import SourceKind

SUFFIXES = (".zip", ".tar")
WHOLE = (".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".tar.zst", ".7z", ".rar")
"""Compressed as a whole: recognised, to say so."""

KIND = SourceKind(
    title="a .zip or .tar of pictures",
    recognises=lambda source: (
        source.lower().endswith((*SUFFIXES, *WHOLE)) and Path(source).expanduser().is_file()
    ),
    opener="contrascope.data.archives.opening:open_archive",
    suffixes=SUFFIXES,
)
