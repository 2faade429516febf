"""Arguments of commands whose work a Ray cluster may do."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from contrascope.errors import InputError
from contrascope.machine.cores import usable_cores, whole_threads

if TYPE_CHECKING:
    from contrascope.engines.ray import RaySettings
    from contrascope.sweeps.engine import SweepEngine
    from contrascope.sweeps.ray import RayEngine

GPU_PARAMETERS = ("gpus", "slurm_gpus", "slurm_gres")
"""How parameters of Slurm begin that ask for a GPU."""


@dataclass(frozen=True, kw_only=True)
class RayArguments:
    """How a Ray cluster is told."""

    ray: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Of the engine ray, KEY=VALUE: address=HOST:PORT of a cluster that is there (else one of this machine), cpus=8 and gpus=1 of each worker; one each time."""  # noqa: E501

    @property
    def ray_words(self) -> list[str]:
        """The flags of this cluster, as they were typed."""
        return [f"--ray {word}" for word in self.ray]

    def ray_settings(self) -> "RaySettings":
        """As they were typed."""
        from contrascope.engines.ray import read_ray

        return read_ray(self.ray)


@dataclass(frozen=True, kw_only=True)
class EngineArguments(RayArguments):
    """Where the work is done."""

    engine: Literal["local", "ray"] = "local"
    """This process, or workers of a Ray cluster (extra `cluster`)."""
    workers: int = 1
    """Workers of the engine ray."""

    def on_ray(self, device: str | None) -> bool:
        """Whether the engine is Ray; raises `InputError` for its flags without it, and for a device with it."""
        if self.engine == "ray" and self.workers < 1:
            raise InputError(f"--workers is {self.workers}; expected 1 or more.")
        if self.engine == "ray" and device is not None:
            raise InputError("the engine ray takes --ray gpus=1 in place of --device; leave it out.")
        if self.engine == "local" and (self.ray or self.workers != 1):
            flag = "--ray" if self.ray else "--workers"
            raise InputError(f"{flag} is of the engine ray; add --engine ray.")
        return self.engine == "ray"

    @property
    def again(self) -> str:
        """Flags of the engine, for a line that says how something goes on.

        >>> EngineArguments(engine="ray", workers=2, ray=("cpus=4",)).again
        ' --engine ray --workers 2 --ray cpus=4'
        >>> EngineArguments().again
        ''
        """
        if self.engine == "local":
            return ""
        return " ".join(["", "--engine ray --workers", str(self.workers), *self.ray_words])


@dataclass(frozen=True, kw_only=True)
class TrialArguments(RayArguments):
    """Where the trials of a sweep run, and those of a table, which is one."""

    engine: Literal["local", "slurm", "ray"] = "local"
    """Where trials run: processes of this machine, jobs of Slurm, or a Ray cluster (extra `cluster`)."""
    jobs: int = 1
    """Trials at a time; the cores of this machine are divided among them."""
    slurm: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """A parameter of the jobs, KEY=VALUE, such as partition=gpu, timeout_min=120 or cpus_per_task=8; one each time."""

    def engine_for(self, out: Path, held: contextlib.ExitStack) -> "SweepEngine | RayEngine":
        """The engine, with the threads of a trial: what OpenMP was told, else a share of the cores.

        `out` is the sweep's folder; `held` ends what is started for it.
        """
        from contrascope.machine.openmp import threads_are_asked_for
        from contrascope.sweeps.engine import LocalEngine

        if self.engine == "slurm":
            from contrascope.sweeps.slurm import SlurmEngine, read_parameters

            return SlurmEngine(out, read_parameters(self.slurm))
        if self.slurm:
            raise InputError("--slurm is of the engine slurm; add --engine slurm.")
        if self.jobs < 1:
            raise InputError(f"--jobs is {self.jobs}; expected 1 or more.")
        if self.ray and self.engine != "ray":
            raise InputError("--ray is of the engine ray; add --engine ray.")
        import torch

        asked_for = threads_are_asked_for()
        threads = torch.get_num_threads() if asked_for else whole_threads(usable_cores() / self.jobs)
        if self.engine == "local":
            return LocalEngine(threads=threads)
        from contrascope.engines.ray import ray_cluster
        from contrascope.sweeps.ray import RayEngine

        settings = self.ray_settings()
        ray = held.enter_context(ray_cluster(settings, workers=self.jobs))
        return RayEngine(ray, settings, out, threads=threads if settings.address is None else settings.cpus)

    @property
    def on_gpus(self) -> bool:
        """Whether the workers of the engine ask for a GPU each, whatever this machine has."""
        if self.engine == "slurm":
            from contrascope.sweeps.slurm import read_parameters

            return any(key.startswith(GPU_PARAMETERS) for key in read_parameters(self.slurm))
        return self.engine == "ray" and self.ray_settings().gpus > 0
