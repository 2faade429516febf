"""Alignment, divergence and kNN against epochs, from runs whose checkpoints were kept: one command, one figure.

    python benchmarks/curves.py runs/cifar10/cifar10-*-cpu-own-seed0 --out docs/figures/curves

Quantities of normalised features of encoder and projector on fixed views of test images, as docs/diagnose.md explains
them: L_align over two views, the largest and the mean cosine of two class centres. Writes OUT.json and OUT.svg; needs
matplotlib (`make bench`). OUT.json also has the label-free scores of every checkpoint, for
`benchmarks/checkpoint_scores.py`. Runs that are in OUT.json already are not measured again.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch

from contrascope import records
from contrascope.augment.presets import build_policy
from contrascope.augment.settings import PolicySettings
from contrascope.data.imageset import ImageSet
from contrascope.diagnosis.exhibits import FixedViews, Networks, embed_views, fixed_views
from contrascope.diagnosis.identity import identity_share
from contrascope.diagnosis.signals import layer_signals
from contrascope.evaluation.knn import KNNClassifier
from contrascope.features.embed import embed
from contrascope.jobs.assess import evaluation_sets
from contrascope.runs.load import load_run
from contrascope.theory.factors.alignment import alignment, unit_views
from contrascope.theory.factors.divergence import divergence

DASHES = ("-", "--", ":", "-.")
PANELS = {
    "alignment": "mean squared distance (0 to 4)",
    "largest cosine of centres": "cosine (-1 to 1)",
    "mean cosine of centres": "cosine (-1 to 1)",
    "kNN": "accuracy (%)",
}
"""Quantities and their units."""


def curve(path: Path, *, images: int, policy: str, draws: int) -> list[dict[str, Any]]:
    """One row a kept checkpoint."""
    first = load_run(path)
    learn, test, _ = evaluation_sets(first.settings.data, first.settings.protocol)
    some = test.select(torch.arange(min(images, len(test))))
    policies = build_policy(PolicySettings(name=policy), channels=some.shape[0], size=min(some.shape[1:]))
    views = fixed_views(some, policies, num_views=2, seed=0)
    per_epoch = records.read_json(records.checkpoint_folders(path)[0][1] / "state.json")["steps_per_epoch"]
    rows = []
    for step, _ in records.checkpoint_folders(path):
        run = load_run(path, step=step)
        subject = Networks(encoder=run.method.encoder, projector=run.method.projector)
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
        ):
            found[f"{layer} {name}"] = [estimate.value, estimate.low, estimate.high]
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
    plot, axes = plt.subplots(2, len(PANELS), figsize=(16, 7))
    for number, run in enumerate(dict.fromkeys(row["run"] for row in rows)):
        mine = [row for row in rows if row["run"] == run]
        epochs, dash = [row["epoch"] for row in mine], DASHES[number % len(DASHES)]
        for layer, line in zip("hz", axes, strict=True):
            for (name, unit), axis in zip(PANELS.items(), line, strict=True):
                if name == "kNN":
                    continue
                axis.set(title=f"{layer}: {name}", xlabel="epoch", ylabel=unit)
                value, low, high = zip(*(row[f"{layer} {name}"] for row in mine), strict=True)
                axis.plot(epochs, value, dash, label=run)
                axis.fill_between(epochs, low, high, alpha=0.2)
        axes[0, -1].plot(epochs, [100 * row["kNN"] for row in mine], dash, label=run)
    axes[0, -1].set(title="kNN of h", xlabel="epoch", ylabel=PANELS["kNN"])
    axes[1, -1].axis("off")
    axes[1, -1].legend(*axes[0, -1].get_legend_handles_labels(), loc="center", fontsize=9)
    plot.tight_layout()
    plot.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=Path("curves"))
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--policy", default="simclr-cifar", help="the same for all runs")
    parser.add_argument("--draws", type=int, default=200)
    options = parser.parse_args()
    out = options.out.with_suffix(".json")
    rows: list[dict[str, Any]] = records.read_json(out) if out.exists() else []
    for path in options.runs:
        if any(row["run"] == path.name for row in rows):
            continue
        rows += curve(path, images=options.images, policy=options.policy, draws=options.draws)
        records.write_json(out, rows)
    figure(rows, options.out.with_suffix(".svg"))
    print(f"{out}, {options.out.with_suffix('.svg')}")


if __name__ == "__main__":
    main()
