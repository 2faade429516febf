"""Which checkpoint of a training in somebody else's loop? `Monitor.best` beside the last epoch and the lowest loss.

    python benchmarks/best_checkpoint.py DATA/cifar10-exact-5k DATA/mnist --out best.jsonl   # 16 runs
    python benchmarks/best_checkpoint.py shapes --images 300 --epochs 4 --cases simsiam      # a short try

DATA is a folder of image sets, or a name that `--data.source` takes. Every case is a plain loop with a loss of
lightly that goes wrong half-way, as trainings do: a rate that is too high, a term or a stop-gradient that is lost,
views that lose their crops, labels that are noise. The monitor sees two fixed views of training images under the
views of the first half. kNN (k = 20, cosines over 0.1) of the test images says after each epoch what a checkpoint was
worth; nothing else sees labels. The table holds the runs whose last epoch is at least 3 points of kNN below their
best. A run that stands in --out is not trained again.
"""

import argparse
import json
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import contrascope
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.errors import MissingSplitError
from contrascope.evaluation.knn import KNNClassifier
from contrascope.machine.torchvision_operators import complete_torchvision

SIDE, BATCH, PROBE, NEIGHBOURS, WORSE = 32, 128, 512, 20, 3.0
LossOf = Callable[["Model", Tensor, Tensor, Tensor], Tensor]
"""Loss of a batch: model, both views, and numbers that stand for labels."""


class Model(nn.Module):
    """A backbone of four convolutions, a projector, and a predictor for those that have one."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inner, out in ((channels, 32), (32, 64), (64, 128), (128, 128)):
            layers += [
                nn.Conv2d(inner, out, 3, 1, 1, bias=False),
                nn.BatchNorm2d(out),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
        self.backbone = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.projector = nn.Sequential(
            nn.Linear(128, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 64)
        )
        self.predictor = nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 64))

    def forward(self, images: Tensor) -> Tensor:
        return self.projector(self.backbone(images))


def views_of(images: Tensor, *, crops: bool = True) -> Tensor:
    """[n c side side]: a random crop, flip, brightness and contrast of each, and noise."""
    n = len(images)
    scale = torch.empty(n).uniform_(0.45, 1.0) if crops else torch.ones(n)
    shift = (1 - scale)[:, None] * torch.empty(n, 2).uniform_(-1, 1)
    flip = torch.where(torch.rand(n) < 0.5, -1.0, 1.0) if crops else torch.ones(n)
    zero = torch.zeros(n)
    rows = torch.stack(
        [torch.stack((scale * flip, zero, shift[:, 0]), 1), torch.stack((zero, scale, shift[:, 1]), 1)], 1
    )
    grid = F.affine_grid(rows, list(images.shape), align_corners=False)
    seen = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    light = torch.empty(n, 1, 1, 1).uniform_(-0.2, 0.2)
    contrast = torch.empty(n, 1, 1, 1).uniform_(0.6, 1.4)
    middle = seen.mean((1, 2, 3), keepdim=True)
    return ((seen - middle) * contrast + middle + light + 0.02 * torch.randn_like(seen)).clamp(0, 1)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A training that goes wrong half-way."""

    loss: LossOf
    broken: LossOf | None = None
    """The loss of the second half; None: the same."""
    rate: float = 1.0
    """What the second half's learning rate is multiplied by."""
    crops: bool = True
    """Whether views of the second half are crops."""
    decay: float = 1e-4
    """Weight decay of the second half."""


def joint(criterion: Callable[..., Tensor]) -> LossOf:
    return lambda model, a, b, _: criterion(model(a), model(b))


def predicted(*, stop: bool) -> LossOf:
    def loss(model: Model, a: Tensor, b: Tensor, _: Tensor) -> Tensor:
        first, second = model(a), model(b)
        held = (first.detach(), second.detach()) if stop else (first, second)
        near = F.cosine_similarity(model.predictor(first), held[1]) + F.cosine_similarity(
            model.predictor(second), held[0]
        )
        return -near.mean() / 2

    return loss


def memorised(model: Model, a: Tensor, _: Tensor, numbers: Tensor) -> Tensor:
    return F.cross_entropy(model(a), numbers % 64)


def cases() -> dict[str, Case]:
    from lightly.loss import BarlowTwinsLoss, NTXentLoss, VICRegLoss

    nt_xent, vicreg = joint(NTXentLoss(temperature=0.2)), joint(VICRegLoss())
    barlow = joint(BarlowTwinsLoss())
    return {
        "nt-xent, rate x 300": Case(loss=nt_xent, rate=300.0),
        "nt-xent, no crops": Case(loss=nt_xent, crops=False),
        "nt-xent, then noise for labels": Case(loss=nt_xent, broken=memorised, rate=3.0),
        "nt-xent, weight decay 3": Case(loss=nt_xent, decay=3.0),
        "vicreg, variance term lost": Case(loss=vicreg, broken=joint(VICRegLoss(mu_param=0.0, nu_param=0.0))),
        "vicreg, no crops": Case(loss=vicreg, crops=False),
        "simsiam, stop-gradient lost": Case(loss=predicted(stop=True), broken=predicted(stop=False)),
        "barlow twins, rate x 300": Case(loss=barlow, rate=300.0),
    }


def split(source: str, name: str, count: int | None) -> tuple[Tensor, Tensor]:
    """Images in [0, 1] and their first labels; of a set without a test split its last fifth."""
    settings = DataSettings(source=source, size=SIDE, split=name)
    try:
        found = open_images(settings)
        part = slice(0, count)
    except MissingSplitError:
        found = open_images(DataSettings(source=source, size=SIDE))
        part = slice(len(found) * 4 // 5, None)
    places = torch.arange(len(found))[part]
    pixels = torch.cat([images.float() / 255 for _, images in found.batches(places, 512, device="cpu")])
    return pixels, next(iter(found.labels.values()))[part]


def knn(model: Model, train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]) -> float:
    """Accuracy in percent of the backbone's rows."""
    model.eval()
    with torch.no_grad():
        rows = [
            torch.cat([model.backbone(part) for part in images.split(512)]).numpy()
            for images in (train[0], test[0])
        ]
    model.train()
    found = KNNClassifier(k=NEIGHBOURS, temperature=0.1).fit(rows[0], train[1].numpy()).predict(rows[1])
    return 100 * float((found == test[1].numpy()).mean())


def course(
    case: Case, train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], *, epochs: int
) -> dict[str, Any]:
    """KNN and loss of every epoch, and what the monitor chose; epoch 0 is not trained."""
    torch.manual_seed(0)
    images = train[0]
    model = Model(images.shape[1])
    probe = torch.stack([views_of(images[:PROBE]) for _ in range(2)])
    monitor = contrascope.Monitor(probe, encoder="backbone", projector="projector", on_error="raise")
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4)
    numbers = torch.randint(64, (len(images),))
    scores, losses = [], []
    for epoch in range(1, epochs + 1):
        late = epoch > epochs // 2
        loss_of = case.broken if late and case.broken is not None else case.loss
        optimiser.param_groups[0] |= {"lr": 1e-3 * (case.rate if late else 1.0)}
        optimiser.param_groups[0] |= {"weight_decay": case.decay if late else 1e-4}
        losses.append(
            statistics.fmean(steps(model, optimiser, loss_of, images, numbers, crops=case.crops or not late))
        )
        monitor(model, step=epoch, epoch=epoch)
        scores.append(knn(model, train, test))
    return {"knn": scores, "loss": losses, "best": monitor.best}


def steps(
    model: Model,
    optimiser: torch.optim.Optimizer,
    loss_of: LossOf,
    images: Tensor,
    numbers: Tensor,
    *,
    crops: bool,
) -> Iterator[float]:
    for batch in torch.randperm(len(images)).split(BATCH):
        if len(batch) == min(BATCH, len(images)):
            some = images[batch]
            loss = loss_of(model, views_of(some, crops=crops), views_of(some, crops=crops), numbers[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            yield loss.item()


def table(found: list[dict[str, Any]]) -> str:
    """Points of kNN lost by each way to choose; runs that did not get worse are left out and counted."""
    lines = [
        "| run | best kNN | `monitor.best` loses | last epoch loses | lowest loss loses |",
        "| --- | --- | --- | --- | --- |",
    ]
    lost: list[list[float]] = []
    for one in found:
        scores, top = one["knn"], max(one["knn"])
        if top - scores[-1] < WORSE:
            continue
        lowest = min(range(len(scores)), key=one["loss"].__getitem__)
        chosen = [None if one["best"] is None else scores[one["best"] - 1], scores[-1], scores[lowest]]
        cells = ["chose none" if score is None else f"{top - score:.1f}" for score in chosen]
        lost.append([top - (scores[-1] if score is None else score) for score in chosen])
        lines.append(f"| {one['run']} | {top:.1f} | {' | '.join(cells)} |")
    if lost:
        means = (f"{statistics.fmean(column):.2f}" for column in zip(*lost, strict=True))
        lines.append(f"| **mean of {len(lost)}** | | {' | '.join(means)} |")
    return "\n".join(
        [*lines, "", f"{len(found) - len(lost)} of {len(found)} runs did not get {WORSE:g} points worse."]
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="+")
    parser.add_argument("--images", type=int, default=5000, help="of each split, at most")
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--cases", nargs="*", default=[""], help="words that the names of cases begin with")
    parser.add_argument("--out", type=Path, default=None, help="a line a run; read again")
    given = parser.parse_args()
    complete_torchvision()
    lines = given.out.read_text().splitlines() if given.out and given.out.exists() else []
    found = {one["run"]: one for one in map(json.loads, lines)}
    for source in given.sets:
        train, test = (split(source, name, given.images) for name in ("train", "test"))
        for name, case in cases().items():
            run = f"{Path(source).name}: {name}"
            if run not in found and name.startswith(tuple(given.cases)):
                found[run] = {"run": run, **course(case, train, test, epochs=given.epochs)}
                if given.out:
                    with given.out.open("a") as file:
                        file.write(json.dumps(found[run]) + "\n")
    print(table(list(found.values())))


if __name__ == "__main__":
    main()
