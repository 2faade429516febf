"""Files of arrays that lie, or are odd: how each is made, and whether it is `read` or `refused`."""

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

GRAY = np.random.default_rng(0).integers(0, 256, (4, 6, 6)).astype(np.uint8)


class _Owned:
    def __reduce__(self):
        return (print, ("unpickled",))


def _npy(values: np.ndarray, **more) -> bytes:
    file = io.BytesIO()
    np.save(file, values, **more)
    return file.getvalue()


def _headed(text: str, body: bytes = b"", *, version: int = 1, length: int | None = None) -> bytes:
    head = text.encode()
    size = len(head) if length is None else length
    return (
        b"\x93NUMPY" + bytes((version, 0)) + struct.pack("<H" if version == 1 else "<I", size) + head + body
    )


def _shaped(shape: str, body: bytes = bytes(64), *, kind: str = "|u1") -> bytes:
    return _headed(f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}}}\n", body)


def _zip(members: dict[str, bytes], *, folded: bool = False) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED if folded else zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def _bomb(path: Path) -> None:
    """300 MiB of zeros in 0.3 MiB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("images.npy", "w") as file:
        file.write(_shaped("(300, 1024, 1024)", b""))
        for _ in range(300):
            file.write(bytes(2**20))


def _lies(path: Path, *, where: bytes, offset: int, value: int) -> None:
    """One number of a zip's records is another one."""
    data = bytearray(_zip({"images.npy": _npy(GRAY)}, folded=True))
    place = data.index(where) + offset
    data[place : place + 4] = struct.pack("<I", value)
    path.write_bytes(data)


def _safetensors(header: dict, body: bytes = b"", *, length: int | None = None) -> bytes:
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head) if length is None else length) + head + body


def _tensor(shape: list[int], stop: int) -> dict:
    return {"images": {"dtype": "U8", "shape": shape, "data_offsets": [0, stop]}}


ARRAYS: dict[str, tuple[str, str, bytes | Callable[[Path], None]]] = {
    "pickled npy": ("refused", "x.npy", _npy(np.array([[[_Owned()]]], dtype=object))),
    "a pickle called npy": ("refused", "x.npy", pickle.dumps(_Owned())),
    "pickled npz": ("refused", "x.npz", _zip({"images.npy": _npy(np.array([_Owned()], dtype=object))})),
    "records": ("refused", "x.npy", _npy(np.zeros((2, 3, 3), dtype=[("a", "u1"), ("b", "f4")]))),
    "words": ("refused", "x.npy", _npy(np.full((2, 3, 3), "a"))),
    "complex numbers": ("refused", "x.npy", _npy(np.zeros((2, 3, 3), dtype=complex))),
    "times": ("refused", "x.npy", _npy(np.zeros((2, 3, 3), dtype="M8[s]"))),
    "Fortran order": ("read", "x.npy", _npy(np.asfortranarray(GRAY))),
    "truth values": ("read", "x.npy", _npy(GRAY > 99)),
    "float64": ("read", "x.npy", _npy(GRAY / 255)),
    "float16": ("read", "x.npy", _npy((GRAY / 255).astype(np.float16))),
    "big-endian floats": ("read", "x.npy", _npy((GRAY / 255).astype(">f4"))),
    "big-endian numbers": ("read", "x.npy", _npy(GRAY.astype(">u2") * 257)),
    "NaN": ("refused", "x.npy", _npy(np.full((2, 3, 3), np.nan))),
    "infinite": ("refused", "x.npy", _npy(np.full((2, 3, 3), np.inf))),
    "below zero": ("refused", "x.npy", _npy(np.full((2, 3, 3), -1))),
    "no images": ("refused", "x.npy", _npy(np.zeros((0, 3, 3), dtype=np.uint8))),
    "no pixels": ("refused", "x.npy", _npy(np.zeros((3, 0, 0), dtype=np.uint8))),
    "2^40 images of no pixels": ("refused", "x.npy", _shaped("(1099511627776, 0, 3)")),
    "five channels": ("refused", "x.npy", _npy(np.zeros((2, 7, 7, 5), dtype=np.uint8))),
    "a shape below zero": ("refused", "x.npy", _shaped("(-1, 8, 8)")),
    "a shape beyond all numbers": ("refused", "x.npy", _shaped(f"({2**70}, {2**70}, 8)")),
    "a shape beyond the file": ("refused", "x.npy", _shaped("(1000000, 1000, 1000)")),
    "a shape of words": ("refused", "x.npy", _shaped("('a', 8, 8)")),
    "a header of 4 GiB": ("refused", "x.npy", _headed("{}", version=2, length=2**32 - 1)),
    "a header of brackets": ("refused", "x.npy", _headed("(" * 9000)),
    "a header that calls": ("refused", "x.npy", _headed("__import__('os').system('touch owned')")),
    "half an array": ("refused", "x.npy", _npy(GRAY)[:150]),
    "an empty array file": ("refused", "x.npy", b""),
    "a zip called npy": ("refused", "x.npy", _zip({"images.npy": _npy(GRAY)})),
    "300 MiB folded into 0.3": ("refused", "x.npz", _bomb),
    "a header of 2 GiB in a zip": (
        "refused",
        "x.npz",
        _zip({"images.npy": _headed("{}", bytes(2**24), version=2, length=2**31)}, folded=True),
    ),
    "a zip that says another length": (
        "read",
        "x.npz",
        lambda path: _lies(path, where=b"PK\1\2", offset=24, value=2**31),
    ),
    "a zip that says too short a length": (
        "refused",
        "x.npz",
        lambda path: _lies(path, where=b"PK\1\2", offset=24, value=90),
    ),
    "a zip with a wrong sum": (
        "refused",
        "x.npz",
        lambda path: _lies(path, where=b"PK\1\2", offset=16, value=1),
    ),
    "a zip with a wrong place": (
        "refused",
        "x.npz",
        lambda path: _lies(path, where=b"PK\1\2", offset=42, value=2**20),
    ),
    "a zip of unknown folding": (
        "refused",
        "x.npz",
        lambda path: _lies(path, where=b"PK\1\2", offset=10, value=99),
    ),
    "a zip within a zip": ("refused", "x.npz", _zip({"images.npy": _zip({"images.npy": _npy(GRAY)})})),
    "a zip of names that lead out": (
        "refused",
        "x.npz",
        _zip({"../../x.npy": _npy(GRAY), "/etc/x.npy": b""}),
    ),
    "half a zip": ("refused", "x.npz", _zip({"images.npy": _npy(GRAY)}, folded=True)[:90]),
    "an npz of stored arrays": ("read", "x.npz", _zip({"images.npy": _npy(GRAY)})),
    "an npz of folded arrays": ("read", "x.npz", _zip({"images.npy": _npy(GRAY)}, folded=True)),
    "an npz in Fortran order": (
        "read",
        "x.npz",
        _zip({"images.npy": _npy(np.asfortranarray(GRAY))}, folded=True),
    ),
    "safetensors of 2^60 header bytes": ("refused", "x.safetensors", _safetensors({}, length=2**60)),
    "safetensors beyond the file": (
        "refused",
        "x.safetensors",
        _safetensors(_tensor([9, 9, 9], 729), bytes(9)),
    ),
    "safetensors that say another shape": (
        "refused",
        "x.safetensors",
        _safetensors(_tensor([2**40, 2**40], 9), bytes(9)),
    ),
    "safetensors of images": ("read", "x.safetensors", _safetensors(_tensor([1, 3, 3], 9), bytes(9))),
}
