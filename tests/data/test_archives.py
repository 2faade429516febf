import io
import json
import os
import sys
import tarfile
import zipfile

import fsspec
import numpy as np
import pytest
import torch

from contrascope.data.archives import opening
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError, MissingSplitError


def opened(source, **more):
    return open_images(DataSettings(source=str(source), **more))


def zipped(files: dict[str, bytes], *, folded=True) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED if folded else zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return whole.getvalue()


def tarred(files: dict[str, bytes | tarfile.TarInfo], mode="w") -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode=mode) as archive:
        for name, data in files.items():
            info = data if isinstance(data, tarfile.TarInfo) else tarfile.TarInfo(name)
            body = None if isinstance(data, tarfile.TarInfo) else io.BytesIO(data)
            info.size = 0 if isinstance(data, tarfile.TarInfo) else len(data)
            archive.addfile(info, body)
    return whole.getvalue()


def link(name: str, target: str, kind=tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.fixture
def files(pictures, encoded):
    names = ["cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png"]
    return {name: encoded(one) for name, one in zip(names, pictures(4), strict=True)}


@pytest.fixture
def samples(pictures, encoded):
    parts = {}
    for place, one in enumerate(pictures(4)):
        parts[f"{place:04}.png"] = encoded(one)
        parts[f"{place:04}.cls"] = str([7, 10, 9, 7][place]).encode()
        parts[f"{place:04}.json"] = json.dumps({"sex_label": "mf"[place % 2], "width": 8}).encode()
    return parts


def same_pixels(images, pictures):
    expected = torch.from_numpy(pictures(4).transpose(0, 3, 1, 2).copy())
    return torch.equal(images.gather(torch.arange(4)), expected)


@pytest.mark.parametrize("budget", [1024, 0], ids=["memory", "stream"])
@pytest.mark.parametrize("above", ["", "pets/", "a/b/", "./", "/"])
@pytest.mark.parametrize("pack", [zipped, tarred], ids=["zip", "tar"])
def test_class_folders_in_an_archive_are_read_as_those_on_disk(
    tmp_path, files, pictures, pack, above, budget
):
    path = tmp_path / f"pets.{'zip' if pack is zipped else 'tar'}"
    path.write_bytes(pack({above + name: data for name, data in files.items()}))
    images = opened(path, memory_budget_mb=budget)
    assert images.y.tolist() == [0, 0, 1, 1]
    assert images.class_names == {"label": ("cat", "dog")}
    assert same_pixels(images, pictures)
    assert list(tmp_path.iterdir()) == [path]


def test_splits_in_an_archive_are_chosen_as_on_disk(tmp_path, files):
    path = tmp_path / "pets.zip"
    path.write_bytes(
        zipped({("train/" if "cat" in name else "test/") + name: data for name, data in files.items()})
    )
    assert len(opened(path)) == 2
    assert opened(path, split="all").class_names == {"label": ("cat", "dog")}
    with pytest.raises(MissingSplitError, match="no split 'val'"):
        opened(path, split="val")


def test_samples_of_a_webdataset_have_the_labels_of_their_keys(tmp_path, samples, pictures):
    path = tmp_path / "pets-000.tar"
    path.write_bytes(tarred(samples))
    images = opened(path)
    assert same_pixels(images, pictures)
    assert images.class_names == {"label": ("7", "9", "10"), "sex_label": ("m", "f")[::-1]}
    assert images.y.tolist() == [0, 2, 1, 0]
    assert opened(path, labels="width").y.tolist() == [0, 0, 0, 0]
    assert opened(path, labels="none").y is None
    assert images.names() == ("0000.png", "0001.png", "0002.png", "0003.png")
    with pytest.raises(MissingSplitError, match="one split by itself"):
        opened(path, split="test")


def test_a_sample_without_its_label_is_named_by_count(tmp_path, samples):
    del samples["0002.cls"]
    (tmp_path / "x.tar").write_bytes(tarred(samples))
    with pytest.raises(InputError, match=r"no 'label' for 1 of 4 pictures.*'none'"):
        opened(tmp_path / "x.tar")
    assert len(opened(tmp_path / "x.tar", labels="sex_label")) == 4


@pytest.mark.parametrize("said", [b"{", b"[1]", b"\xff\xff", b"[" * 100_000, b" " * 2**21])
def test_json_that_is_none_is_refused(tmp_path, samples, said):
    (tmp_path / "x.tar").write_bytes(tarred(samples | {"0001.json": said}))
    with pytest.raises(InputError, match=r"'0001.json' in .*x.tar cannot be read"):
        opened(tmp_path / "x.tar")


def test_links_devices_and_names_that_lead_out_are_left_out_and_counted(tmp_path, files, encoded, pictures):
    secret = encoded(pictures(1, seed=9)[0])
    (tmp_path / "secret.png").write_bytes(secret)
    odd = {
        "a": link("cat/link.png", "../../secret.png"),
        "b": link("cat/hard.png", str(tmp_path / "secret.png"), tarfile.LNKTYPE),
        "c": link("cat/device.png", "", tarfile.CHRTYPE),
        "d": link("cat/pipe.png", "", tarfile.FIFOTYPE),
        "../secret.png": secret,
        "cat/../../secret.png": secret,
        "c:\\secret.png": secret,
    }
    (tmp_path / "x.tar").write_bytes(tarred(odd | files))
    images = opened(tmp_path / "x.tar")
    assert len(images) == 4
    assert images.told[-1] == f"links and names that lead out of {tmp_path / 'x.tar'} are left out: 7."
    whole = zipfile.ZipInfo("cat/link.png")
    whole.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(whole, "../secret.png")
        for name, data in (files | {"../secret.png": secret}).items():
            archive.writestr(name, data)
    images = opened(tmp_path / "x.zip")
    assert len(images) == 4
    assert images.told[-1].endswith("are left out: 2.")


def test_broken_pictures_in_an_archive_are_named_or_left_out(tmp_path, files):
    (tmp_path / "x.zip").write_bytes(zipped(files | {"dog/bad.png": b"%!PS"}))
    with pytest.raises(InputError, match=r"dog/bad.png in .*x.zip is no image"):
        opened(tmp_path / "x.zip")
    images = opened(tmp_path / "x.zip", on_bad_image="skip")
    assert len(images) == 4
    assert [bad.name for bad in images.bad_images] == [f"dog/bad.png in {tmp_path / 'x.zip'}"]


def test_a_zip_that_unfolds_to_far_more_than_it_is_is_refused(tmp_path, files):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        with archive.open("cat/zeros.png", "w") as file:
            for _ in range(300):
                file.write(bytes(2**20))
    with pytest.raises(InputError, match=r"unfolds to 300 MiB; expected at most the 256 MiB"):
        opened(tmp_path / "x.zip")


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data[:300],
        lambda data: b"no archive at all" * 99,
        lambda data: data.replace(b"cat/", b"c\0t/"),
    ],
    ids=["empty", "half", "begin", "text", "names"],
)
@pytest.mark.parametrize("pack", [zipped, tarred], ids=["zip", "tar"])
def test_damaged_archives_are_refused_or_their_parts_are_bad(tmp_path, files, pack, damage):
    path = tmp_path / f"x.{'zip' if pack is zipped else 'tar'}"
    path.write_bytes(damage(pack(files)))
    try:
        images = opened(path, on_bad_image="skip")
    except InputError as error:
        assert str(path) in str(error)  # noqa: PT017
    else:
        assert len(images) + len(images.bad_images) < 5


def test_a_description_that_says_it_is_longer_than_any_is_not_read(tmp_path, files):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2**33
    (tmp_path / "x.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + tarred(files))
    with pytest.raises(InputError, match="a member's description is longer than any"):
        opened(tmp_path / "x.tar")


@pytest.mark.parametrize("name", ["x.tar.gz", "x.tgz", "x.TAR.XZ", "x.7z"])
def test_archives_that_are_compressed_as_a_whole_are_refused_with_a_cure(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x1f\x8b")
    with pytest.raises(InputError, match=r"compressed as a whole.*expected .zip or .tar"):
        opened(tmp_path / name)


def test_an_archive_without_pictures_says_so(tmp_path):
    (tmp_path / "x.zip").write_bytes(zipped({"readme.txt": b"hello", "__MACOSX/._a.png": b""}))
    with pytest.raises(InputError, match="holds no pictures"):
        opened(tmp_path / "x.zip")


@pytest.fixture
def memory():
    """A file system that is no disk, empty before and after."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    yield files
    files.store.clear()


@pytest.mark.parametrize("budget", [1024, 0], ids=["memory", "stream"])
@pytest.mark.parametrize("place", ["", ".zip", ".tar"])
def test_an_address_is_read_as_a_path_is(memory, files, pictures, place, budget):
    if place:
        memory.pipe(f"/pets{place}", (zipped if place == ".zip" else tarred)(files))
    else:
        memory.pipe({f"/pets/{name}": data for name, data in files.items()})
    images = opened(f"memory://pets{place}", memory_budget_mb=budget)
    assert same_pixels(images, pictures)
    assert images.class_names == {"label": ("cat", "dog")}
    assert images.names()[0] == "cat/0.png"


def test_what_is_wrong_with_an_address_is_said(memory, monkeypatch):
    with pytest.raises(InputError, match="holds no pictures"):
        opened("memory://nothing")
    with pytest.raises(InputError, match=r"memory://nothing\.zip could not be read"):
        opened("memory://nothing.zip")
    for odd in ("file:///etc", "zip://a.png::memory://x.zip", "ssh://host/pets", "memory://", "://x"):
        with pytest.raises(InputError, match="is no address that is read; expected one of https://"):
            opened(odd)
    with pytest.raises(InputError, match=r"https://example\.org/pets is not listed"):
        opened("https://example.org/pets")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(InputError, match=r"s3://bucket/pets needs s3fs: pip install 'contrascope\[s3\]'"):
        opened("s3://bucket/pets")


def test_a_picture_that_can_no_longer_be_fetched_is_no_bad_picture(memory, files):
    memory.pipe({f"/pets/{name}": data for name, data in files.items()})
    images = opened("memory://pets", memory_budget_mb=0)
    memory.rm("/pets/dog/1.png")
    with pytest.raises(InputError, match=r"dog/1.png of memory://pets could not be read"):
        images.gather(torch.arange(4))


def test_a_lost_connection_is_no_bad_picture_either(memory, files, monkeypatch):
    memory.pipe("/pets.zip", zipped(files))
    images = opened("memory://pets.zip", memory_budget_mb=0)

    def lost(*_):
        raise ConnectionError("lost")

    monkeypatch.setattr(fsspec.implementations.memory.MemoryFile, "read", lost)
    with pytest.raises(InputError, match=r"memory://pets.zip could not be read \(ConnectionError: lost\)"):
        images.gather(torch.arange(4))


def test_pipes_are_no_archives(tmp_path):
    os.mkfifo(tmp_path / "x.zip")
    with pytest.raises(InputError):
        opened(tmp_path / "x.zip")


def test_archives_are_equal_sets_only_if_they_hold_the_same(tmp_path, files, pictures, encoded):
    marks = set()
    for name, data in (("a", files), ("b", files | {"dog/1.png": encoded(pictures(1, seed=5)[0])})):
        (tmp_path / f"{name}.zip").write_bytes(zipped(data))
        marks.add(opened(tmp_path / f"{name}.zip").fingerprint)
    assert len(marks) == 2
    assert np.all([len(mark) == 16 for mark in marks])
    assert opening.PROTOCOLS["s3"] == "s3fs"
