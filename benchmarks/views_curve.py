"""What a bound says at m views of an image, m = 2 to 64, and whether that can be extrapolated to all views.

    python benchmarks/views_curve.py --sources digits shapes --seeds 3

Per source: mean worst pair of views, R_eps at a fixed eps, mean d_A within classes in embedding space, the certificate
from caps and the error beside it. `known`: worst pair, R_eps and d_A of colour shifts, where all views are known
(`theory/worlds`). The encoder is linear and has a closed form: the directions in which images differ most against
their views, fitted without labels on other images. Every number is a mean over seeds (other images, other views) with
its standard deviation. The extrapolation takes the last three of m, 2 m, 4 m as a geometric series. JSON to stdout,
one line a source.
"""

import argparse
import json
from collections.abc import Callable

import torch
from torch import Tensor

from contrascope.augment.occlusion import GaussianNoise
from contrascope.augment.policy import Policy
from contrascope.augment.views import make_views
from contrascope.augment.warp import Affine
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.theory.bounds.embedding_bound import embedding_error_bounds
from contrascope.theory.concentration.augmented_distance import augmented_distance
from contrascope.theory.factors.alignment import unit_views, worst_pair
from contrascope.theory.worlds.shift_truth import shift_truth
from contrascope.theory.worlds.shift_world import ShiftEncoder, shift_distance, shift_views

VIEWS = (2, 4, 8, 16, 32, 64)
FITTED, JUDGED, DIM = 600, 300, 16
POLICY = Policy(ops=(Affine(degrees=15.0), GaussianNoise(sigma=0.02, p=1.0)), name="turns")
SOURCES = {"digits": 0.4, "shapes": 0.4}
"""The eps of R_eps."""
LEAK, REACH, EPSILON = 0.5, 0.2, 0.06


def extrapolated(values: list[float]) -> float | None:
    """The limit of a geometric series through the last three numbers; None where they do not fall in step."""
    first, second = values[-2] - values[-3], values[-1] - values[-2]
    ratio = second / first if first else 0.0
    return values[-1] + second * ratio / (1 - ratio) if 0 <= ratio < 0.95 else None


def encoder(views: Tensor) -> Callable[[Tensor], Tensor]:
    """Linear: the leading directions of image means against views, whitened by views; unit rows."""
    rows = views.double()
    means = rows.mean(dim=0)
    off = (rows - means).flatten(0, 1)
    noise = off.T @ off / len(off)
    noise += 0.05 * noise.diagonal().mean() * torch.eye(len(noise), dtype=torch.float64)
    root = torch.linalg.cholesky(noise)
    white = torch.linalg.solve_triangular(root, (means - means.mean(dim=0)).T, upper=False)
    directions = torch.linalg.svd(white, full_matrices=False).U[:, :DIM]
    weight = torch.linalg.solve_triangular(root.T, directions, upper=True)
    middle = means.mean(dim=0)
    return lambda x: unit_views((x.double() - middle) @ weight)


def of_source(source: str, seed: int) -> dict[str, list[float]]:
    images = open_images(DataSettings(source=source, split="train"))
    y = next(iter(images.labels.values()))
    ids = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))[: FITTED + JUDGED]
    pixels = images.gather(ids)
    if pixels.shape[-1] > 16:
        pixels = (
            torch.nn.functional.avg_pool2d(pixels.float(), pixels.shape[-1] // 16).round().to(torch.uint8)
        )
    made, _ = make_views(pixels, POLICY, ids=ids, seed=seed, epoch=0, num_views=VIEWS[-1])
    flat = made.flatten(2)
    h = encoder(flat[:8, :FITTED])(flat[:, FITTED:])
    return curve(h, y[ids[FITTED:]], SOURCES[source])


def curve(h: Tensor, y: Tensor, epsilon: float) -> dict[str, list[float]]:
    rows: dict[str, list[float]] = {name: [] for name in ("worst", "r_eps", "d_a", "bound", "limit", "error")}
    for m in VIEWS:
        worst, cap = worst_pair(h[:m]), embedding_error_bounds(h[:m], y, levels=2).cap
        rows["worst"].append(worst.mean().item())
        rows["r_eps"].append((worst > epsilon).double().mean().item())
        rows["d_a"].append(within(augmented_distance(h[:m]), y))
        rows["bound"].append(cap.value)
        rows["limit"].append(cap.limit or 1.0)
        rows["error"].append(cap.terms["error"])
    return rows


def within(distance: Tensor, y: Tensor) -> float:
    same = (y[:, None] == y) & ~torch.eye(len(y), dtype=torch.bool)
    return distance[same].mean().item()


def known(seed: int) -> dict[str, list[float]]:
    """Drawn views of colour shifts; the last number of each row is that of all views."""
    images = open_images(DataSettings(source="shapes", split="train"))
    y = images.labels["shape"]
    ids = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))[:120]
    pixels = torch.nn.functional.avg_pool2d(images.gather(ids).double() / 255, 2).flatten(2)
    net = ShiftEncoder(leak=LEAK)
    views = shift_views(pixels, reach=REACH, num_views=VIEWS[-1], seed=seed)
    h = torch.stack([net(view.view(pixels.shape)) for view in views])
    truth, y = shift_truth(pixels, y[ids], net, reach=REACH), y[ids]
    rows: dict[str, list[float]] = {"worst": [], "r_eps": [], "d_a": []}
    for m in VIEWS:
        rows["worst"].append(worst_pair(h[:m]).mean().item())
        rows["r_eps"].append((worst_pair(h[:m]) > EPSILON).double().mean().item())
        rows["d_a"].append(within(augmented_distance(views[:m]), y))
    rows["worst"].append(truth.worst.mean().item())
    rows["r_eps"].append((truth.worst > EPSILON).double().mean().item())
    rows["d_a"].append(within(shift_distance(pixels, reach=REACH), y))
    return rows


def summary(runs: list[dict[str, list[float]]]) -> dict[str, dict[str, list[float | None]]]:
    found: dict[str, dict[str, list[float | None]]] = {}
    for name in runs[0]:
        table = torch.tensor([run[name] for run in runs], dtype=torch.float64)
        mean = table.mean(dim=0)
        spread = table.std(dim=0) if len(runs) > 1 else torch.zeros_like(mean)
        values = mean.tolist()
        found[name] = {
            "mean": [round(value, 4) for value in values],
            "sd": [round(value, 4) for value in spread.tolist()],
            "from_4_8_16": [extrapolated(values[1:4])],
            "from_16_32_64": [extrapolated(values[3:6])],
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sources", nargs="*", default=list(SOURCES), choices=list(SOURCES))
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    seeds = range(args.seeds)
    print(json.dumps({"views": VIEWS}))
    print(json.dumps({"known": summary([known(seed) for seed in seeds])}), flush=True)
    for source in args.sources:
        print(json.dumps({source: summary([of_source(source, seed) for seed in seeds])}), flush=True)


if __name__ == "__main__":
    main()
