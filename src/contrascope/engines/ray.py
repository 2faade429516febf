"""A Ray cluster: one that is there, or one on this machine that nobody else reaches, ended with the work."""

import contextlib
import importlib
import io
import logging
import os
import secrets
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contrascope.errors import InputError, MissingExtraError
from contrascope.extras import install_line
from contrascope.imports import VARIABLE

LEAST_CPUS = 4
"""Logical processors of a cluster on this machine: with two of them two workers wait for each other for ever."""
STORE = 200 * 2**20
"""Bytes of its object store: images and features do not pass through it."""
KEYS = ("address", "cpus", "gpus")
"""What `--ray KEY=VALUE` takes."""
LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Variable of Ray's: where it is 0, a cluster on this machine listens on the loopback address alone, on Linux too."""
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_CHDIR_TO_TRIAL_DIR": "0", "TUNE_DISABLE_SIGINT_HANDLER": "1"}
QUIET |= {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
}
QUIET |= {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_TRAIN_V2_ENABLED": "1"}
"""Variables of Ray's: no reports to its makers, no change of folders, our own stop, less output, Train V2."""
LATE = "timed out during startup"
"""What Ray says, as a plain `Exception`, where its processes are not there within half a minute."""
PATIENT = {"RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "600", "RAY_worker_register_timeout_seconds": "300"}
"""Variables of Ray's: on a crowded machine a worker takes more than Ray's minute to begin, and would begin anew."""


@dataclass(frozen=True, kw_only=True)
class RaySettings:
    """Which cluster, and what a worker of it takes."""

    address: str | None = None
    """`auto`, HOST:PORT or ray://...; None: a cluster on this machine alone."""
    cpus: int = 1
    """Logical processors of a worker, which are its threads too."""
    gpus: float = 0
    """GPUs of a worker."""

    def __post_init__(self) -> None:
        if self.cpus < 1 or self.gpus < 0:
            raise InputError(
                f"--ray has cpus={self.cpus} and gpus={self.gpus:g}; expected 1 or more, and 0 or more."
            )

    @property
    def device(self) -> str:
        """Where a worker embeds, whatever the machine has that gives the command."""
        return "cuda" if self.gpus else "cpu"

    @property
    def resources(self) -> dict[str, float]:
        """As Ray names them."""
        return {"CPU": float(self.cpus), **({"GPU": self.gpus} if self.gpus else {})}


def read_ray(words: Sequence[str]) -> RaySettings:
    """Settings of `--ray KEY=VALUE`.

    >>> read_ray(["address=auto", "cpus=8", "gpus=1"])
    RaySettings(address='auto', cpus=8, gpus=1.0)
    """
    found: dict[str, Any] = {}
    for word in words:
        key, _, value = word.partition("=")
        if key not in KEYS or not value:
            raise InputError(f"--ray {word!r}; expected address=HOST:PORT, cpus=NUMBER or gpus=NUMBER.")
        try:
            found[key] = value if key == "address" else int(value) if key == "cpus" else float(value)
        except ValueError:
            raise InputError(f"--ray {word!r}; expected a number.") from None
    return RaySettings(**found)


@contextlib.contextmanager
def ray_cluster(settings: RaySettings, *, workers: int) -> Iterator[Any]:
    """The module `ray`, connected while the block runs; a cluster on this machine is started for it and ended.

    It listens on the loopback address, and asks for a token that this process draws; a cluster that is there has its
    own rule, by Ray's variables (docs/scale.md). Inside such a block another one takes the same cluster. What Ray says
    on stdout goes to stderr, for stdout is for results; of a cluster on this machine it is left out. Raises
    `MissingExtraError` without the extra, and `InputError` where this machine lacks the GPUs: Ray would wait for ever.
    """
    os.environ.update(QUIET)
    for name, seconds in PATIENT.items():
        os.environ.setdefault(name, seconds)
    there: Any = sys.modules.get("ray")
    if there is not None and there.is_initialized():
        yield there
        return
    here = settings.address is None
    if here:
        os.environ.setdefault(LOOPBACK, "0")
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    ray = _ray()
    own = (
        tempfile.mkdtemp(prefix="contrascope-", dir="/tmp" if Path("/tmp").is_dir() else None) if here else ""
    )
    local = {
        "num_cpus": max(LEAST_CPUS, workers * settings.cpus + 1),
        "object_store_memory": STORE,
        "include_dashboard": False,
        "_temp_dir": own,
    }
    try:
        with _own_signals():
            connect(ray, settings, local if here else {})
        if here:
            check_gpus(ray, settings, workers)
        with contextlib.redirect_stdout(io.StringIO() if here else sys.stderr):
            yield ray
    finally:
        with _own_signals():
            ray.shutdown()
        if own:
            shutil.rmtree(own, ignore_errors=True)


def connect(ray: Any, settings: RaySettings, more: dict[str, Any]) -> None:
    """Calls `ray.init`; raises `InputError` where that finds no cluster, or cannot start one."""
    allowed = os.environ.get(VARIABLE)
    if allowed:  # what was typed in this call may be imported by the workers
        more = {**more, "runtime_env": {"env_vars": {VARIABLE: allowed}}}
    if settings.address is not None:
        more = {**more, "address": settings.address}
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **more)
    except Exception as error:
        if not isinstance(error, (ConnectionError, RuntimeError, ValueError, OSError)) and LATE not in str(
            error
        ):
            raise
        said = " ".join(str(error).split())[:500]
        where = settings.address or "on this machine"
        raise InputError(
            f"no Ray cluster {where}: {said} Check --ray address, and that the cluster runs."
        ) from error
    for name in ("ray", "ray.data", "ray.tune", "ray.train"):
        logging.getLogger(name).setLevel(logging.ERROR)


def check_gpus(ray: Any, settings: RaySettings, workers: int) -> None:
    """Raises `InputError` where so many workers need more GPUs than a cluster of this machine has."""
    needed, found = workers * settings.gpus, ray.cluster_resources().get("GPU", 0.0)
    if needed > found:
        raise InputError(
            f"--ray gpus={settings.gpus:g} for {workers} at a time needs {needed:g} GPUs; this machine has {found:g}. "
            "Ask for fewer, or name a cluster that has them with --ray address=HOST:PORT."
        )


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Ray takes SIGTERM for itself; what the command does on it stays."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _ray() -> Any:
    try:
        for part in ("ray.data", "ray.train", "ray.tune"):
            importlib.import_module(part)
        return importlib.import_module("ray")
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in (
            "ray",
            "msgpack",
            "jsonschema",
            "requests",
            "tensorboardX",
        ):
            raise
        raise MissingExtraError(
            "the engine ray needs the package ray with its parts tune, train and data, which are not installed. "
            f"Run: {install_line('cluster')}"
        ) from error


def alone_again() -> None:
    """In a worker that Ray started alone: no group of processes, so that training is that of one process."""
    import torch.distributed as dist

    if int(os.environ.get("WORLD_SIZE", "1")) != 1:
        return
    if dist.is_initialized():
        dist.destroy_process_group()
    for name in (
        "RANK",
        "LOCAL_RANK",
        "WORLD_SIZE",
        "LOCAL_WORLD_SIZE",
        "NODE_RANK",
        "MASTER_ADDR",
        "MASTER_PORT",
    ):
        os.environ.pop(name, None)
