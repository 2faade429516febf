"""Networks that take their time, and one of Ray's processes that is killed."""

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import torch

from contrascope import records


class Slow(torch.nn.Flatten):
    """Takes a while for each batch."""

    def forward(self, x):
        time.sleep(0.3)
        return super().forward(x)


def steps(run):
    path = run / records.METRICS
    rows = records.read_metrics(path) if path.exists() else []
    return [row["step"] for row in rows if row["kind"] == "step"]


def processes_in(title):
    """Processes of this session's children whose title begins so, as Ray gives one to each of its workers."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit() and below(int(place.name), os.getpid()):
            words = (place / "cmdline").read_bytes().decode(errors="replace")
            found += [int(place.name)] if words.startswith(title) else []
    return sorted(found)


def below(process, ancestor):
    while process > 1:
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return False
        process = int(fields[1])
        if process == ancestor:
            return True
    return False


@contextlib.contextmanager
def killed(title, *, when):
    """Kills the last process of this title with SIGKILL, once `when` says so, beside what the block does.

    The block fails where it ends before that.
    """
    over, found = threading.Event(), []

    def watch():
        while not found and not over.wait(0.05):
            found.extend(processes_in(title)[-1:] if when() else [])
        for process in found:
            os.kill(process, signal.SIGKILL)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert found, f"{title} was not killed before the end"


class Flat(torch.nn.Flatten):
    """Another network."""


def listens(process):
    """Addresses on which a process listens, by Linux's own tables of sockets."""
    try:
        held = {os.readlink(path) for path in Path(f"/proc/{process}/fd").iterdir()}
        tables = [Path(f"/proc/{process}/net/{kind}").read_text() for kind in ("tcp", "tcp6")]
    except OSError:
        return []
    rows = [line.split() for table in tables for line in table.splitlines()[1:]]
    return [address(row[1]) for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in held]


def address(words):
    """An IPv4 address, or one within IPv6, from hexadecimal words in the machine's order.

    >>> address("0100007F:1F90"), address("0000000000000000FFFF00000100007F:1F90")
    ('127.0.0.1', '127.0.0.1')
    """
    number = words.partition(":")[0]
    if len(number) == 32 and not number.startswith("0000000000000000FFFF0000"):
        return number
    return ".".join(str(byte) for byte in reversed(bytes.fromhex(number[-8:])))
