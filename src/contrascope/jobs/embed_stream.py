"""Features of very many images: shards of Parquet that are written as they come, in memory that does not grow."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from contrascope.data.settings import DataSettings
from contrascope.encoders.twin import weights_hash
from contrascope.errors import InputError
from contrascope.features.embed import EmbeddedBatch, batch_for, embedded_batches
from contrascope.features.features import Features
from contrascope.features.shards import (
    RowGroups,
    Shard,
    check_free,
    is_there,
    remove_scraps,
    shard_writer,
    shards_of,
)
from contrascope.machine.device import default_device
from contrascope.precision import single_precision
from contrascope.progress import Progress, Say, silent, unheard
from contrascope.records.inside import inside, removed
from contrascope.runs.bad_images import tell_images
from contrascope.runs.store import Request, begin
from contrascope.subjects.open import open_subject
from contrascope.subjects.subject import Subject

ROWS = 10_000
"""Images of a shard, brought to whole batches."""

AHEAD_MB = 64
"""Budget of decoded images on a CPU: some batches ahead; a larger set is not decoded before its first shard."""
WORK = "_work"
"""Folder in that of the shards for what is no shard; readers of Parquet folders pass over names that begin so."""

Finish = Callable[["Stream", Path, Sequence[Shard], Progress], None]
"""Writes these shards into the folder, and tells each time how many images are done."""


@dataclass(frozen=True)
class Stream:
    """Networks and images, cut into shards of whole batches: cut so, their rows have the bits of one pass."""

    subject: Subject
    """What is embedded by what."""
    device: torch.device
    """Where."""
    rows: int
    """Images of a shard that were asked for."""

    @cached_property
    def batch(self) -> int:
        """Images of a batch."""
        return batch_for(self.subject.images.shape, self.device)

    @cached_property
    def shards(self) -> tuple[Shard, ...]:
        """All of them."""
        count = len(self.subject.images)
        if count == 0:
            raise InputError("the set of images is empty: there is nothing to embed.")
        return shards_of(count, -(-self.rows // self.batch) * self.batch)

    @cached_property
    def request(self) -> Request:
        """What makes the shards what they are."""
        networks, images = self.subject.trained, self.subject.images
        parts = {"encoder": networks.encoder, "projector": networks.projector}
        hashes = {name: None if part is None else weights_hash(part) for name, part in parts.items()}
        return Request(
            work="embedding",
            settings={"rows": len(self.shards[0]), "batch": self.batch, "labels": list(images.labels)},
            of={**hashes, "images": images.fingerprint, "count": len(images)},
        )

    def rows_of(self, batch: EmbeddedBatch) -> Features:
        """A batch with names and labels of its images."""
        images, ids = self.subject.images, batch.ids
        return Features(
            h=batch.h,
            z=batch.z,
            y={name: column.cpu()[ids] for name, column in images.labels.items()},
            ids=ids,
            names=images.names(ids),
            classes=dict(images.class_names),
        )


def open_stream(
    thing: Any, data: Any, *, rows: int = ROWS, device: torch.device | str | None = None
) -> Stream:
    """Networks and images of anything that `open_subject` opens with images."""
    if rows < 1:
        raise InputError(f"shards of {rows} rows; expected 1 or more.")
    where = default_device() if device is None else torch.device(device)
    if isinstance(data, DataSettings) and where.type == "cpu":
        data = replace(data, memory_budget_mb=min(data.memory_budget_mb, AHEAD_MB))
    subject = open_subject(thing, data=data)
    return Stream(subject, torch.device(subject.device(device)), rows)


@single_precision()
def embed_to_shards(
    thing: Any,
    data: Any,
    out: Path,
    *,
    rows: int = ROWS,
    device: torch.device | str | None = None,
    progress: Progress = silent,
    say: Say = unheard,
    finish: Finish | None = None,
) -> Path:
    """Features of clean images in a folder of Parquet files, with the rows that `embed_to_file` writes in one.

    Each file appears whole; asked again, it goes on with those that are missing. Memory holds a few batches and the
    names of the images. `finish` writes the shards that are missing, else this process does. Raises `InputError` where
    the folder holds features of other networks or images, or other things.
    """
    stream = open_stream(thing, data, rows=rows, device=device)
    check_free(out, beside=WORK)
    fresh, work = not out.exists(), inside(out, WORK)
    with _nothing_left(out if fresh else None), begin(work, stream.request):
        remove_scraps(out)
        tell_images(stream.subject.images, say, beside=work)
        missing = [shard for shard in stream.shards if not is_there(out, shard)]
        count = len(stream.subject.images)
        before = count - sum(map(len, missing))
        if before:
            rest = "going on with the others" if missing else "nothing is left to do"
            say(f"{before:,} of {count:,} images are embedded in {out}; {rest}.")
        (finish or finish_here)(stream, out, missing, lambda done, _: progress(before + done, count))
    return out


@contextmanager
def _nothing_left(out: Path | None) -> Iterator[None]:
    """Where a new folder is refused before its first shard, it is removed again."""
    try:
        yield
    except InputError:
        if out is not None and not any(out.glob("part-*")):
            removed(out / WORK)
            with suppress(OSError):
                out.rmdir()
        raise


def finish_here(stream: Stream, out: Path, missing: Sequence[Shard], progress: Progress = silent) -> None:
    """Embeds and writes shards one after another; images are decoded ahead across their borders."""
    if not missing:
        return
    networks, done = stream.subject.trained, 0
    order = torch.cat([torch.arange(shard.start, shard.stop) for shard in missing])
    batches = embedded_batches(
        networks.encoder,
        networks.projector,
        stream.subject.images,
        order,
        device=stream.device,
        batch_size=stream.batch,
    )
    with closing(batches):
        for shard in missing:
            with shard_writer(inside(out, shard.name)) as rows:
                for _ in range(-(-len(shard) // stream.batch)):
                    done += _written(next(batches), stream, rows)
                    progress(done, len(order))


def _written(batch: EmbeddedBatch, stream: Stream, rows: RowGroups) -> int:
    rows.add(stream.rows_of(batch))
    return len(batch.ids)
