"""How right are the answers of a diagnosis? Judged on encoders whose making is known, from the bench's records.

    python benchmarks/verdict_train.py --data FOLDER --out runs/verdict     # hours on two cores; resumable
    python benchmarks/verdict_embed.py --data FOLDER --out runs/verdict
    python benchmarks/verdict_measure.py --data FOLDER --out runs/verdict
    python benchmarks/verdict.py --out runs/verdict                         # seconds

Prints a line an encoder, then the tables of docs/results.md: faults and collapses found, false alarms, and the answer
on learning against the gain of kNN over the random twin, which the answers never see. `--left-out set` and `--left-out
kind` choose every cut anew without one data set, or without one kind of fault, and judge that one by it.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from contrascope import records
from contrascope.diagnosis.causes import Known
from contrascope.diagnosis.learning import CUTS as LEARNING
from contrascope.diagnosis.learning import LearningCuts, is_learning
from contrascope.diagnosis.signals import Signals
from contrascope.diagnosis.sound import CUTS as SOUND
from contrascope.diagnosis.sound import SoundCuts, is_sound
from contrascope.diagnosis.verdict import Answer
from contrascope.settings import from_json

BROKEN = ("fault", "collapse", "untrained")
NORMAL = 1.96


@dataclass(frozen=True, kw_only=True)
class Judged:
    """An encoder of the bench with all that is known of it."""

    name: str
    of: str
    """Its data set."""
    kind: str
    """What was done to it: the case, or the fault after training."""
    truth: str
    signals: Signals
    gain: float | None
    """KNN accuracy over the twin's; None where rows are not finite."""
    error: float
    policy: str
    method: str
    base: float | None = None
    """Gain of the encoder before the change, of a fault after training; else of its method's unharmed training."""

    @property
    def sign(self) -> int:
        """1 or -1 where the gain is beyond its interval, else 0."""
        if self.gain is None:
            return 0
        return (self.gain > NORMAL * self.error) - (self.gain < -NORMAL * self.error)

    @property
    def broken(self) -> bool | None:
        """Whether a judge of soundness should find something; None: that cannot be said.

        Reversed channels count where they move kNN beyond its noise (red and blue may be alike), and a loss that may
        collapse where kNN is below the unharmed training's by the same method beyond noise. Changes that may harm
        do not count, nor does an unharmed encoder far below its twin: it may have collapsed by itself.
        """
        if self.kind == "channels reversed" and self.base is not None and self.gain is not None:
            return True if abs(self.gain - self.base) > NORMAL * self.error else None
        if self.truth == "collapse" and self.base is not None and self.gain is not None:
            return True if self.gain < self.base - NORMAL * self.error else None
        if self.truth in BROKEN:
            return True
        if self.truth in ("none", "harmless") and self.sign >= 0:
            return False
        return None


def read(folder: Path) -> list[Judged]:
    """Every measured encoder."""
    found = []
    for path in sorted((folder / "measured").glob("*.json")):
        tree = records.read_json(path)
        last = tree["name"].split("/")[-1]
        found.append(
            Judged(
                name=tree["name"],
                of=tree["set"],
                kind=last.split("@")[0],
                truth=tree["truth"],
                signals=from_json(Signals, tree["signals"]),
                gain=tree.get("gain"),
                error=tree.get("error") or 0.0,
                policy=tree["policy"],
                method=tree["method"],
            )
        )
    return [replace(one, base=_base(one, found)) for one in found]


def _base(one: Judged, every: Sequence[Judged]) -> float | None:
    """Gain of the encoder before a change, or of the last unharmed one by the same method on the same images."""
    before = one.name.rpartition("/")[0] if one.name.count("/") > 1 else f"{one.of}/{one.method}@"
    same = [other for other in every if other.truth == "none" and other.name.startswith(before)]
    return max(same, key=lambda other: int(other.name.rpartition("@")[2])).gain if same else None


Answers = tuple[Answer[Any], Answer[Any]]


def answers(one: Judged, sound: SoundCuts = SOUND, learning: LearningCuts = LEARNING) -> Answers:
    first = is_sound(one.signals, Known(), sound)
    return first, is_learning(one.signals, first, Known(), learning)


def wrong_about_learning(one: Judged, word: str) -> bool:
    """Called learning below the twin, or not learning above it, beyond the interval of kNN."""
    return (word == "learning" and one.sign < 0) or (word == "not learning" and one.sign > 0)


def line(one: Judged, told: Answers) -> str:
    gain = "not finite" if one.gain is None else f"{100 * one.gain:+.1f} ± {100 * NORMAL * one.error:.1f}"
    wrong = one.broken is not None and one.broken != (told[0].word == "unsound")
    marks = (" <-- sound?" if wrong else "") + (
        " <-- learning?" if wrong_about_learning(one, told[1].word) else ""
    )
    return f"{one.name:62s} {one.truth:9s} kNN {gain:>14s}  {told[0]!s} | {told[1].word}{marks}"


def table(encoders: Sequence[Judged], judged: Callable[[Judged], Answers]) -> str:
    told = [(one, judged(one)) for one in encoders]
    broken = [(one, both) for one, both in told if one.broken]
    sound = [(one, both) for one, both in told if one.broken is False]
    missed = [one.name for one, both in broken if both[0].word != "unsound"]
    alarms = [f"{one.name} ({both[0].reason})" for one, both in sound if both[0].word == "unsound"]
    rest = [(one, both) for one, both in told if both[0].word == "sound"]
    counts = Counter((both[1].word, one.sign) for one, both in rest)
    wrong = [one.name for one, both in rest if wrong_about_learning(one, both[1].word)]
    beyond = [one for one, _ in rest if one.signals.learning and beyond_noise(one)]
    lines = [
        f"{len(told)} encoders, {len({one.of for one in encoders})} sets",
        f"faults and collapses found: {len(broken) - len(missed)} of {len(broken)}; missed: "
        + (", ".join(missed) or "none"),
        f"sound ones called unsound: {len(alarms)} of {len(sound)}: {', '.join(alarms) or 'none'}",
        "learning, by the sign of the kNN gain (below, within noise, above):",
    ]
    words = sorted({key[0] for key in counts})
    lines += [f"  {word}: {counts[word, -1]}, {counts[word, 0]}, {counts[word, 1]}" for word in words]
    lines.append(
        f"wrong either way: {len(wrong)} of {len(rest)}, {len(beyond)} of them with a gain beyond noise: "
    )
    lines[-1] += ", ".join(wrong) or "none"
    return "\n".join(lines)


def beyond_noise(one: Judged) -> bool:
    """The gain under the standard views is not within its interval."""
    found = one.signals.learning
    return found is not None and not found.standard["all"].odds.low <= 0 <= found.standard["all"].odds.high


SOUND_GRID: dict[str, tuple[float, ...]] = {
    "misfit": (0.3, 0.15, 0.08),
    "batch_norm_gap": (0.5, 0.3, 0.2),
    "better_input": (0.15, 0.25, 0.4),
    "input_misfit": (0.02, 0.01, 0.005),
    "dead_units": (0.7, 0.5, 0.3),
    "distinct": (0.3, 0.5, 0.7),
    "batch": (0.2, 0.1, 0.05),
    "spread": (1e-4, 1e-3, 1e-2),
    "projector_directions": (0.3, 0.36, 0.42),
    "directions": (0.4, 0.45, 0.5, 0.55),
    "modes": (0.995, 0.99, 0.97),
}
LEARNING_GRID: dict[str, tuple[float, ...]] = {
    "own": (0.5, 0.25, 0.1),
    "standard": (0.4, 0.2, 0.1, 0.0),
    "easy": (0.9, 0.8, 0.7),
    "bait": (0.7, 0.6, 0.5, 0.4),
}
"""What every cut may be, from the most cautious to the one that speaks soonest."""


def sound_cost(encoders: Sequence[Judged], cuts: SoundCuts) -> float:
    """Missed faults, and false alarms three times."""
    told = [(one.broken, is_sound(one.signals, Known(), cuts).word == "unsound") for one in encoders]
    return sum(
        3.0 * found if broken is False else float(broken is True and not found) for broken, found in told
    )


def learning_cost(encoders: Sequence[Judged], cuts: LearningCuts) -> float:
    """Wrong answers, and a fifth of each gain or loss beyond noise that is answered with neither word."""
    cost = 0.0
    for one in encoders:
        word = answers(one, learning=cuts)[1].word
        open_ = word not in ("learning", "not learning", "cannot be told") and one.sign != 0
        cost += wrong_about_learning(one, word) + 0.2 * open_
    return cost


def chosen(
    encoders: Sequence[Judged], start: Any, grid: Mapping[str, Sequence[float]], cost: Callable[..., float]
) -> Any:
    """Cuts chosen on these encoders alone, one after the other, three times round, from the first of each grid.

    Of several that cost the least the most cautious one is taken.
    """
    best = replace(start, **{name: values[0] for name, values in grid.items()})
    for _ in range(3):
        for name, values in grid.items():
            prices = [cost(encoders, replace(best, **{name: value})) for value in values]
            cheapest = [value for value, price in zip(values, prices, strict=True) if price == min(prices)]
            best = replace(best, **{name: cheapest[0]})
    return best


def left_out(encoders: Sequence[Judged], by: str) -> dict[str, Answers]:
    """Answers of every encoder by cuts that were chosen without its data set, or without its kind of change."""
    found = {}
    for part in sorted({getattr(one, by) for one in encoders}):
        seen = [one for one in encoders if getattr(one, by) != part]
        sound = chosen(seen, SOUND, SOUND_GRID, sound_cost)
        learning = chosen(seen, LEARNING, LEARNING_GRID, learning_cost)
        moved = {k: v for k, v in vars(sound).items() if v != getattr(SOUND, k)}
        moved |= {k: v for k, v in vars(learning).items() if v != getattr(LEARNING, k)}
        print(f"without {part}: {moved or 'the cuts in use'}", flush=True)
        found |= {one.name: answers(one, sound, learning) for one in encoders if getattr(one, by) == part}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("runs/verdict"))
    parser.add_argument("--lines", action="store_true", help="a line for every encoder")
    parser.add_argument("--left-out", choices=("set", "kind"), help="choose the cuts without what they judge")
    options = parser.parse_args()
    encoders = read(options.out)
    if options.left_out:
        by_name = left_out(encoders, "of" if options.left_out == "set" else "kind")
        print(table(encoders, lambda one: by_name[one.name]))
        return
    if options.lines:
        for one in encoders:
            print(line(one, answers(one)))
    print(table(encoders, answers))


if __name__ == "__main__":
    main()
