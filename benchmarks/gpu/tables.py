"""Call 4, three minutes on an H100: the papers' tables at the scale of a GPU, as far as they come.

    python benchmarks/gpu/tables.py --data FOLDER [--tables TABLE ...] [--out FOLDER]

Each table is one `contrascope reproduce TABLE --scale gpu`, for its share of the minutes that are left; asked again
with the same `--out` a table goes on where it stopped. Without `--tables` all are listed and begun in their order. A
command that is not there, or a table that is not known, is a null with its reason. The last line on stdout is JSON.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from line import Line, Missing, arguments, call

ROOT = Path(__file__).resolve().parents[2]
LEAST = 20.0
"""Seconds below which a table is not begun."""


def contrascope(*words: str, seconds: float) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, asked to stop when its time is up."""
    source = os.pathsep.join(filter(None, (str(ROOT / "src"), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "contrascope", *words]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": source},
    ) as process:
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.terminate()  # it saves and ends
            out, err = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def listed(seconds: float) -> list[str]:
    """The names of all tables."""
    done = contrascope("reproduce", "--scale", "gpu", "--json", seconds=seconds)
    if done.returncode:
        last = (done.stderr.strip() or "nothing was said").splitlines()[-1]
        raise Missing(
            f"contrascope has no command `reproduce` here ({last[:200]}): update it, then run this call again"
        )
    return [str(row["table"]) for row in json.loads(done.stdout)]


def made(name: str, options: argparse.Namespace, line: Line, seconds: float) -> dict[str, Any]:
    """What the table's record says after these seconds."""
    words = ["reproduce", name, "--scale", "gpu", "--json", "--out", str(options.out)]
    words += ["--data", options.data] if options.data else []
    words += ["--minutes", f"{seconds / 60:.2f}", *(["--dry-run"] if line.dry else [])]
    done = contrascope(*words, seconds=seconds + 30)
    try:
        record = json.loads(done.stdout)
    except ValueError:
        raise RuntimeError(f"{name} ended with {done.returncode}: {done.stderr.strip()[-300:]}") from None
    cells = record.get("cells", []) if isinstance(record, dict) else []
    states = [str(cell.get("state", "")) for cell in cells]
    return {"states": {state: states.count(state) for state in sorted(set(states))}, "record": record}


def measure(line: Line, options: argparse.Namespace) -> None:
    known = line.part("tables", lambda: listed(300 if line.dry else 60))
    if known is None:
        return
    wanted = options.tables or (known[:1] if line.dry else known)
    for number, name in enumerate(wanted):
        share = line.left() / (len(wanted) - number)

        def one(name: str = name, share: float = share) -> dict[str, Any]:
            if name not in known:
                raise Missing(f"there is no table {name!r}; expected one of {', '.join(known)}")
            return made(name, options, line, 120 if line.dry else share)

        line.part(name, one, needs=LEAST)


if __name__ == "__main__":
    parser = arguments(__doc__, minutes=3)
    parser.add_argument(
        "--tables", nargs="+", metavar="TABLE", help="names of tables; unset: all, in their order"
    )
    parser.add_argument("--data", help="folder with CIFAR-10 and CIFAR-100, each in hub layout")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/gpu-tables"), help="where tables lie (%(default)s)"
    )
    call("tables", parser.parse_args(), measure)
