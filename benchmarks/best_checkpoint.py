"""Which checkpoint of a training in somebody else's loop? `Monitor.best` beside the last one and the lowest loss.

    python benchmarks/best_checkpoint.py DATA/cifar10-jpeg DATA/caltech101-32 --out best.jsonl   # 16 runs
    python benchmarks/best_checkpoint.py shapes --images 300 --rounds 2 1 --passes 1             # a short try

DATA is a folder of image sets, or a name that `--data.source` takes. Two losses of lightly in a plain loop learn for
some rounds; from there each of four accidents goes on for some more: a rate that is too high, labels that are noise, a
mark of each image's own in both views (a shortcut), pixels of 0 to 255 where they were of 0 to 1. So four runs share
their good part. The monitor sees two fixed views of training images under the views of that part. kNN (k = 20, cosines
over 0.1) of the test images says after each round what a checkpoint was worth; nothing else sees labels. The table
holds the runs whose last checkpoint is at least 3 points of kNN below their best. What stands in --out is not trained
again.
"""

import argparse
import copy
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
"""Loss of a batch: model, both views, and a number of each image that stands for a label."""
Split = tuple[Tensor, Tensor]
"""Images in [0, 1] and their labels."""


class Model(nn.Module):
    """A backbone of four convolutions and a projector."""

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

    def forward(self, images: Tensor) -> Tensor:
        return self.projector(self.backbone(images))


def views_of(images: Tensor) -> Tensor:
    """[n c side side]: a random crop, flip, brightness and contrast of each, and noise."""
    n = len(images)
    scale = torch.empty(n).uniform_(0.45, 1.0)
    shift = (1 - scale)[:, None] * torch.empty(n, 2).uniform_(-1, 1)
    flip = torch.where(torch.rand(n) < 0.5, -1.0, 1.0)
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
class Accident:
    """What happens to a training."""

    loss: LossOf | None = None
    """Another loss; None: the same."""
    rate: float = 1.0
    """What the learning rate is multiplied by."""
    mark: bool = False
    """Whether both views get a patch that tells their image."""
    scale: float = 1.0
    """What the pixels of the training are multiplied by."""


def joint(criterion: Callable[..., Tensor]) -> LossOf:
    return lambda model, a, b, _: criterion(model(a), model(b))


def memorised(model: Model, a: Tensor, _: Tensor, numbers: Tensor) -> Tensor:
    return F.cross_entropy(model(a), numbers % 64)


ACCIDENTS = {
    "rate x 300": Accident(rate=300.0),
    "labels that are noise": Accident(loss=memorised, rate=3.0),
    "a mark in both views": Accident(mark=True),
    "pixels of 0 to 255": Accident(scale=255.0),
}
RATE = 2e-3


def losses() -> dict[str, LossOf]:
    from lightly.loss import BarlowTwinsLoss, NTXentLoss

    return {"nt-xent": joint(NTXentLoss(temperature=0.2)), "barlow twins": joint(BarlowTwinsLoss())}


def marked(views: Tensor, numbers: Tensor) -> Tensor:
    """Views with a patch of 6 x 6 px whose colours tell the image."""
    patches = torch.stack(
        [
            torch.rand(views.shape[1], 3, 3, generator=torch.Generator().manual_seed(int(one)))
            for one in numbers
        ]
    )
    views[:, :, :6, :6] = patches.repeat_interleave(2, 2).repeat_interleave(2, 3)
    return views


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


class Course:
    """A training with its monitor, and what each round was worth; it can be copied, to go on in two ways."""

    def __init__(self, train: Split, test: Split, loss: LossOf, *, passes: int) -> None:
        torch.manual_seed(0)
        self._train, self._test, self._loss, self._passes = train, test, loss, passes
        images = train[0]
        self.model = Model(images.shape[1])
        self._probe = torch.stack([views_of(images[:PROBE]) for _ in range(2)])
        self._monitor = self._watch()
        self._optimiser = self._optimise()
        self.numbers = torch.randint(2**31, (len(images),))
        self.knn: list[float] = []
        self.losses: list[float] = []

    def _watch(self) -> contrascope.Monitor:
        return contrascope.Monitor(self._probe, encoder="backbone", projector="projector", on_error="raise")

    def _optimise(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.model.parameters(), lr=RATE, weight_decay=1e-4)

    def copy(self) -> "Course":
        """The same training, apart from this one from here on; the random numbers go on from `seed_again`."""
        other = copy.copy(self)
        other.model = copy.deepcopy(self.model)
        other._optimiser = other._optimise()
        other._optimiser.load_state_dict(copy.deepcopy(self._optimiser.state_dict()))
        other._monitor = other._watch()
        other._monitor.load_state_dict(copy.deepcopy(self._monitor.state_dict()))
        other.knn, other.losses = [*self.knn], [*self.losses]
        torch.manual_seed(1)
        return other

    def round(self, accident: Accident | None = None) -> None:
        """Some passes over the images; then the monitor looks, and kNN says what the checkpoint is worth."""
        what = accident or Accident()
        self._optimiser.param_groups[0]["lr"] = RATE * what.rate
        found = [loss for _ in range(self._passes) for loss in self._steps(what)]
        self.losses.append(statistics.fmean(found))
        self._monitor(self.model, step=len(self.losses))
        self.knn.append(knn(self.model, self._train, self._test))

    def _steps(self, what: Accident) -> Iterator[float]:
        images = self._train[0]
        for batch in torch.randperm(len(images)).split(BATCH):
            if len(batch) < min(BATCH, len(images)):
                continue
            views = [views_of(images[batch]) for _ in range(2)]
            numbers = self.numbers[batch]
            a, b = (what.scale * (marked(one, numbers) if what.mark else one) for one in views)
            loss = (what.loss or self._loss)(self.model, a, b, numbers)
            self._optimiser.zero_grad()
            loss.backward()
            self._optimiser.step()
            yield loss.item()

    def found(self) -> dict[str, Any]:
        return {"knn": self.knn, "loss": self.losses, "best": self._monitor.best}


def table(found: list[dict[str, Any]]) -> str:
    """Points of kNN lost by each way to choose; runs that did not get worse are left out and counted."""
    lines = [
        "| run | best kNN | `monitor.best` loses | last loses | lowest loss loses |",
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
    parser.add_argument(
        "--images", type=int, default=5000, help="of training, at most; twice as many of test"
    )
    parser.add_argument("--rounds", type=int, nargs=2, default=(8, 4), metavar=("GOOD", "BAD"))
    parser.add_argument("--passes", type=int, default=2, help="over the images in a round")
    parser.add_argument("--losses", nargs="*", default=[""], help="words that their names begin with")
    parser.add_argument("--out", type=Path, default=None, help="a line a run; read again")
    given = parser.parse_args()
    complete_torchvision()
    lines = given.out.read_text().splitlines() if given.out and given.out.exists() else []
    found = {one["run"]: one for one in map(json.loads, lines)}
    for source in given.sets:
        train = split(source, "train", given.images)
        test = split(source, "test", 2 * given.images)
        for name, loss in losses().items():
            names = {f"{Path(source).name}: {name}, {bad}": bad for bad in ACCIDENTS}
            if set(names) <= set(found) or not name.startswith(tuple(given.losses)):
                continue
            good = Course(train, test, loss, passes=given.passes)
            for _ in range(given.rounds[0]):
                good.round()
            for run, bad in names.items():
                course = good.copy()
                for _ in range(given.rounds[1]):
                    course.round(ACCIDENTS[bad])
                found[run] = {"run": run, **course.found()}
                if given.out and run not in {one["run"] for one in map(json.loads, lines)}:
                    with given.out.open("a") as file:
                        file.write(json.dumps(found[run]) + "\n")
    print(table(list(found.values())))


if __name__ == "__main__":
    main()
