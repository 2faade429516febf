"""Alignment, divergence and kNN against epochs, from runs whose checkpoints were kept: one command, one figure.

    python benchmarks/curves.py runs/cifar10/cifar10-*-cpu-own-seed0 --out docs/figures/curves

Quantities of normalised features of encoder and projector on fixed views of test images, as docs/diagnose.md explains
them, before training (epoch 0) and after every epoch: L_align over two views, the largest and the mean cosine of two
class centres mu, Delta_mu = 1 - min |mu|^2, and the largest inner product of two centres beside the threshold that
Theorem 1 of Huang et al. 2023 asks it to stay below: 1 - rho - sqrt(2 rho) - Delta_mu / 2, with the rho that comes
closest on these images (L delta replaced by measured distances, up to 400 images a class; docs/theory/bounds.md), and
with rho = 0, above which no augmentation and no alignment can bring it. Writes OUT.json and OUT.svg; needs matplotlib
(`make bench`). OUT.json also has the label-free scores of every checkpoint, for `benchmarks/checkpoint_scores.py`.
Runs that are in OUT.json already are not measured again; without runs the figure is drawn from OUT.json. What a file
lacks that an earlier version wrote is left out of the figure.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch

from contrascope import records
from contrascope.augment.presets import build_policy
from contrascope.augment.settings import PolicySettings
from contrascope.data.imageset import ImageSet
from contrascope.diagnosis.checks.identity import identity_share
from contrascope.diagnosis.exhibits import FixedViews, Networks, embed_views, fixed_views
from contrascope.diagnosis.signals import layer_signals
from contrascope.evaluation.knn import KNNClassifier
from contrascope.features.embed import embed
from contrascope.jobs.assess import evaluation_sets
from contrascope.runs.build import build
from contrascope.runs.load import load_run
from contrascope.theory.bounds.embedding_bound import embedding_error_bounds
from contrascope.theory.factors.alignment import alignment, unit_views
from contrascope.theory.factors.divergence import divergence

DASHES = ("-", "--", ":", "-.")
PANELS = {
    "alignment": "mean squared distance (0 to 4)",
    "largest cosine of centres": "cosine (-1 to 1)",
    "mean cosine of centres": "cosine (-1 to 1)",
    "Delta_mu": "1 - min |mu|² (0 to 1)",
    "largest inner product of centres": "inner product (-1 to 1)",
    "threshold": "of the largest inner product",
}
"""Quantities and their units; "threshold at rho 0" is drawn with the inner product, in gray."""
CEILING = "threshold at rho 0"


def curve(path: Path, *, images: int, policy: str, draws: int) -> list[dict[str, Any]]:
    """One row a kept checkpoint."""
    first = load_run(path)
    learn, test, _ = evaluation_sets(first.settings.data, first.settings.protocol)
    some = test.select(torch.arange(min(images, len(test))))
    policies = build_policy(PolicySettings(name=policy), channels=some.shape[0], size=min(some.shape[1:]))
    views = fixed_views(some, policies, num_views=2, seed=0)
    per_epoch = records.read_json(records.checkpoint_folders(path)[0][1] / "state.json")["steps_per_epoch"]
    rows = []
    for step in (0, *(step for step, _ in records.checkpoint_folders(path))):
        # before the first step the networks are what the run's settings and seed make
        method = load_run(path, step=step).method if step else build(first.settings, some.shape).eval()
        subject = Networks(encoder=method.encoder, projector=method.projector)
        row = {"run": path.name, "epoch": step / per_epoch, "kNN": knn(subject, learn, some)}
        rows.append(row | measured(subject, views, some, draws=draws))
        print(json.dumps(rows[-1]), flush=True)
    return rows


def measured(subject: Networks, views: FixedViews, some: ImageSet, *, draws: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    y = next(iter(some.labels.values()))
    for layer, rows in zip(("h", "z"), embed_views(subject, views), strict=True):
        assert rows is not None
        found[f"{layer} scores"] = label_free_scores(rows)
        unit = unit_views(rows)
        apart = divergence(unit, y, draws=draws)
        for name, estimate in (
            ("alignment", alignment(unit, draws=draws)),
            ("largest cosine of centres", apart.max_cosine),
            ("mean cosine of centres", apart.mean_cosine),
            ("largest inner product of centres", apart.max_inner),
        ):
            found[f"{layer} {name}"] = [estimate.value, estimate.low, estimate.high]
        terms = embedding_error_bounds(unit, y).theorem.terms
        found[f"{layer} Delta_mu"] = [apart.delta_mu] * 3
        found[f"{layer} threshold"] = [terms["threshold"]] * 3
        found[f"{layer} rho"] = terms["rho_max"]
        found[f"{layer} {CEILING}"] = [1 - apart.delta_mu / 2] * 3
    return found


def label_free_scores(rows: torch.Tensor) -> dict[str, float | None]:
    """Scores that the literature offers for choosing a checkpoint; larger is said to be better."""
    signals = layer_signals(rows, draws=0)
    identity = identity_share(signals)
    assert signals.views is not None
    assert identity is not None
    return {
        "instance retrieval": signals.views.retrieval.value,
        "identity share": identity.value,
        "RankMe": signals.rankme,
        "LiDAR": signals.views.lidar,
        "effective rank": signals.effective_rank,
        "minus uniformity": -signals.uniformity.value,
        "minus alignment": -signals.views.alignment.value,
        "minus |alpha - 1|": None if signals.alpha is None else -abs(signals.alpha - 1),
    }


def knn(subject: Networks, learn: ImageSet, test: ImageSet) -> float:
    """The protocol's kNN with 10,000 training images, enough for a curve."""
    bank = embed(subject.encoder, None, learn.select(torch.arange(min(10_000, len(learn)))))
    query = embed(subject.encoder, None, test)
    model = KNNClassifier(k=min(200, len(bank) // 10), temperature=0.1).fit(bank.h[0], bank.labels())
    return float(model.score(query.h[0], query.labels()))


def figure(rows: list[dict[str, Any]], path: Path) -> None:
    """Encoder above, projector below; one line a run, told apart by dash as well as colour, intervals shaded."""
    shown = {name: unit for name, unit in PANELS.items() if all(f"h {name}" in row for row in rows)}
    plot, axes = plt.subplots(2, len(shown) + 1, figsize=(4 * (len(shown) + 1), 7))
    for number, run in enumerate(dict.fromkeys(row["run"] for row in rows)):
        mine = [row for row in rows if row["run"] == run]
        epochs, dash = [row["epoch"] for row in mine], DASHES[number % len(DASHES)]
        for layer, line in zip("hz", axes, strict=True):
            for (name, unit), axis in zip(shown.items(), line[:-1], strict=True):
                axis.set(title=f"{layer}: {name}", xlabel="epoch", ylabel=unit)
                value, low, high = zip(*(row[f"{layer} {name}"] for row in mine), strict=True)
                axis.plot(epochs, value, dash, label=run)
                axis.fill_between(epochs, low, high, alpha=0.2)
                if "inner" in name:
                    axis.plot(epochs, [row[f"{layer} {CEILING}"][0] for row in mine], dash, color="gray")
        axes[0, -1].plot(epochs, [100 * row["kNN"] for row in mine], dash, label=run)
    axes[0, -1].set(title="kNN of h", xlabel="epoch", ylabel="accuracy (%)")
    axes[1, -1].axis("off")
    axes[1, -1].legend(*axes[0, -1].get_legend_handles_labels(), loc="center", fontsize=9)
    plot.tight_layout()
    plot.savefig(path)


def measure(runs: Sequence[Path], out: Path, *, images: int, policy: str, draws: int) -> None:
    """Adds to the JSON `out` what it lacks of `runs`, and draws the figure beside it."""
    rows: list[dict[str, Any]] = records.read_json(out) if out.exists() else []
    for path in runs:
        if any(row["run"] == path.name for row in rows):
            continue
        rows += curve(path, images=images, policy=policy, draws=draws)
        records.write_json(out, rows)
    figure(rows, out.with_suffix(".svg"))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="*")
    parser.add_argument("--out", type=Path, default=Path("curves"))
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--policy", default="simclr-cifar", help="the same for all runs")
    parser.add_argument("--draws", type=int, default=200)
    options = parser.parse_args()
    out = options.out.with_suffix(".json")
    measure(options.runs, out, images=options.images, policy=options.policy, draws=options.draws)
    print(f"{out}, {options.out.with_suffix('.svg')}")


if __name__ == "__main__":
    main()
