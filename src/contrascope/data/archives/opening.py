"""Archives and addresses as sets of images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

from contrascope.data.archives.members import AbstractMembers, by_parts, check_length, open_archive_file
from contrascope.data.archives.samples import sample_labels, sample_pictures
from contrascope.data.archives.tars import TarFolder, tars_of_split
from contrascope.data.folders.names import shown_name, text_name
from contrascope.data.folders.reading import read_folder
from contrascope.data.folders.tree import FolderTree, ending, is_ignored, picture_endings
from contrascope.data.imageset import ImageSet, LookUp
from contrascope.data.load import load_images
from contrascope.data.pictures.regular import check_regular_file
from contrascope.data.settings import DataSettings
from contrascope.data.source import AbstractSource
from contrascope.errors import InputError, MissingSplitError
from contrascope.extras import install_line

PROTOCOLS = {"https": "aiohttp", "http": "aiohttp", "s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "memory": ""}
PROTOCOLS |= {"az": "adlfs", "abfs": "adlfs", "hf": "huggingface_hub"}
"""Addresses that are read, and the package that each needs."""


@final
class MemberSource(AbstractSource):
    """Pictures within an archive or below an address."""

    def __init__(self, members: AbstractMembers, names: tuple[str, ...]) -> None:
        self.name = members.name
        self._members, self._names = members, names

    def __len__(self) -> int:
        return len(self._names)

    def image_name(self, row: int) -> str:
        return shown_name(f"{self._names[row]} in {self.name}")

    def read(self, row: int) -> bytes:
        return self._members.read(self._names[row])

    def row_names(self) -> LookUp:
        names = self._names

        def found(rows: Sequence[int]) -> list[str]:
            return [text_name(names[row]) for row in rows]

        return found

    def identity(self) -> bytes:
        lines = (f"{name}:{self._members.sizes[name]}" for name in self._names)
        return "\n".join(lines).encode("utf-8", "surrogateescape")


def open_archive(settings: DataSettings, cache_dir: Path | None = None) -> ImageSet:
    """The pictures of a `.zip` or `.tar` file: by keys where it has the WebDataset layout, else by its folders."""
    del cache_dir
    path = Path(settings.source).expanduser()
    if path.suffix.lower() not in (".zip", ".tar"):
        raise InputError(
            f"{path} is compressed as a whole, so that no picture can be read without all before it; expected .zip or "
            ".tar. Unpack it, or write it as one of these."
        )
    check_regular_file(path)
    return _as_set(open_archive_file(path.open("rb"), str(path)), settings)


def open_tars(root: Path, files: Sequence[str], settings: DataSettings) -> ImageSet:
    """The pictures of several `.tar` files below a folder, by keys as WebDataset has them; others have no labels."""
    chosen = tars_of_split(files, settings.split, folder=shown_name(str(root)))
    members = TarFolder(root, chosen)
    images = _by_keys(members, _names(members), settings, every=True)
    assert images is not None
    return _told_of_links(images, members)


def open_address(settings: DataSettings, cache_dir: Path | None = None) -> ImageSet:
    """A `.zip` or `.tar` at an address, or the pictures below it where it can be listed (not http)."""
    del cache_dir
    address = settings.source
    protocol, _, rest = address.partition("://")
    if protocol not in PROTOCOLS or "::" in address or not rest:
        known = ", ".join(f"{name}://" for name in PROTOCOLS)
        raise InputError(
            f"data.source {address!r} is no address that is read; expected one of {known}, or a path. Fetch it, and "
            "give the path."
        )
    package = PROTOCOLS[protocol]
    try:
        import fsspec

        files, place = fsspec.core.url_to_fs(address)
    except ImportError as error:
        line = install_line("s3") if protocol == "s3" else f"pip install {package}"
        raise InputError(f"{address} needs {package}: {line}.") from error
    except Exception as error:
        raise unreachable(address, error) from error
    if ending(place) in (".zip", ".tar"):
        return _as_set(open_archive_file(Fetched(files, place, address), address), settings)
    if protocol in ("http", "https"):
        raise InputError(
            f"{address} is not listed; expected the address of a .zip or .tar. Fetch it, and give the path."
        )
    return _as_set(AddressMembers(files, place, address), settings)


def unreachable(address: str, error: Exception) -> InputError:
    """What a file system of the network raises is of any kind."""
    said = shown_name(f"{type(error).__name__}: {error}"[:300])
    return InputError(
        f"{address} could not be read ({said}). Check the address, the network and your rights to it."
    )


@final
class Fetched:
    """A file at an address, of which parts are fetched; what goes wrong on the way is no fault of a picture."""

    def __init__(self, files: Any, place: str, address: str) -> None:
        self._address = address
        try:
            self._file = files.open(place, "rb")
        except Exception as error:
            raise unreachable(address, error) from error

    def read(self, length: int = -1) -> bytes:
        """The next bytes."""
        try:
            return self._file.read(length)
        except Exception as error:
            raise unreachable(self._address, error) from error

    def seek(self, place: int, whence: int = 0) -> int:
        """To another place, which is returned."""
        self._file.seek(place, whence)
        return self._file.tell()

    def tell(self) -> int:
        """Where it is read next."""
        return self._file.tell()

    def seekable(self) -> bool:
        """Whether `seek` works."""
        return True

    def close(self) -> None:
        """Let it go."""
        self._file.close()


@final
class AddressMembers(AbstractMembers):
    """The files below an address, each fetched when it is read."""

    def __init__(self, files: Any, place: str, name: str) -> None:
        self.name, self._files = name, files
        found = {
            path: about for path, about in files.find(place, detail=True).items() if about["type"] == "file"
        }
        root = place.rstrip("/")
        self._paths = {path.removeprefix(root).lstrip("/"): path for path in found}
        self.sizes = {name: int(found[path].get("size") or 0) for name, path in self._paths.items()}

    def read(self, name: str) -> bytes:
        check_length(self.sizes[name])
        try:
            return self._files.cat_file(self._paths[name])
        except Exception as error:
            raise unreachable(f"{name} of {self.name}", error) from error


def _names(members: AbstractMembers) -> list[str]:
    return by_parts(name for name in members.sizes if not any(map(is_ignored, name.split("/"))))


def _as_set(members: AbstractMembers, settings: DataSettings) -> ImageSet:
    names = _names(members)
    images = _by_keys(members, names, settings)
    return _told_of_links(_by_folders(members, names, settings) if images is None else images, members)


def _by_keys(
    members: AbstractMembers, names: Sequence[str], settings: DataSettings, *, every: bool = False
) -> ImageSet | None:
    """The samples of a WebDataset; None where no picture has a label beside it, unless `every` set is read so."""
    samples = sample_pictures(names, every=every)
    if samples is None:
        return None
    if not every and settings.split not in ("train", "all"):
        raise MissingSplitError(
            f"{members.name} has no split {settings.split!r}: it is one split by itself; expected train or all. "
            "Give the file of the split as data.source."
        )
    if not samples:
        raise InputError(
            f"{members.name} holds no pictures; expected files such as .png or .jpg. Check data.source."
        )
    labels, class_names = sample_labels(members, samples, settings.labels)
    return load_images(
        MemberSource(members, tuple(samples)), labels=labels, class_names=class_names, settings=settings
    )


def _told_of_links(images: ImageSet, members: AbstractMembers) -> ImageSet:
    if members.left_out:
        images.told = (
            *images.told,
            f"links and names that lead out of {members.name} are left out: {members.left_out}.",
        )
    return images


def _by_folders(members: AbstractMembers, names: Sequence[str], settings: DataSettings) -> ImageSet:
    pictures = [name for name in names if ending(name) in picture_endings()]
    if not pictures:
        raise InputError(
            f"{shown_name(members.name)} holds no pictures; expected files such as .png or .jpg. Check data.source."
        )
    above = _folder_above(pictures)
    inner = tuple(name.removeprefix(above) for name in pictures)
    reading = read_folder(FolderTree(root=Path(members.name), pictures=inner), settings)
    source = MemberSource(members, tuple(above + name for name in reading.files))
    images = load_images(source, labels=reading.labels, class_names=reading.class_names, settings=settings)
    images.told = (*(f"{line}." for line in reading.told), *images.told)
    return images


def _folder_above(names: Sequence[str]) -> str:
    """The folders that hold all others and nothing else, which archives often begin with.

    >>> _folder_above(["pets/cat/1.png", "pets/dog/1.png"]), _folder_above(["cat/1.png", "cat/2.png"])
    ('pets/', '')
    """
    above = ""
    while True:
        inner = [name.removeprefix(above).split("/") for name in names]
        if len({parts[0] for parts in inner}) > 1 or any(len(parts) < 3 for parts in inner):
            return above
        above += f"{inner[0][0]}/"
