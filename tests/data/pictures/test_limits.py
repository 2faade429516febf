"""Which files are opened at all, and how large a picture may be."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import made_pictures as made
import numpy as np
import pytest
from PIL import Image

from contrascope.data.convert import BadPixelsError, decode_image, encoded_shape
from contrascope.data.open import open_images
from contrascope.data.pictures.reading import Reading
from contrascope.data.pictures.regular import read_below, read_regular
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError

SOURCE = Path(__file__).parents[3] / "src" / "contrascope"


def bound(path: Path) -> None:
    os.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as here:
        here.bind(path.name)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (os.mkfifo, "a pipe"),
        (bound, "a socket"),
        (lambda path: path.symlink_to("/dev/zero"), "a device"),
        (lambda path: path.symlink_to("/dev/null"), "a device"),
        (lambda path: path.mkdir(), "a folder"),
    ],
    ids=["pipe", "socket", "zero", "null", "folder"],
)
def test_only_regular_files_are_opened(tmp_path, monkeypatch, make, kind):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "x.png")
    begin = time.perf_counter()
    with pytest.raises(BadPixelsError, match=f"is no regular file but {kind}"):
        read_regular(tmp_path / "x.png")
    assert time.perf_counter() - begin < 1


def test_a_file_that_is_too_long_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "x.png").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(BadPixelsError, match="has 1,048,576 MiB; at most 256 are read as one picture"):
        read_regular(tmp_path / "x.png")
    (tmp_path / "y.png").write_bytes(bytes(9))
    with pytest.raises(BadPixelsError, match="at most 0 are read"):
        read_regular(tmp_path / "y.png", most=8)
    assert read_regular(tmp_path / "y.png", most=9) == bytes(9)


@pytest.mark.parametrize("cell", ["a.dat", "in/b.dat", "in/../a.dat", "./a.dat", "link.dat", "line\nend.dat"])
def test_files_below_the_folder_are_read(tmp_path, cell):
    root = tmp_path / "set"
    (root / "in").mkdir(parents=True)
    for name in ("a.dat", "in/b.dat", "line\nend.dat"):
        (root / name).write_bytes(b"pixels")
    (root / "link.dat").symlink_to("in/b.dat")
    assert read_below(cell, (root,)) == b"pixels"
    assert read_below(str(root / cell), (root,)) == b"pixels"


@pytest.mark.parametrize(
    "cell", ["../out.dat", "link.dat", "up/out.dat", "loop", "..", "/", "", "a\0", "C:\\x", "\\\\host\\x"]
)
def test_no_file_elsewhere_is_read(tmp_path, cell):
    root = tmp_path / "set"
    root.mkdir()
    (tmp_path / "out.dat").write_bytes(b"secret")
    (root / "link.dat").symlink_to("../out.dat")
    (root / "up").symlink_to("..")
    (root / "loop").symlink_to("loop")
    with pytest.raises(BadPixelsError):
        read_below(cell, (root,))


def test_a_set_without_a_folder_reads_no_file():
    with pytest.raises(BadPixelsError, match="this set has no folder of files"):
        read_below("/etc/hostname", ())


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_the_most_pixels_are_a_setting_that_is_named(tmp_path, kind):
    image = Image.new("RGB", (1100, 1000), "red")
    (tmp_path / "x.png").write_bytes(made.saved(image, kind))
    with pytest.raises(
        InputError,
        match=r"has 1,100 x 1,000 px, which is 1.1 megapixels; at most 1 are read \(data.max_megapixels\)",
    ):
        open_images(DataSettings(source=str(tmp_path), size=8, max_megapixels=1))
    assert len(open_images(DataSettings(source=str(tmp_path), size=8, max_megapixels=2))) == 1
    with pytest.raises(BadPixelsError, match=r"1\.1 megapixels"):
        encoded_shape(made.saved(image, kind), Reading(max_pixels=10**6))
    with pytest.raises(InputError, match=r"data.max_megapixels is 0; expected at least 1"):
        DataSettings(max_megapixels=0)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "PPM"])
def test_our_limit_is_the_one_that_counts_and_nothing_warns(monkeypatch, kind):
    data = made.saved(Image.new("RGB", (30, 20), "red"), kind)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 400)  # Pillow would warn above it
    assert decode_image(data).shape == (3, 20, 30)


def test_no_other_file_opens_pictures():
    opening = [path for path in SOURCE.rglob("*.py") if "Image.open(" in path.read_text()]
    assert opening == []


HUGE = """
import io, resource, sys, time
import numpy as np
from PIL import Image
from contrascope.data.convert import decode_image
file = io.BytesIO()
Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 50, 4), dtype=np.uint8)).resize((9990, 9990)).save(
    file, sys.argv[1], **({"compress_level": 1} if sys.argv[1] == "PNG" else {"method": 0})
)
open("/proc/self/clear_refs", "w").write("5")
begin = time.process_time()
decode_image(file.getvalue(), 64)
high = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(time.process_time() - begin, int(high.split()[1]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_the_largest_picture_takes_seconds_and_less_than_two_gib(kind):
    done = subprocess.run(
        [sys.executable, "-c", HUGE, kind],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(SOURCE.parent)},
    )
    seconds, kib = map(float, done.stdout.split())
    assert seconds < 10
    assert kib < 2 * 2**20


def test_large_pictures_with_alpha_are_composited_in_parts_as_in_one(monkeypatch):
    from contrascope.data import convert

    data = made.png(made.noise(channels=4))
    whole = decode_image(data)
    monkeypatch.setattr(convert, "STRIP", 40)
    assert np.array_equal(decode_image(data), whole)
