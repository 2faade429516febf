"""One way in: a run, an encoder by name, a file, arrays or a model in memory become a `Subject`."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from contrascope.augment.settings import PolicySettings
from contrascope.data.imageset import ImageSet
from contrascope.data.memory import Labels, columns_from, images_from
from contrascope.data.settings import DataSettings
from contrascope.diagnosis.exhibits import Networks
from contrascope.diagnosis.networks import twin_of
from contrascope.encoders.foreign import FunctionEncoder
from contrascope.encoders.named import named_encoder, named_twin
from contrascope.encoders.twin import TWIN_SEED, drawn_from
from contrascope.errors import InputError, did_you_mean
from contrascope.exports.blueprint import drawn_blueprint, is_export, load_encoder, read_blueprint
from contrascope.features.features import Features
from contrascope.features.files import READABLE, load_arrays
from contrascope.features.rows import are_rows, views_of
from contrascope.features.shard_names import is_shards
from contrascope.methods.base import Method
from contrascope.precision import single_precision
from contrascope.records.files import MONITORED, REFERENCE, SETTINGS, is_monitored
from contrascope.records.inside import inside
from contrascope.runs.continued import start_of
from contrascope.runs.load import Run, load_run, random_twin_of
from contrascope.subjects.subject import Kind, Origin, Subject

HOLDS = {"file": "file", "arrays": "set", "monitor": "folder"}
"""What holds embeddings, in words."""
SIDE, CHANNELS = 224, 3
"""Of the images for an encoder that is opened without any."""


@single_precision()
def open_subject(
    thing: Any,
    *,
    data: Any = None,
    policy: PolicySettings | None = None,
    labels: Labels = None,
    step: int | None = None,
    size: int | None = None,
    channels: int | None = None,
    z: Any = None,
) -> Subject:
    """Anything that can be measured, opened by what it is.

    `thing`: a run's folder, that of an exported encoder, or a monitor's; an encoder's name (resnet18, timm:NAME,
    hf:NAME, torchvision:NAME, package.module:Object); a file of features (.npy, .npz, .safetensors, .parquet); arrays
    or tensors [n dim] or [views n dim], with `z` beside them; or a model in memory, alone or as (encoder, projector). A
    model and its modes stay as they are.
    `data`: images, for networks alone: settings, a folder or name, an array, a `datasets.Dataset`; unset: a run's own.
    `labels`: a column by name, or the labels themselves. `step`: checkpoint of a run. `size`: side of the images.
    `channels`: those that an encoder by name is built for, in place of the images'.

    >>> import torch
    >>> subject = open_subject(torch.eye(4), labels=[0, 0, 1, 1])
    >>> subject.origin.kind, subject.h.shape, list(subject.labels), subject.twin
    ('arrays', torch.Size([1, 4, 4]), ['label'], None)
    """
    kind = kind_of(thing)
    if step is not None and kind != "run":
        raise InputError(
            f"step is {step}, but {_called(thing)} is no run; only runs have checkpoints. Leave it out."
        )
    if z is not None and kind != "arrays":
        raise InputError(f"z stands beside arrays of h; {_called(thing)} is none. Leave it out.")
    if kind in ("file", "arrays", "monitor"):
        if data is not None or policy is not None:
            raise InputError(
                f"{_called(thing)} is a {HOLDS[kind]} of embeddings: it takes neither images "
                "nor a policy. Leave them out."
            )
        if kind == "monitor":
            return _monitored(thing, labels)
        return _file(Path(thing).expanduser(), labels) if kind == "file" else _arrays(thing, z, labels)
    if kind == "run":
        return _run(thing, data, policy=policy, labels=labels, step=step, size=size)
    if kind == "export":
        return _exported(Path(thing).expanduser(), data, policy=policy, labels=labels, size=size)
    source = None if data is None else _source(data, labels, size)
    images = source if source is None or isinstance(source, ImageSet) else images_from(source)
    shape = (CHANNELS, size or SIDE, size or SIDE) if images is None else images.shape
    if kind == "encoder":
        opened = _named(thing if isinstance(thing, str) else str(thing), (channels or shape[0], *shape[1:]))
    else:
        opened = _model(thing, None if images is None and size is None else shape)
    return replace(opened, source=source, opened=images, policy=policy or PolicySettings())


def is_file(thing: Any) -> bool:
    """Whether this is a file of features, there or not, or a folder of their shards."""
    if not isinstance(thing, str | Path):
        return False
    path = Path(thing).expanduser()
    return path.is_file() or (path.suffix in READABLE and not path.is_dir()) or is_shards(path)


def kind_of(thing: Any) -> Kind:
    """What this is: a run, an exported encoder, a monitor's folder, an encoder, a file, arrays or a model."""
    if is_file(thing):
        return "file"
    if isinstance(thing, str | Path):
        folder = Path(thing).expanduser()
        if is_export(folder) and not (folder / SETTINGS).exists():
            return "export"
        return "monitor" if is_monitored(folder) else "run" if folder.is_dir() else "encoder"
    if isinstance(thing, Run):
        return "run"
    if isinstance(thing, Features) or are_rows(thing):
        return "arrays"
    pair = isinstance(thing, tuple) and len(thing) == 2 and all(isinstance(one, nn.Module) for one in thing)
    if isinstance(thing, nn.Module | Networks) or pair or (callable(thing) and not isinstance(thing, type)):
        return "model"
    raise InputError(
        f"a {type(thing).__name__} cannot be measured; expected a run's folder, an encoder's name, a file of features, "
        "arrays, or a model."
    )


def _called(thing: Any) -> str:
    return str(thing) if isinstance(thing, str | Path) else f"a {type(thing).__name__} in memory"


def _source(data: Any, labels: Labels, size: int | None) -> DataSettings | ImageSet:
    """What a name or settings stand for is opened later, and has splits; what is in memory is a set at once."""
    if isinstance(data, str | Path):
        data = DataSettings(source=str(data))
    if not isinstance(data, DataSettings):
        return images_from(data, labels=labels, settings=DataSettings(size=size))
    data = data if size is None else replace(data, size=size)
    if labels is None or isinstance(labels, str):
        return data if labels is None else replace(data, labels=labels)
    return images_from(data, labels=labels)


def _run(
    thing: Any,
    data: Any,
    *,
    policy: PolicySettings | None,
    labels: Labels,
    step: int | None,
    size: int | None,
) -> Subject:
    run = _checkpoint(thing, step)
    own = run.settings
    asked = data.size if isinstance(data, DataSettings) else None
    source = _source(own.data if data is None else data, labels, size or asked or own.data.size)

    def twin() -> Networks:
        drawn = random_twin_of(run)
        return Networks(encoder=drawn.encoder, projector=drawn.projector)

    def start() -> Networks | None:
        read = start_of(run)
        return None if read is None else Networks(encoder=read)

    return Subject(
        name=str(thing.path if isinstance(thing, Run) else thing),
        origin=Origin(kind="run", step=run.step, shape=run.image_shape),
        networks=Networks(encoder=run.method.encoder, projector=run.method.projector),
        source=source,
        policy=own.policy if policy is None else policy,
        method=own.method,
        protocol=own.protocol,
        run=run,
        draw_twin=twin,
        read_start=start,
    )


def _exported(
    folder: Path, data: Any, *, policy: PolicySettings | None, labels: Labels, size: int | None
) -> Subject:
    """The encoder of an exported folder, for images of the side that it was built for; code there is not run."""
    made, _ = read_blueprint(folder)
    encoder = load_encoder(folder)
    asked = data.size if isinstance(data, DataSettings) else None
    source = None if data is None else _source(data, labels, size or asked or made.size)

    def twin() -> Networks:
        with drawn_from(TWIN_SEED):
            return Networks(encoder=drawn_blueprint(made).eval())

    return Subject(
        name=str(folder),
        origin=Origin(kind="export", shape=(made.channels, made.size, made.size)),
        networks=Networks(encoder=encoder),
        source=source,
        policy=policy or PolicySettings(),
        draw_twin=twin,
    )


def _checkpoint(thing: Any, step: int | None) -> Run:
    if not isinstance(thing, Run):
        return load_run(Path(thing).expanduser(), step=step)
    return thing if step is None else load_run(thing.path, step=step)


def _named(name: str, shape: tuple[int, int, int]) -> Subject:
    encoder = named_encoder(name, channels=shape[0], size=min(shape[1:]))

    def twin() -> Networks | None:
        drawn = named_twin(name, encoder, channels=shape[0], size=min(shape[1:]))
        return None if drawn is None else Networks(encoder=drawn)

    return Subject(
        name=name,
        origin=Origin(kind="encoder", shape=shape),
        networks=Networks(encoder=encoder),
        draw_twin=twin,
    )


def _model(thing: Any, shape: tuple[int, int, int] | None) -> Subject:
    networks = _networks_in(thing)
    return Subject(
        name=type(networks.encoder).__name__,
        origin=Origin(kind="model", shape=shape),
        networks=networks,
        draw_twin=lambda: twin_of(networks),
    )


def _networks_in(thing: Any) -> Networks:
    if isinstance(thing, Networks):
        return thing
    if isinstance(thing, Method):
        return Networks(encoder=thing.encoder, projector=thing.projector)
    if isinstance(thing, tuple):
        return Networks(encoder=thing[0], projector=thing[1])
    return Networks(encoder=thing if isinstance(thing, nn.Module) else FunctionEncoder(thing))


def _file(path: Path, labels: Labels) -> Subject:
    held = load_arrays(path)
    columns = _columns(held.y, labels, count=held.h.shape[1], name=str(path))
    z = None if held.z is None else held.z.float()
    return Subject(
        name=str(path), origin=Origin(kind="file"), h=held.h.float(), z=z, columns=columns, rows=held.names
    )


def _monitored(thing: Any, labels: Labels) -> Subject:
    """The rows that a monitor measured last, beside those of its reference."""
    folder = Path(thing).expanduser()
    subject = _file(inside(folder, MONITORED), labels)
    known = inside(folder, REFERENCE)
    beside = load_arrays(known) if known.exists() else None
    return replace(
        subject,
        name=str(thing),
        origin=Origin(kind="monitor"),
        reference=(None, None) if beside is None else (beside.h, beside.z),
    )


def _arrays(thing: Any, z: Any, labels: Labels) -> Subject:
    own: Mapping[str, Tensor] = {}
    names: tuple[str, ...] = ()
    if isinstance(thing, Features):
        thing, z, own, names = thing.h, thing.z if z is None else z, thing.y, thing.names
    h = views_of("h", thing)
    rows = None if z is None else views_of("z", z)
    if rows is not None and rows.shape[:2] != h.shape[:2]:
        raise InputError(
            f"z has (views, n) = {tuple(rows.shape[:2])} and h has {tuple(h.shape[:2])}; "
            "both come from the same images and views."
        )
    name = "arrays in memory"
    columns = _columns(own, labels, count=h.shape[1], name=name)
    return Subject(name=name, origin=Origin(kind="arrays"), h=h, z=rows, columns=columns, rows=names)


def _columns(own: Mapping[str, Tensor], labels: Labels, *, count: int, name: str) -> dict[str, Tensor]:
    """All label columns, those that are named, none, or others by their values."""
    if labels is None:
        return dict(own)
    if not isinstance(labels, str):
        return columns_from(labels, count=count, name=name)[0]
    wanted = [] if labels == "none" else [column.strip() for column in labels.split(",")]
    for column in wanted:
        if column not in own:
            raise InputError(f"{name} has no label column {column!r}. {did_you_mean(column, own)}")
    return {column: own[column] for column in wanted}
