"""A CSV file that lists pictures, with their labels."""

from pathlib import Path

from contrascope.data.kinds import SourceKind

SUFFIX = ".csv"

KIND = SourceKind(
    title="a .csv file that lists pictures",
    recognises=lambda source: source.endswith(SUFFIX) and Path(source).expanduser().is_file(),
    opener="contrascope.data.picture_table:open_picture_table",
    suffixes=(SUFFIX,),
)
