"""Every method on sentences, from a masked-language run and from random weights, by the commands that a user types.

    python benchmarks/text_methods.py --data ../shared/data --runs runs/text --seeds 0 1 2 --keep text.jsonl
    python benchmarks/text_methods.py --keep text.jsonl                     # the table of what is kept; trains nothing
    python benchmarks/text_methods.py --data ../shared/data --runs /tmp/try --seeds 0 --try   # does it run?

`text-mlm-cpu` once (`--mlm-epochs` over `--mlm-sentences`; hours on two cores), measured as it is and with its tokens
weighing as those of the methods do, which is what they have to beat. Then, a seed, each recipe from its weights and
from random ones and, with seed 0, two controls, one dropout mask for both views and no dropout at all, two runs at a
time on a thread each; then `evaluate --suite sts` of all. The last step counts, test pairs choose nothing. Seeds are of
the methods, seeds outermost. What is finished is read, what was stopped goes on; `--minutes` stops it, saved, with code
75. `--keep` has a line a run, from which the table is made.
"""

import argparse
import concurrent.futures
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from record import STUDENT

from contrascope import records
from contrascope.evaluation.sts_settings import SETS
from contrascope.records.kinds import EnvironmentRecord
from contrascope.records.suites import SimilarityRecord
from contrascope.records.typed import read_record

NOT_DONE = 75
MLM, WEIGHED = "mlm", "mlm, tokens weighed"
RANDOM = "random twin"
RANDOM_WEIGHED = f"{RANDOM}, tokens weighed"
TWINNED = "simcse, from random weights"
"""Whose random twin is measured with every seed: tokens weigh in all methods as in this one."""
REFERENCES = {MLM: ("random", "tfidf", "bag", "sif"), TWINNED: ("random", "tfidf")}
"""What is measured beside a run; beside the others TF-IDF."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A recipe and what is changed of it."""

    recipe: str
    source: str = "sentences"
    more: tuple[str, ...] = ()
    start: bool = True
    """From the weights of the masked-language run, else from random ones."""


PLAIN = {
    "simcse": Run(recipe="text-simcse-cpu"),
    "consert": Run(recipe="text-consert-cpu"),
    "clear": Run(recipe="text-clear-cpu"),
    "declutr": Run(recipe="text-declutr-cpu", source="documents"),
    "cert": Run(recipe="text-cert-cpu"),
}
FROM_RANDOM = {f"{name}, from random weights": replace(run, start=False) for name, run in PLAIN.items()}
CONTROLS = {
    "control: one mask": Run(recipe="text-simcse-cpu", more=("--views.same-mask",)),
    "control: no dropout": Run(
        recipe="text-simcse-cpu", more=("--encoder.dropout", "0", "--encoder.attention-dropout", "0")
    ),
}
METHODS = PLAIN | FROM_RANDOM | CONTROLS


class Work:
    """Where the data and the runs of one seed lie, and until when work begins."""

    def __init__(self, options: argparse.Namespace, seed: int) -> None:
        self.options, self.seed = options, seed
        self.folder: Path = options.runs / f"seed{seed}"
        self.data: Path = options.data

    def place(self, name: str) -> Path:
        if name in (MLM, WEIGHED):
            return self.options.runs / re.sub(r"\W+", "-", name)
        return self.folder / re.sub(r"\W+", "-", name)

    def train(self, name: str, run: Run, *more: str, threads: int) -> None:
        """Trains a run to its end, from where it is."""
        out = self.place(name)
        words = ["train", run.recipe, "--out", str(out), "--training.seed", str(self.seed), *run.more, *more]
        words += ["--data.source", str(self.data / "wikipedia-en" / run.source)]
        words += ["--encoder.vocabulary", str(self.data / "bert-uncased-vocab")]
        words += ["--training.threads", str(threads)]
        if self.options.tried:
            words += ["--encoder.width", "32", "--encoder.depth", "1", "--training.epochs", "1"]
            words += ["--data.limit", "128"] if run.source == "sentences" else ["--data.limit", "32"]
        if out.exists():
            words = ["train", str(out), "--resume", "--training.threads", str(threads)]
        self.command(words, log=out.with_suffix(".log"), threads=threads)

    def evaluate(self, name: str, *, threads: int) -> SimilarityRecord:
        """The run's numbers on all sets, read where they are there."""
        out = self.place(name)
        if name == WEIGHED and not out.exists():
            shutil.copytree(self.place(MLM), out)  # an evaluation is kept in the run's folder, one a folder
            (out / SimilarityRecord.FILE).unlink()
        if not (out / SimilarityRecord.FILE).exists():
            words = ["evaluate", str(out), str(self.data / "sts"), "--suite", "sts", "--device", "cpu"]
            words += ["--sts.pool", "sif"] if name == WEIGHED else []
            words += ["--sts.references", *REFERENCES.get(name, ("tfidf",))]
            words += ["--sts.corpus", str(self.data / "wikipedia-en" / "sentences")]
            words += ["--sts.draws", "20", "--sts.corpus-limit", "5000"] if self.options.tried else []
            self.command(words, log=out.with_suffix(".sts.log"), threads=threads)
        return read_record(SimilarityRecord, out / SimilarityRecord.FILE).require("rows")

    def command(self, words: list[str], *, log: Path, threads: int) -> None:
        """A command of contrascope in a process of its own, asked to save when the minutes are over."""
        log.parent.mkdir(parents=True, exist_ok=True)
        told = os.environ | {"OMP_NUM_THREADS": str(threads)}
        with log.open("a") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "contrascope", *words], stdout=said, stderr=said, env=told
            )
            while process.poll() is None:
                if self.options.end is not None and time.monotonic() > self.options.end:
                    process.send_signal(signal.SIGINT)
                    process.wait()
                    raise SystemExit(NOT_DONE)
                time.sleep(0.2)
        if process.returncode:
            raise SystemExit(f"contrascope {' '.join(words)} ended with {process.returncode}: see {log}")


def one_seed(work: Work, keep: Callable[[dict[str, Any]], None]) -> None:
    """All runs of a seed; each is told of when it is measured."""

    def one(name: str) -> dict[str, Any]:
        start = ("--encoder.start", str(work.place(MLM))) if METHODS[name].start else ()
        work.train(name, METHODS[name], *start, threads=1)
        return measured(work, name)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        names = [name for name in METHODS if not (name in CONTROLS and work.seed)]
        for done in concurrent.futures.as_completed([pool.submit(one, name) for name in names]):
            keep(done.result())


def masked(work: Work, keep: Callable[[dict[str, Any]], None]) -> None:
    """The masked-language run, and what it is worth with the tokens weighed as the methods weigh them."""
    options = work.options
    more = ("--training.epochs", str(options.mlm_epochs), "--data.limit", str(options.mlm_sentences))
    work.train(MLM, Run(recipe="text-mlm-cpu", more=more), threads=2)
    keep(measured(work, MLM))
    keep(measured(work, WEIGHED))


def measured(work: Work, name: str) -> dict[str, Any]:
    """A line of the file that keeps: Spearman's correlation of every representation on every set."""
    found = work.evaluate(name, threads=1 if name in METHODS else 2)
    numbers: dict[str, dict[str, float]] = {}
    for row in found.rows:
        if row.all is not None:
            of = row.of if row.of in KNOWN else name
            of = RANDOM_WEIGHED if (of, name) == (RANDOM, TWINNED) else of
            numbers.setdefault(of, {})[row.set] = 100 * row.all
    place = work.place(name)
    made_on = read_record(EnvironmentRecord, place / records.ENVIRONMENT).record
    steps = [row["step"] for row in records.read_metrics(place / records.METRICS) if row["kind"] == "step"]
    return {
        "run": name,
        "seed": work.seed,
        "steps": steps[-1],
        "minutes": records.training_minutes(place),
        "machine": f"{made_on.processor}, torch {made_on.versions.get('torch')}",
        "sts": numbers,
    }


KNOWN = (RANDOM, RANDOM_WEIGHED, "TF-IDF", "bag of words", "SIF, whitened")


def avg6(sets: dict[str, float]) -> float | None:
    return statistics.fmean(sets[name] for name in SETS) if set(SETS) <= set(sets) else None


def shown(values: list[float]) -> str:
    """A mean, with its interval where there are seeds.

    >>> shown([50.0]), shown([50.0, 51.0, 52.0])
    ('50.0', '51.0 ± 2.5')
    """
    if not values:
        return "-"
    if len(values) == 1:
        return f"{values[0]:.1f}"
    half = STUDENT[len(values)] * statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.fmean(values):.1f} ± {half:.1f}"


def table(lines: list[dict[str, Any]]) -> str:
    """STS-B and the mean of six sets over the seeds that are there, and what a run has beside others."""
    found: dict[str, dict[int, dict[str, float]]] = {}
    for line in lines:
        for of, sets in line["sts"].items():
            if of not in KNOWN or line["run"] == MLM or of == RANDOM_WEIGHED:
                found.setdefault(of, {})[line["seed"]] = sets
    out = [
        "| representation | seeds | STS-B test | mean of six | over mlm | over mlm, weighed | over the same from mlm |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    bases = [stsb(found.get(name, {})).get(0) for name in (MLM, WEIGHED)]
    order = sorted(found, key=lambda of: -statistics.fmean(stsb(found[of]).values()))
    for of in order:
        own = stsb(found[of])
        six = [value for sets in found[of].values() if (value := avg6(sets)) is not None]
        over = [
            [one - base for one in own.values()] if of in METHODS and base is not None else []
            for base in bases
        ]
        same = stsb(found.get(of.partition(",")[0], {})) if of in FROM_RANDOM else {}
        paired = [own[seed] - same[seed] for seed in own if seed in same]
        cells = " | ".join(map(shown, [list(own.values()), six, *over, paired]))
        out.append(f"| {of} | {len(found[of])} | {cells} |")
    machines = sorted({line["machine"] for line in lines})
    return "\n".join([*out, "", f"Spearman x 100 of cosines, joined subsets. {'; '.join(machines)}."])


def stsb(seeds: dict[int, dict[str, float]]) -> dict[int, float]:
    return {seed: sets["stsb"] for seed, sets in seeds.items() if "stsb" in sets}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs/text"))
    parser.add_argument("--seeds", type=int, nargs="*", default=[])
    parser.add_argument("--mlm-epochs", type=int, default=5)
    parser.add_argument("--mlm-sentences", type=int, default=0, help="0: all")
    parser.add_argument("--keep", type=Path, help="a line a run; read again, and added to")
    parser.add_argument("--minutes", type=float, help="stop after so many; the same call goes on")
    parser.add_argument(
        "--try",
        dest="tried",
        action="store_true",
        help="a tiny network, a few sentences: numbers mean nothing",
    )
    options = parser.parse_args()
    options.end = None if options.minutes is None else time.monotonic() + 60 * options.minutes
    lines = (
        [json.loads(line) for line in options.keep.read_text().splitlines()]
        if options.keep and options.keep.exists()
        else []
    )
    if options.seeds and options.data is None:
        raise SystemExit(
            "--seeds needs --data, the folder that holds wikipedia-en, sts and bert-uncased-vocab."
        )

    def keep(line: dict[str, Any]) -> None:
        if any((one["run"], one["seed"]) == (line["run"], line["seed"]) for one in lines):
            return
        lines.append(line)
        if options.keep:
            with options.keep.open("a") as file:
                file.write(json.dumps(line) + "\n")
        print(table(lines), flush=True)

    if options.seeds:
        masked(Work(options, 0), keep)
    for seed in options.seeds:
        one_seed(Work(options, seed), keep)
    print(table(lines))


if __name__ == "__main__":
    main()
