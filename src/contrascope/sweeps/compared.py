"""What the seeds of a sweep allow to say: a row a setting, the best one, and which are not told apart from it."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from scipy.special import stdtrit

from contrascope.records.sweeps import (
    ALARMED,
    DIVERGED,
    DROPPED,
    FINISHED,
    MarkEntry,
    SweepRecord,
    TrialEntry,
)
from contrascope.sweeps.grid import METHOD, label
from contrascope.sweeps.halving import SAID, Score

LEVEL = 0.95
"""Of every interval."""
LEAST_SEEDS = 3
"""Seeds below which no two settings are called different: two accuracies on few images agree by chance."""
OTHER_TASK = ("protocol.", "data.")
"""Paths whose values make scores those of another task."""
SAME_TASK = ("data.size", "data.workers", "data.memory_budget_mb")
"""Those of them that do not."""
OTHER_VIEWS = ("policy.", "encoder.", "data.", "monitor.", "training.num_views")
"""Paths that change what the label-free score is measured on or against: it compares no values of them."""


@dataclass(frozen=True, kw_only=True)
class SeedsMean:
    """A mean over seeds and its 95 % interval, by Student's t; without an interval where there is one seed."""

    value: float
    low: float | None
    high: float | None
    seeds: int


@dataclass(frozen=True, kw_only=True)
class SettingRow:
    """A setting of a sweep."""

    name: str
    """In a few words."""
    values: dict[str, str]
    """Path to value."""
    knn_held_out: SeedsMean | None
    """On held-out training images: what a setting is chosen by."""
    knn_test: SeedsMean | None
    """On test images, which chose nothing."""
    label_free: SeedsMean | None
    """In log odds; none where a seed has none."""
    sound: str
    """The monitor's answers on soundness."""
    learning: str
    """The monitor's answers on learning."""
    finished: int
    """Trials that are trained to their end."""
    note: str
    """What became of others."""
    apart: bool | None
    """Whether the best is told apart from it; None where that was not asked."""


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """All of it."""

    rows: tuple[SettingRow, ...]
    """In the order of the grid."""
    seeds: tuple[str, ...]
    """Those that every setting has finished; means are over them, so that a stopped sweep favours none."""
    by: Score | None
    """What chose the best."""
    best: str
    """Its name; empty where none may be called so."""
    split: str
    """Images of `knn_test`; a set without a test split has a fifth of its training images there, `held-out`."""
    notes: tuple[str, ...]
    """What has to be known."""


def seeds_mean(values: Sequence[float | None], *, most: float = math.inf) -> SeedsMean | None:
    """Mean and interval over seeds, from -`most` or 0 to `most`; None where a value is missing or there is none.

    >>> found = seeds_mean([1.0, 2.0, 3.0])
    >>> round(found.low, 3), found.value, round(found.high, 3)
    (-0.484, 2.0, 4.484)
    >>> seeds_mean([0.5]).low is None, seeds_mean([0.5, None]) is None
    (True, True)
    """
    found = [one for one in values if one is not None]
    if not found or len(found) < len(values):
        return None
    value = mean(found)
    if len(found) == 1:
        return SeedsMean(value=value, low=None, high=None, seeds=1)
    half = _half_width(found, level=LEVEL)
    least = 0.0 if math.isfinite(most) else -math.inf
    return SeedsMean(
        value=value, low=max(least, value - half), high=min(most, value + half), seeds=len(found)
    )


def told_apart(better: Sequence[float], worse: Sequence[float], *, settings: int) -> bool:
    """Whether the first is better than the second, seed by seed, by more than chance gives among so many settings.

    The interval of the mean difference (Student's t, paired by seed) lies above 0 at a level that covers all pairs of
    settings (Bonferroni), since the best is one that was chosen. Never with fewer than three seeds.

    >>> told_apart([0.92, 0.93, 0.91], [0.80, 0.82, 0.79], settings=2)
    True
    >>> told_apart([0.92, 0.93], [0.80, 0.82], settings=2)
    False
    """
    if len(better) < LEAST_SEEDS:
        return False
    found = [one - other for one, other in zip(better, worse, strict=True)]
    pairs = max(1, settings * (settings - 1) // 2)
    return mean(found) - _half_width(found, level=1 - (1 - LEVEL) / pairs) > 0


def compare_settings(record: SweepRecord) -> SweepResult:
    """The table of a sweep as far as it is."""
    groups = _groups(record)
    alive = {name: found for name, found in groups.items() if _counts(found)}
    seeds = _common_seeds(alive)
    marks = {name: [_last(one) for one in found if one.seed in seeds] for name, found in alive.items()}
    by, why = _chosen_by(record, marks)
    scores = {name: [getattr(one, by) for one in found] for name, found in marks.items()} if by else {}
    whole = {name: found for name, found in scores.items() if found and None not in found}
    best = max(whole, key=lambda name: mean(whole[name]), default="")
    apart = {
        name: told_apart(whole[best], found, settings=len(whole))
        for name, found in whole.items()
        if name != best
    }
    rows = tuple(_row(name, found, seeds, apart.get(name)) for name, found in groups.items())
    notes = (*why, *_unfinished(record, seeds), *_told(best, apart, by, seeds))
    splits = dict.fromkeys(one.test.split for one in record.trials if one.test is not None)
    return SweepResult(
        rows=rows, seeds=seeds, by=by if best else None, best=best, split=", ".join(splits), notes=notes
    )


def unlike(record: SweepRecord) -> bool:
    """Whether the grid has settings that the label-free score does not compare."""
    paths = [axis.path for axis in record.grid]
    return any(path == METHOD or path.startswith(OTHER_VIEWS) for path in paths)


def _groups(record: SweepRecord) -> dict[str, list[TrialEntry]]:
    groups: dict[str, list[TrialEntry]] = {}
    for trial in record.trials:
        groups.setdefault(label(trial.values), []).append(trial)
    return groups


def _counts(trials: Sequence[TrialEntry]) -> bool:
    """Whether a setting is compared at the end: none of its trials broke or was left at a rung."""
    return not any(trial.state in (DROPPED, DIVERGED, ALARMED) for trial in trials)


def _common_seeds(groups: dict[str, list[TrialEntry]]) -> tuple[str, ...]:
    finished = [[one.seed for one in found if _done(one)] for found in groups.values()]
    first = finished[0] if finished else []
    return tuple(seed for seed in first if all(seed in found for found in finished))


def _done(trial: TrialEntry) -> bool:
    return trial.state == FINISHED and bool(trial.marks)


def _last(trial: TrialEntry) -> MarkEntry:
    return max(trial.marks, key=lambda mark: mark.epoch or 0)


def _chosen_by(record: SweepRecord, marks: dict[str, list[MarkEntry]]) -> tuple[Score | None, list[str]]:
    """The score by which settings are compared, or why there is none."""
    every = [mark for found in marks.values() for mark in found]
    other = [
        axis.path for axis in record.grid if axis.path.startswith(OTHER_TASK) and axis.path not in SAME_TASK
    ]
    if other:
        said = f"{', '.join(other)}: their values make scores those of other tasks, so no setting is called the best."
        return None, [said]
    if every and all(mark.knn_held_out is not None for mark in every):
        return "knn_held_out", []
    if not any(mark.label_free is not None for mark in every):
        return None, []
    if unlike(record):
        said = (
            "Without labels nothing here compares methods, encoders, policies or images with each other, so no "
            "setting is called the best."
        )
        return None, [said]
    hint = (
        "Chosen by the label-free score, which is tested on checkpoints of one run alone (docs/diagnose.md): between "
        "settings it is a hint. A few labels decide."
    )
    return "label_free", [hint]


def _row(name: str, trials: Sequence[TrialEntry], seeds: Sequence[str], apart: bool | None) -> SettingRow:
    ended = [one for one in trials if _done(one)]
    counted = [one for one in ended if one.seed in seeds] if _counts(trials) else []
    marks = [_last(one) for one in counted]
    tests = [None if one.test is None else one.test.value for one in counted]
    seen = [_last(one) for one in trials if one.marks]
    return SettingRow(
        name=name,
        values=trials[0].values,
        knn_held_out=seeds_mean([mark.knn_held_out for mark in marks], most=1.0),
        knn_test=seeds_mean(tests, most=1.0),
        label_free=seeds_mean([mark.label_free for mark in marks]),
        sound=_answers([mark.sound for mark in seen]),
        learning=_answers([mark.learning for mark in seen]),
        finished=len(ended),
        note=_note(trials),
        apart=apart,
    )


def _answers(words: Sequence[str]) -> str:
    """The words with how often each came, where they differ.

    >>> _answers(["sound", "sound"]), _answers(["sound", "unsound", "sound"]), _answers([""])
    ('sound', 'sound 2, unsound 1', '')
    """
    counted = Counter(word for word in words if word)
    return ", ".join(counted) if len(counted) < 2 else ", ".join(f"{w} {n}" for w, n in counted.most_common())


def _note(trials: Sequence[TrialEntry]) -> str:
    counted = Counter(trial.state for trial in trials if trial.state != FINISHED)
    dropped = [_last(trial).epoch for trial in trials if trial.state == DROPPED and trial.marks]
    said = [f"{count} {state}" for state, count in counted.items() if state != DROPPED]
    return ", ".join([*([f"left after {dropped[0]} epochs"] if dropped else []), *said])


def _unfinished(record: SweepRecord, seeds: Sequence[str]) -> list[str]:
    states = Counter(trial.state for trial in record.trials)
    open_ones = sum(states.values()) - sum(states[one] for one in (FINISHED, DROPPED, DIVERGED, ALARMED))
    said = []
    if open_ones:
        compared = f"seeds {', '.join(seeds)}" if len(seeds) != 1 else f"seed {seeds[0]}"
        said.append(
            f"{open_ones} of {len(record.trials)} trials are not finished; settings are compared on the seeds that all "
            f"have: {compared if seeds else 'none so far'}."
        )
    if states[DIVERGED] or states[ALARMED]:
        said.append(
            "A setting of which a seed diverged or was stopped by its monitor has no mean, and is not compared."
        )
    return said


def _told(best: str, apart: dict[str, bool], by: Score | None, seeds: Sequence[str]) -> list[str]:
    """What may be said of the best."""
    if not best or by is None or not apart:
        return []
    close = [name for name, told in apart.items() if not told]
    if not close:
        return [f"{best} is better than every other setting by {SAID[by]}, by more than seeds differ."]
    said = (
        f"WARNING: the differences to {', '.join(close)} lie within the spread of the seeds: by {SAID[by]} {best} "
        "is first, and not shown to be better."
    )
    if len(seeds) < LEAST_SEEDS:
        count = f"{len(seeds)} seed{'' if len(seeds) == 1 else 's'}"
        said += f" With {count} nothing can be told apart: add some, --grid training.seed=0,1,2,3,4."
    return [said]


def _half_width(values: Sequence[float], *, level: float) -> float:
    quantile = float(stdtrit(len(values) - 1, (1 + level) / 2))
    return quantile * stdev(values) / math.sqrt(len(values))
