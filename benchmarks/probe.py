"""The linear transfer protocol beside scikit-learn on the same path, in one run.

    python benchmarks/probe.py                            # 50,000 x 512, 45 penalties, 10 classes
    python benchmarks/probe.py --images 5000 --dim 128    # a smaller size
    python benchmarks/probe.py --features train.safetensors --test test.safetensors
    python benchmarks/probe.py --features train.safetensors --test test.safetensors --pca 512

Both sides: 45 values of 1/C from 1e-6 to 1e5, each fitted on 80 % of the training rows and scored on the rest,
starting from the solution before; the best refitted on all rows and tested once. scikit-learn stops at a slope of
`--their-tolerance` (1e-4 is its default) with at most `--their-steps` steps a value: 100 is its default and what the
authors of the protocol ran; a large number is the same path to where it stops by itself. Speed alone says little, as
both stop somewhere: the report gives how far above the minimum (found by us with a tolerance of 1e-5) the objective of
each lies, per row in nats, over the path. Seconds are of the processor. Without --features the rows are drawn:
classes with centres, a covariance whose spectrum falls as 1/k, non-negative as after a ReLU. --pca turns the rows to
their principal axes and keeps so many: raw pixels, say, as features.
"""

import argparse
import json
import os
import platform
import time
import warnings

import numpy as np
import sklearn
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from contrascope.evaluation.logistic import LogisticPath
from contrascope.evaluation.metric import in_metric
from contrascope.evaluation.suites import TransferProtocol
from contrascope.evaluation.transfer import linear, validation_mask
from contrascope.features.features import Features
from contrascope.features.files import load_features

Path = list[tuple[torch.Tensor, torch.Tensor]]
"""Coefficients and intercepts at every penalty."""


def drawn(count: int, dim: int, classes: int, seed: int) -> Features:
    source = torch.Generator().manual_seed(7)
    centres = torch.randn(classes, dim, generator=source)
    mix = torch.linalg.qr(torch.randn(dim, dim, generator=source))[0]
    scale = torch.arange(1, dim + 1).rsqrt()
    rows = torch.Generator().manual_seed(seed)
    y = torch.randint(classes, (count,), generator=rows)
    h = ((0.55 * centres[y] + 2 * torch.randn(count, dim, generator=rows)) * scale) @ mix
    return Features(h=h.relu()[None], y={"label": y}, ids=torch.arange(count))


def principal(train: Features, test: Features, dim: int) -> list[Features]:
    """Both parts on the first `dim` principal axes of the first."""
    rows = train.h[0]
    mean = rows.mean(dim=0)
    covariance = (rows - mean).T @ (rows - mean) / len(rows)
    axes = torch.linalg.eigh(covariance.double())[1][:, -dim:].flip(1).float()
    return [Features(h=((part.h[0] - mean) @ axes)[None], y=part.y, ids=part.ids) for part in (train, test)]


def theirs(
    train: Features, test: Features, protocol: TransferProtocol, *, steps: int, tolerance: float
) -> tuple[float, float, int, Path]:
    """The protocol with scikit-learn: test accuracy, chosen C, steps taken and the coefficients along the path."""
    h, y = train.h[0].numpy(), train.labels().numpy()
    out = validation_mask(train.labels(), protocol).numpy()
    model = LogisticRegression(max_iter=steps, tol=tolerance, warm_start=True)
    best, chosen, taken, path = -1.0, 0.0, 0, []
    for c in protocol.grid:
        model.set_params(C=c).fit(h[~out], y[~out])
        taken += int(np.max(model.n_iter_))
        score = model.score(h[out], y[out])
        path.append((torch.tensor(model.coef_), torch.tensor(model.intercept_)))
        if score > best:
            best, chosen = score, c
    model.set_params(C=chosen).fit(h, y)
    taken += int(np.max(model.n_iter_))
    return model.score(test.h[0].numpy(), test.labels().numpy()), chosen, taken, path


def ours_again(train: Features, protocol: TransferProtocol, *, tolerance: float) -> tuple[Path, int]:
    """Coefficients along the path, untimed, and the passes over the data."""
    rows, _, codes = learnt_on(train, protocol)
    path, found = LogisticPath(rows, codes, int(codes.max()) + 1, standardise=False), []
    for c in protocol.grid:
        path.solve(c, tolerance=tolerance, max_iter=protocol.max_iter)
        found.append(path.coefficients())
    return found, path.looks


def learnt_on(train: Features, protocol: TransferProtocol) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    keep = ~validation_mask(train.labels(), protocol)
    classes, codes = train.labels().unique(return_inverse=True)
    return train.h[0][keep], classes, codes[keep]


def objectives(train: Features, protocol: TransferProtocol, path: Path) -> torch.Tensor:
    """Mean cross-entropy plus penalty at each C of the path, float64."""
    rows, _, codes = learnt_on(train, protocol)
    found = []
    for c, (weight, bias) in zip(protocol.grid, path, strict=True):
        weight, bias, loss = weight.double(), bias.double(), 0.0
        for block, y in zip(rows.split(8192), codes.split(8192), strict=True):
            logits = block.double() @ weight.T + bias
            loss += torch.nn.functional.cross_entropy(logits, y, reduction="sum").item()
        found.append((loss + weight.square().sum().item() / 2 / c) / len(rows))
    return torch.tensor(found, dtype=torch.float64)


def above(values: torch.Tensor, least: torch.Tensor) -> dict[str, str]:
    gaps = values - least
    return {"median": f"{gaps.median().item():.1e}", "largest": f"{gaps.max().item():.1e}"}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("images", 50_000), ("dim", 512), ("classes", 10), ("penalties", 45)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--their-steps", type=int, nargs="*", default=[100, 1000])
    parser.add_argument("--their-tolerance", type=float, default=1e-4)
    parser.add_argument("--features", help="features to learn from, as `contrascope embed` writes them")
    parser.add_argument("--test", help="features to test on")
    parser.add_argument("--pca", type=int, help="keep so many principal axes")
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    if args.features:
        train, test = load_features(args.features), load_features(args.test)
    else:
        train = drawn(args.images, args.dim, args.classes, 0)
        test = drawn(max(1000, args.images // 5), args.dim, args.classes, 1)
    if args.pca:
        train, test = principal(train, test, args.pca)
    protocol = TransferProtocol(penalties=args.penalties)
    start, clock = time.perf_counter(), time.process_time()
    ours = linear(train, test, validation=None, metric="top1", protocol=protocol)
    wall, seconds = time.perf_counter() - start, time.process_time() - clock
    least = objectives(train, protocol, ours_again(train, protocol, tolerance=1e-5)[0])
    path, looks = ours_again(train, protocol, tolerance=protocol.tolerance)
    majority = in_metric(
        (test.labels() == test.labels().mode().values).double(), test.labels(), "top1"
    ).item()
    report = {
        "settings": vars(args),
        "rows": list(train.h.shape[1:]),
        "machine": {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "versions": {"torch": torch.__version__, "scikit-learn": sklearn.__version__},
        "threads": torch.get_num_threads(),
        "majority_class": round(majority, 4),
        "ours": {
            "processor_seconds": round(seconds, 1),
            "wall_seconds": round(wall, 1),
            "accuracy": round(ours.value, 4),
            "chosen": ours.chosen,
            "passes_along_the_path": looks,
            "nats_above_minimum": above(objectives(train, protocol, path), least),
        },
    }
    print(json.dumps(report["ours"]), flush=True)
    for steps in args.their_steps:
        start, clock = time.perf_counter(), time.process_time()
        accuracy, chosen, taken, path = theirs(
            train, test, protocol, steps=steps, tolerance=args.their_tolerance
        )
        wall, spent = time.perf_counter() - start, time.process_time() - clock
        report[f"scikit_learn_at_most_{steps}_steps"] = {
            "processor_seconds": round(spent, 1),
            "wall_seconds": round(wall, 1),
            "times_ours": round(spent / seconds, 2),
            "accuracy": round(float(accuracy), 4),
            "points_apart": round(100 * (ours.value - float(accuracy)), 2),
            "chosen": f"C {chosen:.3g}",
            "steps": taken,
            "nats_above_minimum": above(objectives(train, protocol, path), least),
        }
        print(json.dumps(report[f"scikit_learn_at_most_{steps}_steps"]), flush=True)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
