"""Which checkpoint does the label-free score choose in runs that get worse? Table of docs/diagnose.md.

    python benchmarks/checkpoint_courses.py --data FOLDER --out runs/courses

Twelve trainings of half a minute: the loss breaks at half time (no stop-gradient, no predictor, no variance term, the
linear loss, a temperature of 100), the learning rate stays high, or forty images are learnt by heart. Ten checkpoints
each; every score is measured on test images as a diagnosis does, kNN beside it. Finished runs are read back.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from checkpoint_scores import table
from jaxtyping import Float
from torch import Tensor, nn
from verdict_cases import (
    ADAMW,
    CONTRASTIVE,
    METHODS,
    SGD,
    WIDE,
    LinearLoss,
    NoPredictor,
    NoStopGradient,
    repeated,
    unchanged,
)
from verdict_measure import K
from verdict_sets import BenchSet, bench_sets, images_of
from verdict_train import TWIN

from contrascope import records
from contrascope.data.imageset import ImageSet
from contrascope.diagnosis.answers import judge
from contrascope.diagnosis.exhibits import Networks
from contrascope.diagnosis.networks import measure_networks
from contrascope.diagnosis.score import label_free_score
from contrascope.encoders.build import build_encoder
from contrascope.encoders.settings import EncoderSettings
from contrascope.evaluation.knn import KNNClassifier
from contrascope.features.embed import embed
from contrascope.losses.terms import LossTerms
from contrascope.losses.vicreg import vicreg
from contrascope.methods.base import Method
from contrascope.methods.build import build_method
from contrascope.methods.joint.simclr import SimCLR
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.methods.joint.vicreg import VICReg
from contrascope.methods.joint.vicreg_settings import VICRegSettings
from contrascope.methods.momentum.byol import BYOL
from contrascope.methods.momentum.byol_settings import BYOLSettings
from contrascope.methods.predict.simsiam import SimSiam
from contrascope.methods.predict.simsiam_settings import SimSiamSettings
from contrascope.training.loop import fit
from contrascope.training.settings import OptimSettings, ScheduleSettings, TrainingSettings
from contrascope.training.views import image_views

CHECKPOINTS, EPOCHS = 10, 20
NOTHING = -99.0
"""Stands for no score, below every other."""
COSINE = ScheduleSettings(warmup_epochs=2.0)
Terms = Callable[..., LossTerms]


class Turns:
    """Mixed into a method: what breaks it at half time."""

    turned = False


class TurningSimSiam(Turns, NoStopGradient):
    """Stop-gradient in the first half only."""

    def terms(
        self, z: Float[Tensor, "views batch out"], target: Float[Tensor, "views batch out"] | None
    ) -> LossTerms:
        return NoStopGradient.terms(self, z, target) if self.turned else SimSiam.terms(self, z, target)


class TurningBYOL(Turns, NoPredictor):
    """A predictor in the first half only."""

    def terms(
        self, z: Float[Tensor, "views batch out"], target: Float[Tensor, "views batch out"] | None
    ) -> LossTerms:
        return NoPredictor.terms(self, z, target) if self.turned else BYOL.terms(self, z, target)


class TurningSimCLR(Turns, LinearLoss):
    """The softmax loss in the first half only."""

    def terms(
        self, z: Float[Tensor, "views batch out"], target: Float[Tensor, "views batch out"] | None
    ) -> LossTerms:
        return LinearLoss.terms(self, z, target) if self.turned else SimCLR.terms(self, z, target)


class HotSimCLR(Turns, SimCLR):
    """A temperature of 100 in the second half."""

    def terms(
        self, z: Float[Tensor, "views batch out"], target: Float[Tensor, "views batch out"] | None
    ) -> LossTerms:
        self.temperature = 100.0 if self.turned else 0.5
        return super().terms(z, target)


class TurningVICReg(Turns, VICReg):
    """A variance term in the first half only."""

    def terms(
        self, z: Float[Tensor, "views batch out"], target: Float[Tensor, "views batch out"] | None
    ) -> LossTerms:
        if not self.turned:
            return super().terms(z, target)
        return vicreg(z, invariance=25.0, variance=0.0, covariance=1.0, positives=self.positives)


@dataclass(frozen=True, kw_only=True)
class Course:
    """A training that gets worse."""

    name: str
    of: str
    make: Callable[[nn.Module], Method]
    optim: OptimSettings = ADAMW
    batch: int = 128
    schedule: ScheduleSettings = COSINE
    images: Callable[[ImageSet], ImageSet] = unchanged
    epochs: int = EPOCHS


def courses() -> list[Course]:
    simclr, vicreg_, simsiam, byol = (METHODS[name] for name in ("simclr", "vicreg", "simsiam", "byol"))
    assert isinstance(simclr, SimCLRSettings)
    assert isinstance(vicreg_, VICRegSettings)
    assert isinstance(simsiam, SimSiamSettings)
    assert isinstance(byol, BYOLSettings)
    constant = ScheduleSettings(name="constant", warmup_epochs=2.0)
    small = {"optim": SGD, "batch": 64}
    fast = replace(ADAMW, lr=3e-2)
    wide = replace(simclr, projector=CONTRASTIVE)

    def forty(images: ImageSet) -> ImageSet:
        return repeated(images, 40)

    found = []
    for of in ("digits", "shapes"):
        found += [
            Course(name="no stop-gradient", of=of, make=lambda e: TurningSimSiam(e, simsiam), **small),
            Course(name="no variance term", of=of, make=lambda e: TurningVICReg(e, vicreg_)),
            Course(
                name="rate stays high",
                of=of,
                make=lambda e: build_method(simclr, e),
                optim=fast,
                schedule=constant,
            ),
        ]
    for of in ("cifar10-exact-5k", "mnist"):
        found += [
            Course(name="linear loss", of=of, make=lambda e: TurningSimCLR(e, simclr)),
            Course(name="temperature 100", of=of, make=lambda e: HotSimCLR(e, wide)),
            Course(
                name="forty images by heart",
                of=of,
                make=lambda e: build_method(METHODS["vicreg"], e),
                images=forty,
            ),
        ]
    found.append(
        Course(
            name="no predictor",
            of="digits",
            make=lambda e: TurningBYOL(e, replace(byol, projector=WIDE)),
            **small,
        )
    )
    return found


def network(course: Course, images: ImageSet, seed: int) -> Method:
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(seed)
        channels, height, _ = images.shape
        return course.make(
            build_encoder(EncoderSettings(name="convnet", width=16), channels=channels, size=height)
        )


def measure(course: Course, one: BenchSet, method: Method, epoch: int) -> dict[str, Any]:
    """Scores and kNN of one checkpoint, on test images."""
    train, test = images_of(one)
    twin = network(course, train, TWIN).eval()
    mine, drawn = (Networks(encoder=part.encoder, projector=part.projector) for part in (method, twin))
    signals, _, _ = measure_networks(
        mine, drawn, test, one.policies(train.shape[0], train.shape[1]), num_views=2, draws=2
    )
    verdict = judge(signals)
    learn, asked = (embed(method.encoder, None, images) for images in (train, test))
    knn = float("nan")
    if signals.h is not None:
        classifier = KNNClassifier(k=K, temperature=0.1).fit(learn.h[0], learn.labels())
        knn = float(classifier.score(asked.h[0], asked.labels()))
    chosen = label_free_score(signals, verdict)
    return {
        "run": f"{one.name}, {course.name}",
        "epoch": epoch,
        "kNN": knn,
        "sound": verdict.sound.word,
        "learning": verdict.learning.word,
        "h scores": {"the score (never of unsound or not learning)": NOTHING if chosen is None else chosen}
        | scores(signals),
        "z scores": {},
    }


def scores(signals: Any) -> dict[str, float | None]:
    learnt, layer = signals.learning, signals.h
    if learnt is None or layer is None:
        return dict.fromkeys(
            ("gain, own views", "gain, standard views", "instance retrieval", "RankMe", "effective rank"),
            NOTHING,
        )
    return {
        "gain, own views": learnt.own.odds.value,
        "gain, standard views": learnt.standard["all"].odds.value,
        "instance retrieval": layer.views.retrieval.value,
        "RankMe": layer.rankme,
        "effective rank": layer.effective_rank,
    }


def run(course: Course, one: BenchSet, folder: Path) -> list[dict[str, Any]]:
    plain, _ = images_of(one)
    images, rows = course.images(plain), []
    method = network(course, images, 0)
    folder.mkdir(parents=True, exist_ok=True)
    training = TrainingSettings(
        epochs=course.epochs, batch_size=min(course.batch, len(images)), checkpoint_every=10**9, log_every=5
    )

    def probe(trained: Method, finished: int) -> None:
        if isinstance(trained, Turns) and 2 * finished >= course.epochs:
            trained.turned = True
        if finished % (course.epochs // CHECKPOINTS) == 0:
            trained.eval()
            rows.append(measure(course, one, trained, finished))
            trained.train()

    views = image_views(method, one.policies(images.shape[0], images.shape[1]), images, training)
    fit(
        method,
        images,
        views,
        run=folder / "run",
        training=training,
        optim=course.optim,
        schedule=course.schedule,
        accelerator=Accelerator(mixed_precision="no"),
        probes=[probe],
    )
    return rows


def told(rows: Sequence[dict[str, Any]]) -> str:
    """What happened in each run: kNN at its best, at the end, and where the score points."""
    lines = [
        "| run | best kNN | at the end | at the chosen one | its answer |",
        "| --- | --- | --- | --- | --- |",
    ]
    score = "the score (never of unsound or not learning)"
    for name in dict.fromkeys(row["run"] for row in rows):
        mine = [row for row in rows if row["run"] == name]
        chosen = max(mine, key=lambda row: row["h scores"][score])
        none = chosen["h scores"][score] <= NOTHING
        words = "none is chosen" if none else f"{100 * chosen['kNN']:.1f}"
        answer = f"{chosen['sound']}, {chosen['learning']}"
        best = max(row["kNN"] for row in mine)
        lines.append(f"| {name} | {100 * best:.1f} | {100 * mine[-1]['kNN']:.1f} | {words} | {answer} |")
    return "\n".join(lines)


def without_empty(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with no value of our score in runs where it chooses nothing: such a run does not count for it."""
    score, kept = "the score (never of unsound or not learning)", []
    for row in rows:
        every = [other["h scores"][score] for other in rows if other["run"] == row["run"]]
        none = max(every) <= NOTHING
        kept.append(row | {"h scores": row["h scores"] | ({score: None} if none else {})})
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the photographs' sets in hub layout")
    parser.add_argument("--out", type=Path, default=Path("runs/courses"))
    options = parser.parse_args()
    sets, rows = {one.name: one for one in bench_sets(options.data)}, []
    for course in courses():
        if course.of not in sets:
            continue
        folder = options.out / f"{course.of}-{course.name}".replace(" ", "-")
        path = folder / "measured.json"
        if not path.exists():
            records.write_json(path, run(course, sets[course.of], folder))
        rows += records.read_json(path)
        print(rows[-1]["run"], flush=True)
    print(told(rows))
    print(table(without_empty(rows)))


if __name__ == "__main__":
    main()
