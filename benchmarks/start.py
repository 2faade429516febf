"""How long a process takes that diagnoses an array, beside one that only imports torch; computation aside.

    python benchmarks/start.py --rounds 5

Both are started in turns. Seconds of the processor, which other processes on the machine disturb least, and on the
clock; medians over rounds. The computation is what a second diagnosis of the same array takes in the same process.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

TORCH = "import torch"
DIAGNOSE = """
import time, numpy
rows = numpy.random.default_rng(0).standard_normal((1000, 64), dtype="float32")
import contrascope
contrascope.diagnose(rows)
begun = time.perf_counter(), time.process_time()
contrascope.diagnose(rows)
print(time.process_time() - begun[1], time.perf_counter() - begun[0])
"""


def started(code: str) -> tuple[float, float]:
    """Seconds of the processor and on the clock, less what the process says that it computed, twice."""
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = [float(word) for word in process.stdout.read().split()] or [0.0, 0.0]
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    if status:
        raise SystemExit(f"a process ended with {status}")
    return used.ru_utime + used.ru_stime - 2 * said[0], seconds - 2 * said[1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    found = {name: [] for name in ("import torch", "diagnose 1,000 x 64")}
    for place in range(rounds + 1):
        for name, code in zip(found, (TORCH, DIAGNOSE), strict=True):
            seconds = started(code)
            found[name] += [seconds] if place else []  # the first of each reads the files from disk
    print("| process | processor, s | clock, s |\n| --- | --- | --- |")
    middle = {
        name: [statistics.median(column) for column in zip(*rows, strict=True)]
        for name, rows in found.items()
    }
    for name, (used, seconds) in middle.items():
        print(f"| {name} | {used:.2f} | {seconds:.2f} |")
    alone, whole = middle.values()
    print(f"| ratio | {whole[0] / alone[0]:.2f} | {whole[1] / alone[1]:.2f} |")


if __name__ == "__main__":
    main()
