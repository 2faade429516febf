"""A folder of pictures, or of Parquet files."""

from pathlib import Path

from contrascope.data.kinds import SourceKind

KIND = SourceKind(
    title="a folder",
    recognises=lambda source: Path(source).expanduser().is_dir(),
    opener="contrascope.data.folder:open_folder",
)
