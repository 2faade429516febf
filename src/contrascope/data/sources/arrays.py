"""A file of arrays."""

from pathlib import Path

from contrascope.data.kinds import SourceKind

SUFFIXES = (".npy", ".npz", ".safetensors")


def _is_array_file(source: str) -> bool:
    path = Path(source).expanduser()
    return path.suffix in SUFFIXES and path.is_file()


KIND = SourceKind(
    title=", ".join(SUFFIXES),
    recognises=_is_array_file,
    opener="contrascope.data.arrays:open_arrays",
    suffixes=SUFFIXES,
)
