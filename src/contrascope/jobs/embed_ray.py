"""Shards of features by a pool of Ray's actors: each opens networks and images once, and writes whole shards itself."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from contrascope.data.settings import DataSettings
from contrascope.engines.ray import RaySettings, ray_cluster
from contrascope.errors import InputError
from contrascope.features.shards import Shard
from contrascope.jobs.embed_stream import ROWS, Finish, Stream, finish_here, open_stream
from contrascope.precision import single_precision
from contrascope.progress import Progress


class ShardActor:
    """In a process of Ray's: embeds the shards that it is given, and writes them into the folder."""

    def __init__(self, **told: Any) -> None:
        """`told`: what `open_stream` was told, the folder, and the request that both must agree on."""
        self._told, self._out = told, told["out"]

    @cached_property
    def _stream(self) -> Stream:
        told = self._told
        os.chdir(told["place"])
        stream = open_stream(told["thing"], told["data"], rows=told["rows"], device=told["device"])
        stream.request.check(told["request"], self._out)
        return stream

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Shards by their numbers and borders; gives back how many images are done, and what it refuses."""
        shards = [
            Shard(**{name: int(batch[name][place]) for name in batch}) for place in range(len(batch["of"]))
        ]
        why = ""
        try:
            with single_precision():
                finish_here(self._stream, self._out, shards)
        except InputError as error:
            why = str(error)
        return {"done": [len(shard) for shard in shards], "why": [why] * len(shards)}


def finish_on_ray(
    settings: RaySettings,
    thing: str,
    data: DataSettings,
    *,
    workers: int,
    rows: int = ROWS,
) -> Finish:
    """How `embed_to_shards` writes what is missing on a cluster: by Ray Data, with one to `workers` actors.

    An actor that is killed is started again, and its shard is written anew. Folder and images lie on a disk that all
    machines share.
    """
    if workers < 1:
        raise InputError(f"--workers is {workers}; expected 1 or more.")

    def finish(stream: Stream, out: Path, missing: Sequence[Shard], progress: Progress) -> None:
        if not missing:
            return
        told = {
            **{"thing": thing, "data": data, "rows": rows, "device": settings.device},
            **{"place": os.getcwd(), "out": out.resolve(), "request": stream.request.entry},
        }
        with ray_cluster(settings, workers=workers) as ray:
            _embed(ray, told, missing, settings, workers=workers, progress=progress)

    return finish


def _embed(
    ray: Any,
    told: dict[str, Any],
    missing: Sequence[Shard],
    settings: RaySettings,
    *,
    workers: int,
    progress: Progress,
) -> None:
    ray.data.DataContext.get_current().enable_progress_bars = False
    todo = ray.data.from_items([asdict(shard) for shard in missing], override_num_blocks=len(missing))
    found = todo.map_batches(
        ShardActor,
        fn_constructor_kwargs=told,
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=workers),
        num_cpus=settings.cpus,
        num_gpus=settings.gpus or None,
    )
    done, total = 0, sum(map(len, missing))
    for row in found.iter_rows():
        if row["why"]:
            raise InputError(row["why"])
        done += int(row["done"])
        progress(done, total)
