"""Opens every hostile file, in a process of its own: one line of JSON for each, then one for all of them."""

import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

sys.path.append(str(Path(__file__).parent))

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from hostile_arrays import ARRAYS
from hostile_pictures import BYTES, GOOD, PLACES
from hostile_tables import TABLES

from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError

HANGS = 60
"""Seconds on the wall after which a case is stopped: a busy machine is no hang."""
WATCHED = (
    "subprocess.Popen",
    "os.exec",
    "os.posix_spawn",
    "os.system",
    "os.fork",
    "os.forkpty",
    "socket.connect",
)
watched: list[str] = []


def watch(event: str, arguments: tuple) -> None:
    """Programs that are started, addresses that are asked, objects that are unpickled, secrets that are opened."""
    if event in (*WATCHED, "pickle.find_class") or (event == "open" and "secret." in str(arguments[0])):
        watched.append(f"{event} {arguments}"[:200])


def outcome(settings: DataSettings, cache: Path) -> dict:
    """What came of one call: images, bad ones and a sum of all pixels, or the sentence of a refusal."""
    begin = time.process_time()
    signal.alarm(HANGS)
    try:
        images = open_images(settings, cache_dir=cache)
        pixels = images.gather(torch.arange(len(images)))
        found = {
            "images": len(images),
            "bad": [bad.reason for bad in images.bad_images],
            "sum": int(pixels.long().sum()),
        }
    except InputError as error:
        found = {"refused": str(error)}
    except BaseException as error:
        found = {"raised": f"{type(error).__name__}: {error}"}
    signal.alarm(0)
    return found | {"seconds": time.process_time() - begin}


def folders(root: Path, *, make_them: bool) -> Iterator[tuple[str, Path]]:
    """Each case with the source that is opened; `make_them`: made anew."""
    made: dict[str, tuple[str, bytes | pa.Table | Callable[[Path], object]]] = {}
    made |= {name: ("x.png", data) for name, (_, data) in BYTES.items()}
    made |= {name: ("x.png", make) for name, (_, make) in PLACES.items()}
    made |= {name: (file, make) for name, (_, file, make) in ARRAYS.items()}
    made |= {f"table: {name}": ("train.parquet", make) for name, (_, make) in TABLES.items()}
    for place, (name, (file, make)) in enumerate({"secret": ("secret.dat", GOOD), **made}.items()):
        folder = root / ("secret" if name == "secret" else str(place))
        if make_them:
            folder.mkdir()
            write(folder / file, make)
        if name != "secret":
            yield name, folder if file in ("x.png", "train.parquet") else folder / file


def write(path: Path, make: bytes | pa.Table | Callable[[Path], object]) -> None:
    """One file, or what stands in its place; a picture gets a good one beside it."""
    if isinstance(make, bytes):
        path.write_bytes(make)
    elif isinstance(make, pa.Table):
        pq.write_table(make, path)
    else:
        make(path)
    if path.name == "x.png":
        (path.parent / "a.png").write_bytes(GOOD)


def see_that_it_watches(root: Path) -> None:
    """One of each that `watch` is there to see."""
    (root / "secret" / "secret.dat").read_bytes()
    subprocess.run(["true"], check=True)
    pickle.loads(pickle.dumps(Path))


def peak() -> int:
    """The most bytes that this process had in memory since `forget`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def forget() -> None:
    """What the files took while they were made does not count."""
    Path("/proc/self/clear_refs").write_text("5")


def too_long(*_: object) -> NoReturn:
    """A case that does not end."""
    raise TimeoutError(f"more than {HANGS} seconds")


def main() -> None:
    """Each case three times: skipping in memory, skipping in a stream, and with an error for a bad image."""
    signal.signal(signal.SIGALRM, too_long)
    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as name:
        # Made in a process of their own, whose memory does not count.
        maker = os.fork()
        if maker == 0:
            list(folders(Path(name), make_them=True))
            os._exit(0)
        assert os.waitpid(maker, 0)[1] == 0
        cases = list(folders(Path(name), make_them=False))
        forget()
        sys.addaudithook(watch)
        for case, source in cases:
            cache = source.parent / "cache" if source.is_file() else source.parent / f"cache-{source.name}"
            common = {"source": str(source), "size": 8, "workers": 1}
            found = {
                "memory": outcome(DataSettings(**common, on_bad_image="skip", memory_budget_mb=64), cache),
                "stream": outcome(DataSettings(**common, on_bad_image="skip", memory_budget_mb=0), cache),
                "error": outcome(DataSettings(**common, memory_budget_mb=64), cache),
            }
            found["seconds"] = max(one.pop("seconds") for one in found.values())
            found["peak"] = peak()
            print(json.dumps({case: found}), flush=True)
        seen = len(watched)
        see_that_it_watches(Path(name))
        print(json.dumps({"": {"watched": watched[:seen], "alive": watched[seen:]}}), flush=True)


if __name__ == "__main__":
    main()
