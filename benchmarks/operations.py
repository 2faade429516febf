"""Operation by layer, of several seeds of several methods: the tables and the picture of docs/geometry.md.

    python benchmarks/operations.py --method SimCLR runs/a runs/b --method "Barlow Twins" runs/c --out OUT

A run without geometry.json is measured first, as `contrascope geometry RUN` does, in minutes. Prints a
Markdown table a method: share of the layer's variance along the operation's directions / how far it moves an image,
mean over the runs; the largest standard deviation stands below. Writes OUT.svg (needs matplotlib: `make bench`), the
first run of each.
"""

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path

from contrascope import records
from contrascope.diagnosis.settings import GeometrySettings
from contrascope.records.geometry import GeometryRecord, NetworkEntry
from contrascope.records.lookup import value_at
from contrascope.records.typed import read_record
from contrascope.reports.static import write_figure
from contrascope.subjects.geometry import measure_anything, write_geometry

Networks = dict[str, NetworkEntry]
"""Trained and reference."""

LAYERS = {
    "random h": ("reference", "h"),
    "h": ("trained", "h"),
    "random z": ("reference", "z"),
    "z": ("trained", "z"),
}
SHARES: dict[str, Callable[[Networks, int], float | None]] = {
    "removed": lambda run, k: run["trained"].operations[k].removed,
    "by random": lambda run, k: run["reference"].operations[k].removed,
    "generator": lambda run, k: value_at(run["trained"].operations[k].generator, "explained"),
}
"""Column -> its value in a run's record for operation k."""


def networks_of(run: Path, images: int) -> Networks:
    """The networks of the run's geometry.json, which is made if it is not there."""
    if not (run / records.GEOMETRY).exists():
        settings = GeometrySettings(images=images)
        write_geometry(measure_anything(str(run), None, settings=settings), settings, run)
    found = read_record(GeometryRecord, run / records.GEOMETRY).require("trained", "reference")
    assert found.trained is not None
    assert found.reference is not None
    return {"trained": found.trained, "reference": found.reference}


def cell(layer: str, key: str) -> Callable[[Networks, int], float]:
    whose, place = LAYERS[layer]
    return lambda run, k: value_at(run[whose].operations[k].layers[place], key)


def table(runs: list[Networks]) -> str:
    """Means over the runs, and the largest standard deviation of shares and of movements."""
    widest = {"share": 0.0, "move": 0.0}

    def mean(value: Callable[[Networks, int], float | None], k: int, kind: str) -> float | None:
        known = [found for run in runs if (found := value(run, k)) is not None]
        if len(known) > 1:
            widest[kind] = max(widest[kind], statistics.stdev(known))
        return statistics.mean(known) if known else None

    lines = [["operation", *LAYERS, *SHARES], ["---"] * (1 + len(LAYERS) + len(SHARES))]
    for k, row in enumerate(runs[0]["trained"].operations):
        line = [row.name]
        for layer in LAYERS:
            share = mean(cell(layer, "variance_share"), k, "share")
            line.append(f"{share:.2f} / {mean(cell(layer, 'moved'), k, 'move'):.3f}")
        for value in SHARES.values():
            found = mean(value, k, "share")
            line.append("-" if found is None else f"{found:.2f}")
        lines.append(line)
    images = " or ".join({str(value_at(run["trained"], "features.images")) for run in runs})
    spread = f"; standard deviations at most {widest['share']:.2f} and {widest['move']:.3f}"
    words = f"{len(runs)} run(s), {images} images" + (spread if len(runs) > 1 else "")
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), "", words])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--method", nargs="+", action="append", required=True, metavar="NAME RUN", help="name, then runs"
    )
    parser.add_argument("--images", type=int, default=2000, help="images of a run that is measured here")
    parser.add_argument("--out", type=Path, help="OUT.svg")
    options = parser.parse_args()
    if short := [name for name, *runs in options.method if not runs]:
        parser.error(f"--method {short[0]} names no run")
    for name, *runs in options.method:
        print(f"\n{name}\n\n{table([networks_of(Path(run), options.images) for run in runs])}", flush=True)
    if options.out:
        write_figure(
            [Path(run) for _, run, *_ in options.method],
            "operations",
            options.out.with_suffix(".svg"),
            width=14.0,
        )


if __name__ == "__main__":
    main()
