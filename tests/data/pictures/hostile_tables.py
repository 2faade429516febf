"""Parquet files that lie, lead elsewhere, or are odd: `read` with `bad` cells left out, or `refused`."""

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hostile_pictures import GOOD

CELL = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def _cells(*cells: dict | None, **columns) -> pa.Table:
    good = {"bytes": GOOD, "path": "a.png"}
    return pa.table({"image": pa.array([good, *cells], CELL), **columns})


def _path(name: str) -> pa.Table:
    return _cells({"bytes": None, "path": name})


def _features(table: pa.Table, features: object) -> pa.Table:
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def _repeated(path: Path) -> None:
    """A cell of 1 MiB that 3,000 rows share."""
    cells = pa.DictionaryArray.from_arrays(
        pa.array([0] * 3000, pa.int32()), pa.array([bytes(2**20)], pa.binary())
    )
    pq.write_table(pa.table({"image": cells}), path, store_schema=False, dictionary_pagesize_limit=2**22)


def _zeros(path: Path) -> None:
    """Rows of 400 MiB in 0.1 MiB."""
    table = pa.table({"image": pa.array([bytes(2**21)] * 200, pa.binary())})
    pq.write_table(table, path, compression="zstd", use_dictionary=False)


def _cut(path: Path) -> None:
    pq.write_table(_cells(), path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def _wrong_middle(path: Path) -> None:
    pq.write_table(_cells(*[{"bytes": GOOD, "path": None}] * 50), path, compression="snappy")
    data = bytearray(path.read_bytes())
    data[40:140] = bytes(100)
    path.write_bytes(data)


def _long_footer(path: Path) -> None:
    path.write_bytes(b"PAR1" + bytes(99) + struct.pack("<I", 2**31 - 1) + b"PAR1")


def _link_out(path: Path) -> None:
    (path.parent / "out.dat").symlink_to(path.parents[1] / "secret" / "secret.dat")
    pq.write_table(_path("out.dat"), path)


def _folder_out(path: Path) -> None:
    (path.parent / "out").symlink_to(path.parents[1] / "secret")
    pq.write_table(_path("out/secret.dat"), path)


def _pipe_below(path: Path) -> None:
    os.mkfifo(path.parent / "pipe")
    pq.write_table(_path("pipe"), path)


def _below(path: Path) -> None:
    (path.parent / "below").mkdir()
    (path.parent / "below" / "a.dat").write_bytes(GOOD)
    pq.write_table(_path("below/a.dat"), path)


def _secret(path: Path) -> None:
    pq.write_table(_path(str(path.parents[1] / "secret" / "secret.dat")), path)


STRUCT = pa.struct([("data", pa.binary())])
TABLES: dict[str, tuple[str, pa.Table | Callable[[Path], None]]] = {
    "a path to a secret": ("bad", _secret),
    "a path that leads up": ("bad", _path("../secret/secret.dat")),
    "a path that leads up and down": ("bad", _path("x/../../secret/secret.dat")),
    "a link that leads out": ("bad", _link_out),
    "a linked folder that leads out": ("bad", _folder_out),
    "a path to a device": ("bad", _path("/dev/zero")),
    "a path to a process": ("bad", _path("/proc/self/environ")),
    "a path to a pipe below": ("bad", _pipe_below),
    "a path to its own folder": ("bad", _path(".")),
    "an address": ("bad", _path("https://example.org/a.png")),
    "an address of a file": ("bad", _path("file:///etc/passwd")),
    "an address in an archive": ("bad", _path("zip://a.png::x.zip")),
    "a path with a zero": ("bad", _path("a\0.png")),
    "a path with a line's end": ("bad", _path("a\nb.png")),
    "a path of 100,000 letters": ("bad", _path("a" * 100_000)),
    "a path home": ("bad", _path("~/.ssh/id_rsa")),
    "a path below": ("read", _below),
    "an empty cell": ("bad", _cells(None)),
    "a cell of nothing": ("bad", _cells({"bytes": None, "path": None})),
    "bytes that are none": ("bad", _cells({"bytes": b"", "path": None})),
    "bytes that are no picture": ("bad", _cells({"bytes": b"%!PS-Adobe-3.0 EPSF-3.0\n", "path": "a.eps"})),
    "a struct of other parts": ("refused", pa.table({"image": pa.array([{"data": GOOD}], STRUCT)})),
    "lists": ("refused", pa.table({"image": [[1, 2], [3]]})),
    "lists of bytes": ("refused", pa.table({"image": [[GOOD], [GOOD]]})),
    "numbers": ("refused", pa.table({"image": [1, 2]})),
    "words": ("refused", pa.table({"image": ["a.png", "b.png"]})),
    "numbers in a struct": ("refused", pa.table({"image": [{"bytes": 1, "path": "a"}]})),
    "no rows": ("refused", pa.table({"image": pa.array([], pa.binary())})),
    "no columns": ("refused", pa.table({})),
    "large binary": ("read", pa.table({"image": pa.array([GOOD, GOOD], pa.large_binary())})),
    "a picture that is a view": ("refused", pa.table({"image": pa.array([GOOD, GOOD], pa.binary_view())})),
    "a cell that 3,000 rows share": ("refused", _repeated),
    "400 MiB in a small file": ("refused", _zeros),
    "half a table": ("refused", _cut),
    "a damaged middle": ("refused", _wrong_middle),
    "a footer of 2 GiB": ("refused", _long_footer),
    "an empty table file": ("refused", lambda path: path.write_bytes(b"")),
    "features of no kind": ("refused", _features(_cells(), {"image": {"_type": "Popen"}})),
    "features that are a list": ("refused", _features(_cells(), [1, 2])),
    "features of another column": ("read", _features(_cells(), {"other": {"_type": "Image"}})),
    "a label beyond its names": (
        "refused",
        _features(
            _cells(None, label=[7, 9]),
            {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["a"]}},
        ),
    ),
    "labels that are structs": ("refused", _cells(None, label=pa.array([{"a": 1}, {"a": 2}]))),
    "labels that are lists": ("refused", _cells(None, label=pa.array([[1], [2, 3]]))),
}
