"""Images per second of `contrascope train cifar10-simclr-cpu` on a machine that is not its own.

    python benchmarks/crowd.py --rounds 3

The real command on drawn images, as it is, as it was (a thread a core), and with one thread, in turns:
on a quiet machine, beside one busy process, and, where control groups can be written (root on Linux), in a container's
quota of half a core. Each is started anew, and its rate is that of all steps after the first three. Prints a row a
contender: the median over rounds and the share of the old quiet rate.
"""

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from contrascope.machine.cores import bound_cores
from contrascope.machine.openmp import THREADS

OLD = {THREADS: str(bound_cores())}
"""A thread a core, which is what torch takes by itself."""
CONTENDERS = {"as it was": OLD, "as it is": {}, "one thread": {THREADS: "1"}}
FIRST, MOST_STEPS, IMAGES = 3, 40, 8192
GROUP = Path("/sys/fs/cgroup")
Enter = Callable[[], None]


def rate(images: Path, told: dict[str, str], *, seconds: float, enter: Enter | None) -> tuple[float, int]:
    """Images a second of one start, and the threads that it took; stopped after so many seconds, or steps."""
    environment = {key: value for key, value in os.environ.items() if key != THREADS}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        words = ["--data.source", str(images), "--data.labels", "none", "--training.epochs", "1000"]
        words += ["--training.log-every", "1", "--monitor.times", "0", "--out", str(out)]
        process = subprocess.Popen(
            [sys.executable, "-m", "contrascope", "train", "cifar10-simclr-cpu", *words],
            env=environment | told,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            preexec_fn=enter,
        )
        end, found = time.monotonic() + seconds, []
        while time.monotonic() < end and len(found) < MOST_STEPS and process.poll() is None:
            time.sleep(0.5)
            found = rates(out / "metrics.jsonl")
        process.send_signal(signal.SIGKILL)
        said = process.communicate()[1].decode()
        found = rates(out / "metrics.jsonl")[FIRST:]
        if not found:
            raise SystemExit(f"no step in {seconds:.0f} s: {said[-2000:]}")
        taken = json.loads((out / "environment.json").read_text())["threads"]
        return len(found) / sum(1 / one for one in found), taken  # steps are of one size


def rates(path: Path) -> list[float]:
    lines = path.read_text().splitlines() if path.exists() else []
    rows = [json.loads(line) for line in lines if line.endswith("}")]
    return [row["images_per_second"] for row in rows if row.get("kind") == "step"]


@contextlib.contextmanager
def busy() -> Iterator[Enter | None]:
    """One process that keeps a core busy, in the same session: where sessions share the cores evenly, it matters."""
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield None
    finally:
        other.kill()
        other.wait()


@contextlib.contextmanager
def half_a_core() -> Iterator[Enter | None]:
    """A control group with the quota of half a core; the older tree of control groups and the unified one."""
    older = (GROUP / "cpu" / "cpu.cfs_quota_us").exists() or (GROUP / "cpu").is_dir()
    group = (GROUP / "cpu" if older else GROUP) / "contrascope-half"
    group.mkdir(exist_ok=True)
    try:
        if older:
            (group / "cpu.cfs_quota_us").write_text("50000")
        else:
            (group / "cpu.max").write_text("50000 100000")

        def enter() -> None:
            (group / "cgroup.procs").write_text(str(os.getpid()))

        yield enter
    finally:
        time.sleep(0.5)
        group.rmdir()


@contextlib.contextmanager
def quiet() -> Iterator[Enter | None]:
    yield None


PLACES = {"quiet": quiet, "beside one busy process": busy, "half a core": half_a_core}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60.0, help="of a start, at most")
    parser.add_argument("--places", nargs="+", choices=tuple(PLACES), default=tuple(PLACES))
    parser.add_argument("--contenders", nargs="+", choices=tuple(CONTENDERS), default=tuple(CONTENDERS))
    options = parser.parse_args()
    found: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder) / "images.npy"
        np.save(images, np.random.default_rng(0).integers(0, 256, (IMAGES, 32, 32, 3), dtype=np.uint8))
        for number in range(options.rounds):
            for place in options.places:
                for name in options.contenders:
                    with contextlib.ExitStack() as held:
                        try:
                            enter = held.enter_context(PLACES[place]())
                        except OSError as error:
                            sys.stderr.write(f"{place}: not measured ({error})\n")
                            continue
                        one, threads = rate(images, CONTENDERS[name], seconds=options.seconds, enter=enter)
                    found.setdefault((place, name), []).append(one)
                    sys.stderr.write(
                        f"round {number + 1}, {place}, {name}: {one:.0f} images/s, {threads} threads\n"
                    )
    show(found)


def show(found: dict[tuple[str, str], list[float]]) -> None:
    """Medians, and shares of the first contender's on a quiet machine, round by round."""
    before = found.get(("quiet", "as it was"))
    print(
        "| machine | contender | images/s (least to most) | of the old quiet rate |\n| --- | --- | --- | --- |"
    )
    for (place, name), rates_ in found.items():
        share = "-"
        if before is not None:
            share = f"{100 * statistics.median(a / b for a, b in zip(rates_, before, strict=True)):.0f} %"
        spread = f"{statistics.median(rates_):.0f} ({min(rates_):.0f} to {max(rates_):.0f})"
        print(f"| {place} | {name} | {spread} | {share} |")


if __name__ == "__main__":
    main()
