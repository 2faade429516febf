"""From the words of --grid to trials: every combination of values, all settings of one seed before the next seed."""

import csv
import dataclasses
import itertools
import json
import re
import shlex
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from contrascope.errors import InputError, did_you_mean
from contrascope.runs.settings import RunSettings
from contrascope.settings import digest, to_json

SEED, METHOD = "training.seed", "method"
"""The path of the seeds, and the one group of settings that has a word of its own: the method's name."""
KINDS = {float: "a number", int: "a whole number", type(None): "None"}
"""Types of settings in words."""
MOST_TRIALS = 1000
"""Trials of a sweep."""
Parse = Callable[[Sequence[str]], RunSettings]
"""The settings that these flags give on top of those of the command; raises `InputError` for a wrong one."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A setting that is varied, and its values as they are typed."""

    path: str
    values: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One run of a sweep."""

    name: str
    """Its folder in that of the sweep."""
    seed: str
    """Its seed."""
    values: dict[str, str]
    """Path to value of the other axes."""
    settings: RunSettings
    """All settings of the run."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What is swept."""

    axes: tuple[Axis, ...]
    """The seeds first."""
    trials: tuple[Trial, ...]
    """In their order."""


def read_axes(words: Sequence[str]) -> tuple[Axis, ...]:
    """The axes of the words after --grid, seeds first; a value with a comma in it stands between double quotes.

    >>> [(one.path, one.values) for one in read_axes(["optim.lr=0.1,0.2", "training.seed=0,1"])]
    [('training.seed', ('0', '1')), ('optim.lr', ('0.1', '0.2'))]
    >>> read_axes(["method.temperature"])
    Traceback (most recent call last):
    contrascope.errors.InputError: --grid 'method.temperature' names no values; expected PATH=VALUE,VALUE...
    """
    axes: list[Axis] = []
    for word in words:
        path, equals, text = word.partition("=")
        path = path.strip().lstrip("-").replace("-", "_")
        values = [one.strip() for one in next(csv.reader([text], skipinitialspace=True), [])]
        if not equals or not path or not values:
            raise InputError(
                f"--grid {word!r} names no values; expected PATH=VALUE,VALUE, such as method.temperature=0.1,0.2."
            )
        if "" in values:
            raise InputError(f"--grid {word!r} has an empty value. Leave the comma out, or write the value.")
        if path in {one.path for one in axes}:
            raise InputError(f"--grid names {path} twice. Give all its values in one: {path}=VALUE,VALUE.")
        axes.append(Axis(path=path, values=tuple(values)))
    if not axes:
        raise InputError("a sweep needs a grid; add --grid PATH=VALUE,VALUE, once for each setting.")
    return tuple(sorted(axes, key=lambda one: one.path != SEED))


def make_grid(axes: Sequence[Axis], base: RunSettings, parse: Parse) -> Grid:
    """Every trial of these axes, its settings read by the same parser as flags are, before anything is begun.

    Raises `InputError` for an unknown path, a value of another kind, values that are the same, and too many trials.
    """
    count = 1
    for axis in axes:
        _check_path(axis.path, base, known=METHOD in {one.path for one in axes})
        count *= len(axis.values)
    if count > MOST_TRIALS:
        raise InputError(f"this grid has {count:,} trials; expected {MOST_TRIALS:,} or fewer.")
    axes = [_canonical(axis, base, parse) for axis in sorted(axes, key=lambda one: one.path != SEED)]
    trials = list(_trials(axes, base, parse))
    if len({digest(one.settings) for one in trials}) < len(trials):
        raise InputError(
            f"some values of {', '.join(one.path for one in axes)} change nothing: another flag or file decides there. "
            "Leave it out, or the axis."
        )
    if len({one.name for one in trials}) < len(trials):
        trials = [dataclasses.replace(one, name=f"{one.name}-{_short(one)}") for one in trials]
    return Grid(axes=tuple(axes), trials=tuple(trials))


def _trials(axes: Sequence[Axis], base: RunSettings, parse: Parse) -> Iterator[Trial]:
    for chosen in itertools.product(*(axis.values for axis in axes)):
        values = dict(zip((axis.path for axis in axes), chosen, strict=True))
        settings = parse(flags(values, base))
        seed = values.pop(SEED, str(settings.training.seed))
        yield Trial(name=name_of(seed, values), seed=seed, values=values, settings=settings)


def grown(recorded: Sequence[Axis], asked: Sequence[Axis]) -> tuple[Axis, ...]:
    """The axes of a sweep that goes on, with the values that are new; raises `InputError` where other settings vary.

    >>> one, more = Axis(path="optim.lr", values=("0.1",)), Axis(path="optim.lr", values=("0.2", "0.1"))
    >>> grown([one], [more])[0].values
    ('0.1', '0.2')
    """
    before, now = ({one.path: one.values for one in axes} for axes in (recorded, asked))
    if before.keys() != now.keys():
        raise InputError(
            f"the sweep there varies {', '.join(before)}, and this one {', '.join(now)}. Values may be added to a "
            "sweep, settings not: choose another --out."
        )
    return tuple(
        Axis(path=path, values=tuple(dict.fromkeys((*values, *now[path])))) for path, values in before.items()
    )


def flags(values: dict[str, str], base: RunSettings) -> list[str]:
    """The words of the command line that give a recipe these values, the method's name first.

    >>> flags({"optim.lr": "0.1", "training.compile": "true", "method.projector.hidden": "8 8"}, RunSettings())
    ['--optim.lr=0.1', '--training.compile', '--method.projector.hidden', '8', '8']
    """
    words: list[str] = []
    for path in sorted(values, key=lambda one: one != METHOD):
        now, text = value_at(base, path), values[path]
        flag = f"--{path.replace('_', '-')}"
        if isinstance(now, bool):
            if text not in ("true", "false"):
                raise InputError(f"--grid {path}={text}: expected true or false.")
            group, _, last = flag.rpartition(".")
            words.append(flag if text == "true" else f"{group}.no-{last}")
        elif isinstance(now, tuple):
            words += [flag, *shlex.split(text)]
        else:
            words.append(f"{flag}={text}")
    return words


def value_at(settings: Any, path: str) -> Any:
    """The value at a dotted path of nested settings; None where there is none.

    >>> value_at(RunSettings(), "training.seed"), value_at(RunSettings(), "training.sed")
    (0, None)
    """
    for part in path.split("."):
        settings = getattr(settings, part, None) if dataclasses.is_dataclass(settings) else None
    return settings


def expected(settings: Any, path: str) -> str:
    """What kind of value the setting at a path takes, in words; empty where its type says too little.

    >>> expected(RunSettings(), "optim.lr"), expected(RunSettings(), "method.projector.hidden")
    ('a number', 'a whole number, or several with spaces between')
    """
    above, _, last = path.rpartition(".")
    owner = value_at(settings, above) if above else settings
    return _kind(typing.get_type_hints(type(owner)).get(last)) if dataclasses.is_dataclass(owner) else ""


def _kind(hint: Any) -> str:
    inside = typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        one = _kind(inside[0])
        return f"{one}, or several with spaces between" if one else ""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        kinds = [_kind(one) for one in inside]
        return " or ".join(kinds) if all(kinds) else ""
    return KINDS.get(hint, "")


def paths_of(settings: Any, above: str = "") -> Iterator[str]:
    """Dotted paths of all single settings.

    >>> "method.projector.hidden" in set(paths_of(RunSettings()))
    True
    """
    for field in dataclasses.fields(settings):
        value, path = getattr(settings, field.name), f"{above}{field.name}"
        if dataclasses.is_dataclass(value):
            yield from paths_of(value, f"{path}.")
        else:
            yield path


def label(values: dict[str, str]) -> str:
    """A setting of a sweep in a few words: the last parts of its paths with their values.

    >>> label({"method.temperature": "0.1", "optim.lr": "0.002"}), label({})
    ('temperature=0.1 lr=0.002', 'as it is')
    """
    return " ".join(_parts(values)) or "as it is"


def name_of(seed: str, values: dict[str, str]) -> str:
    """The folder of a trial: seed first, so that a list of names has the order of the sweep.

    >>> name_of("0", {"method.temperature": "0.1", "data.source": "/my photos"})
    'seed=0-temperature=0.1-source=_my_photos'
    """
    parts = (f"seed={seed}", *_parts(values))
    return "-".join(re.sub(r"[^A-Za-z0-9.=+_]", "_", part)[:40] for part in parts)[:150]


def _parts(values: dict[str, str]) -> list[str]:
    """Settings by the last part of their paths, or by the whole path where two end alike."""
    last = [path.rpartition(".")[2] for path in values]
    return [
        f"{word if last.count(word) == 1 else path}={value}"
        for word, (path, value) in zip(last, values.items(), strict=True)
    ]


def _short(trial: Trial) -> str:
    return digest({**trial.values, SEED: trial.seed}, length=6)


def _check_path(path: str, base: RunSettings, *, known: bool) -> None:
    """`known`: the grid varies the method too, whose settings are then looked up by the parser."""
    if path == METHOD or (known and path.startswith(f"{METHOD}.")):
        return
    paths = list(paths_of(base))
    if path in paths:
        return
    below = [one for one in paths if one.startswith(f"{path}.")]
    if below:
        raise InputError(f"--grid {path}: that is a group of settings; name one of them, such as {below[0]}.")
    raise InputError(f"--grid {path}: there is no such setting. {_near(path, paths)}")


def _near(path: str, paths: Sequence[str]) -> str:
    """The nearest path; else those of the group that was meant."""
    group = path.partition(".")[0]
    inside = [one for one in paths if one.startswith(f"{group}.")]
    said = did_you_mean(path, paths)
    return said if said.startswith("Did you mean") or not inside else did_you_mean(path, inside)


def _canonical(axis: Axis, base: RunSettings, parse: Parse) -> Axis:
    """The axis with its values as the parser understood them; the same one twice is refused."""
    if axis.path == METHOD or axis.path not in paths_of(base):
        read = list(axis.values)
    else:
        read = [_text(value_at(parse(flags({axis.path: one}, base)), axis.path)) for one in axis.values]
    for place, value in enumerate(read):
        if value in read[:place]:
            first = axis.values[read.index(value)]
            raise InputError(
                f"--grid {axis.path}: {first} and {axis.values[place]} are one value. Leave one of them out."
            )
    return Axis(path=axis.path, values=tuple(read))


def _text(value: Any) -> str:
    """A value as it is typed.

    >>> _text(0.1), _text(True), _text((64, 64)), _text(None), _text("simclr")
    ('0.1', 'true', '64 64', 'None', 'simclr')
    """
    if value is None:
        return "None"
    if isinstance(value, str):
        return str(value)
    if isinstance(value, tuple):
        return shlex.join(_text(one) for one in value)
    return json.dumps(to_json(value))
