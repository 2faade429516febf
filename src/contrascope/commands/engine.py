"""Arguments of commands whose work a Ray cluster may do."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from contrascope.errors import InputError

if TYPE_CHECKING:
    from contrascope.engines.ray import RaySettings


@dataclass(frozen=True, kw_only=True)
class RayArguments:
    """How a Ray cluster is told."""

    ray: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Of the engine ray, KEY=VALUE: address=HOST:PORT of a cluster that is there (else one of this machine), cpus=8 and gpus=1 of each worker; one each time."""  # noqa: E501

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
        if self.engine == "ray" and device is not None:
            raise InputError("the engine ray takes --ray gpus=1 in place of --device; leave it out.")
        if self.engine == "local" and (self.ray or self.workers != 1):
            flag = "--ray" if self.ray else "--workers"
            raise InputError(f"{flag} is of the engine ray; add --engine ray.")
        return self.engine == "ray"
