"""The linear transfer protocol beside scikit-learn on the same path, in one run.

    python benchmarks/probe.py                            # 50,000 x 512, 45 penalties, 10 classes
    python benchmarks/probe.py --images 5000 --dim 128    # a smaller size
    python benchmarks/probe.py --features train.safetensors --test test.safetensors

Both sides: 45 values of 1/C from 1e-6 to 1e5, each fitted on 80 % of the training rows and scored on the rest,
starting from the solution before; the best refitted on all rows and tested once. scikit-learn stops where it
does by default (tolerance 1e-4) with at most `--their-steps` steps a value: 100 is its default and what the
authors of the protocol ran, though it has not converged then where the penalty is weak; a large number is the
same path to its end. Without --features the rows are drawn: classes with centres, a covariance whose spectrum
falls as 1/k, non-negative as after a ReLU.
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

from contrascope.evaluation.metric import in_metric
from contrascope.evaluation.suites import TransferProtocol
from contrascope.evaluation.transfer import linear, validation_mask
from contrascope.features.features import Features
from contrascope.features.files import load_features


def drawn(count, dim, classes, seed):
    source = torch.Generator().manual_seed(7)
    centres = torch.randn(classes, dim, generator=source)
    mix = torch.linalg.qr(torch.randn(dim, dim, generator=source))[0]
    scale = torch.arange(1, dim + 1).rsqrt()
    rows = torch.Generator().manual_seed(seed)
    y = torch.randint(classes, (count,), generator=rows)
    h = ((0.55 * centres[y] + 2 * torch.randn(count, dim, generator=rows)) * scale) @ mix
    return Features(h=h.relu()[None], y={"label": y}, ids=torch.arange(count))


def theirs(train, test, protocol, *, steps):
    """The protocol with scikit-learn: (test accuracy, chosen C, steps taken)."""
    h, y = train.h[0].numpy(), train.labels().numpy()
    out = validation_mask(train.labels(), protocol).numpy()
    model = LogisticRegression(max_iter=steps, warm_start=True)
    best, chosen, taken = -1.0, 0.0, 0
    for c in protocol.grid:
        model.set_params(C=c).fit(h[~out], y[~out])
        taken += int(np.max(model.n_iter_))
        score = model.score(h[out], y[out])
        if score > best:
            best, chosen = score, c
    model.set_params(C=chosen).fit(h, y)
    taken += int(np.max(model.n_iter_))
    return model.score(test.h[0].numpy(), test.labels().numpy()), chosen, taken


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("images", 50_000), ("dim", 512), ("classes", 10), ("penalties", 45)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--their-steps", type=int, nargs="*", default=[100, 10_000])
    parser.add_argument("--features", help="features to learn from, as `contrascope embed` writes them")
    parser.add_argument("--test", help="features to test on")
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    if args.features:
        train, test = load_features(args.features), load_features(args.test)
    else:
        train = drawn(args.images, args.dim, args.classes, 0)
        test = drawn(max(1000, args.images // 5), args.dim, args.classes, 1)
    protocol = TransferProtocol(penalties=args.penalties)
    start = time.perf_counter()
    ours = linear(train, test, validation=None, metric="top1", protocol=protocol)
    seconds = time.perf_counter() - start
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
        "ours": {"seconds": round(seconds, 1), "accuracy": round(ours.value, 4), "chosen": ours.chosen},
    }
    print(json.dumps(report["ours"]), flush=True)
    for steps in args.their_steps:
        start = time.perf_counter()
        accuracy, chosen, taken = theirs(train, test, protocol, steps=steps)
        spent = time.perf_counter() - start
        report[f"scikit_learn_at_most_{steps}_steps"] = {
            "seconds": round(spent, 1),
            "times_ours": round(spent / seconds, 2),
            "accuracy": round(float(accuracy), 4),
            "points_apart": round(100 * (ours.value - float(accuracy)), 2),
            "chosen": f"C {chosen:.3g}",
            "steps": taken,
        }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
