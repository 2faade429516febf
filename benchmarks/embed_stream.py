"""Embedding of very many JPEGs as a stream: peak memory, rate with one and two workers, and a stop in the middle.

    python benchmarks/embed_stream.py --images 100000 --folder /tmp/jpegs
    python benchmarks/embed_stream.py --images 5000 --folder /tmp/jpegs --layout tars --rates 5000

Writes the pictures once (224 px, about 10 kB each, as files in class folders, as Parquet or as the tars of a
WebDataset), then runs `contrascope embed` on all of them in processes of their own: one is killed with SIGKILL when
half of the shards are there, the next one goes on. All rows, read back, must have each image once. Rates are of
`--rates` of the pictures, with one and two threads that decode, from the first shard on, while they are decoded; per
second and per processor second, for a machine that others use. Prints one JSON line; fails if a peak is above
--limit-mb.

Asked again with the same words it goes on: pictures, rates and shards that are there stay, and so do seconds and
peaks, written down with each shard. `--minutes` ends a call, with code 75 where something is left to do.
"""

import argparse
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from stream import generate, jpeg

PER_FOLDER = 1000
CLASSES = 10
DIFFERENT = 2000
"""Pictures that are drawn; as files and in tars they come again and again."""
BUDGET = 12
"""MiB of pixels held: small, so that few pictures stream as very many do instead of being decoded first."""
NOT_DONE = 75
"""Exit code where the minutes were over before the end."""


def write(folder: Path, layout: str, images: int, side: int) -> Path:
    """The pictures, written once: a folder that is there is whole."""
    place = folder / f"{layout}-{images}x{side}"
    if place.exists():
        return place
    partial = place.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    if layout == "parquet":
        generate(partial, images, side)
    else:
        rng = np.random.default_rng(0)
        noise = rng.normal(0, 6, (side + 64, side + 64, 3))
        some = [jpeg(rng, side, noise) for _ in range(min(images, DIFFERENT))]
        for start in range(0, images, PER_FOLDER):
            pictures = [some[row % len(some)] for row in range(start, min(start + PER_FOLDER, images))]
            (write_tar if layout == "tars" else write_files)(partial, start, pictures)
    partial.rename(place)
    return place


def write_files(place: Path, start: int, pictures: Sequence[bytes]) -> None:
    for number, data in enumerate(pictures, start):
        path = place / f"class{number % CLASSES}" / f"{number:08}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)


def write_tar(place: Path, start: int, pictures: Sequence[bytes]) -> None:
    with tarfile.open(place / f"{start // PER_FOLDER:05}.tar", "w") as archive:
        for number, data in enumerate(pictures, start):
            for ending, body in (("jpg", data), ("cls", str(number % CLASSES).encode())):
                info = tarfile.TarInfo(f"{number:08}.{ending}")
                info.size = len(body)
                archive.addfile(info, io.BytesIO(body))


def command(source: Path, out: Path, options: argparse.Namespace, *, workers: int) -> list[str]:
    words = [sys.executable, "-m", "contrascope", "embed", options.encoder, str(source), "--out", str(out)]
    words += ["--data.size", str(options.size), "--data.workers", str(workers), "--device", options.device]
    words += ["--data.memory-budget-mb", str(BUDGET)]
    return [*words, "--shard-rows", str(options.shard_rows)]


class Kept:
    """What is measured so far, in a file that is written with each step."""

    def __init__(self, path: Path, *, minutes: float | None) -> None:
        self._path = path
        self._end = None if minutes is None else time.monotonic() + 60 * minutes
        self.values: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def write(self, **values: Any) -> None:
        self.values.update(values)
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(self.values))
        partial.rename(self._path)

    @property
    def late(self) -> bool:
        return self._end is not None and time.monotonic() > self._end


def watched(words: list[str], out: Path, kept: Kept, *, kill_at: int | None = None) -> dict[str, Any]:
    """Runs a command; peak resident memory in MB, and when each shard was there, by both clocks."""
    seen: list[tuple[float, int, float]] = []
    peak, before, spent = 0, count(out), 0.0
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(words, stderr=said, stdout=subprocess.DEVNULL)
        last = time.monotonic()
        try:
            while process.poll() is None and not kept.late:
                peak, spent = max(peak, resident(process.pid)), max(spent, processor_seconds(process.pid))
                now = count(out)
                if now > (seen[-1][1] if seen else before):
                    seen.append((time.monotonic(), now, spent))
                if time.monotonic() > last + 1:  # what a kill of this process may lose
                    last = _noted(kept, peak, last)
                if kill_at is not None and now >= kill_at:
                    process.send_signal(signal.SIGKILL)
                time.sleep(0.02)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.wait()
            _noted(kept, peak, last)
        said.seek(0)
        text = said.read()
    if kept.late and process.returncode:
        print("the minutes of this call are over; the same call goes on", file=sys.stderr)
        raise SystemExit(NOT_DONE)
    if process.returncode not in (0, -signal.SIGKILL) or (kill_at is None and process.returncode):
        raise SystemExit(text)
    now = count(out)
    if now > (seen[-1][1] if seen else before):
        seen.append((time.monotonic(), now, spent))
    return {"shards": now, "seen": seen, "said": text}


def _noted(kept: Kept, peak: int, last: float) -> float:
    """Adds the seconds since then, and the peak; gives the time."""
    now = time.monotonic()
    values = kept.values
    kept.write(
        peak_mb=max(peak, values.get("peak_mb", 0)), seconds=round(values.get("seconds", 0) + now - last, 2)
    )
    return now


def count(out: Path) -> int:
    return len(list(out.glob("part-*.parquet")))


def processor_seconds(process: int) -> float:
    """What a process has taken of all processors so far."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(process: int) -> int:
    """High-water mark of resident memory; mapped files count."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")), 0)


def rate(source: Path, options: argparse.Namespace, kept: Kept, workers: int) -> dict[str, int]:
    """Images per second and per processor second, without the start of the process and the first shard."""
    out = options.folder / f"rate-{workers}"
    shutil.rmtree(out, ignore_errors=True)
    some = argparse.Namespace(**{**vars(options), "shard_rows": max(1, options.rates // 4)})
    seen = watched(command(source, out, some, workers=workers), out, kept)["seen"]
    rows = sum(pq.read_metadata(path).num_rows for path in sorted(out.glob("part-*"))[1:])
    took, spent = (seen[-1][place] - seen[0][place] for place in (0, 2))
    if not took or not spent:
        raise SystemExit(f"{options.rates} pictures are embedded too fast for a rate; give --rates more.")
    return {f"images_per_s_{workers}": round(rows / took), f"per_processor_s_{workers}": round(rows / spent)}


def whole(out: Path, images: int) -> int:
    """Rows of all shards, each image once."""
    ids = pq.read_table(out, columns=["id"]).column(0).to_numpy()
    assert np.array_equal(ids, np.arange(images)), "an image is missing, or is there twice"
    return len(ids)


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """All of it, from where an earlier call stopped."""
    source = write(options.folder, options.layout, options.images, options.side)
    few = write(options.folder, options.layout, options.rates, options.side)
    encoder = options.encoder.replace("/", "_").replace(":", "_")
    name = f"{source.name}-{encoder}-{options.size}-{options.shard_rows}-{options.device}"
    out = options.folder / f"features-{name}"
    kept = Kept(options.folder / f"{name}.json", minutes=options.minutes)
    for workers in (1, 2):
        if f"images_per_s_{workers}" not in kept.values:
            found = rate(few, options, kept, workers)
            kept.write(**found, peak_mb=0, seconds=0)  # those are of all pictures
    words = command(source, out, options, workers=2)
    if "killed_with_shards" not in kept.values:
        half = max(1, -(-options.images // options.shard_rows) // 2)
        kept.write(killed_with_shards=watched(words, out, kept, kill_at=half)["shards"])
    if "went_on" not in kept.values or count(out) < kept.values["shards"]:
        rest = watched(words, out, kept)
        kept.write(went_on="going on with the others" in rest["said"], shards=rest["shards"])
    return {
        **{"images": whole(out, options.images), "layout": options.layout, "encoder": options.encoder},
        **{"size": options.size, "threads": os.environ.get("OMP_NUM_THREADS", "")},
        **kept.values,
        "mb_written": round(sum(path.stat().st_size for path in out.glob("part-*")) / 2**20),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--layout", choices=("files", "parquet", "tars"), default="files")
    parser.add_argument("--encoder", default="convnet")
    parser.add_argument("--size", type=int, default=32, help="side at which they are embedded")
    parser.add_argument("--shard-rows", type=int, default=10_000)
    parser.add_argument("--rates", type=int, default=5000, help="pictures that the rates are of")
    parser.add_argument("--limit-mb", type=int, default=1500)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--minutes", type=float, help="end this call after so many; the same call goes on")
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    if options.rates * 3 * options.size**2 <= BUDGET * 2**20:
        raise SystemExit(
            f"{options.rates} pictures of {options.size} px would not stream; give --rates more."
        )
    report = measured(options)
    print(json.dumps(report))
    if report["peak_mb"] > options.limit_mb:
        raise SystemExit(f"peak {report['peak_mb']} MB is above the limit of {options.limit_mb} MB")


if __name__ == "__main__":
    main()
