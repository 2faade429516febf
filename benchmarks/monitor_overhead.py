"""What the monitor costs in each trainer: its own forward once an epoch, and `observe` on every batch.

    python benchmarks/monitor_overhead.py                              # about 10 minutes on one core
    python benchmarks/monitor_overhead.py --steps 30 --epochs 2        # a short try

A small convolutional encoder on drawn noise, two views of 32 x 32, in a plain loop and under Lightning, transformers
and sentence-transformers, one thread. All times are of one run of each, seconds of the processor: those inside the
monitor and all others, so that nothing has to be compared between runs. Printed: what a measurement takes, its share
of these epochs, from how many images an epoch it is 3 %, and the share that `observe` takes (aim: 1 %).
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from contrascope.diagnosis.monitor.monitor import Monitor
from contrascope.machine.torchvision_operators import complete_torchvision

BATCH, SIDE, PROBE = 64, 32, 256
AIM = 0.03
"""Share that a measurement by its own forward may take."""


class TimedMonitor(Monitor):
    """Counts the processor's seconds of its calls, the first one apart: it reads the views and draws the twin."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.began()

    def began(self) -> None:
        self.first, self.spent, self.calls = 0.0, 0.0, 0

    def __call__(self, *given: Any, **named: Any) -> Any:
        return self._taking(super().__call__, *given, **named)

    def observe(self, *given: Any, **named: Any) -> Any:
        return self._taking(super().observe, *given, **named)

    def _taking(self, work: Callable[..., Any], *given: Any, **named: Any) -> Any:
        start = time.process_time()
        try:
            return work(*given, **named)
        finally:
            took = time.process_time() - start
            self.first += took if self.calls == 0 else 0.0
            self.spent += took if self.calls else 0.0
            self.calls += 1


class Model(nn.Module):
    """Takes batches [n views channel side side] with their ids; the loss is NT-Xent."""

    def __init__(self, watch: TimedMonitor | None = None) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels, out in ((3, 32), (32, 64), (64, 128)):
            layers += [nn.Conv2d(channels, out, 3, 1, 1), nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2)]
        self.backbone = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.watch = [watch]  # no part of the model

    def forward(self, views: torch.Tensor, ids: torch.Tensor) -> dict[str, torch.Tensor]:
        h = self.backbone(views.flatten(0, 1)).view(*views.shape[:2], -1).transpose(0, 1)
        (watch,) = self.watch
        if watch is not None and self.training:
            watch.observe(h, ids=ids)
        a, b = F.normalize(h, dim=-1)
        return {"loss": F.cross_entropy(a @ b.T / 0.2, torch.arange(len(a)))}


class Items(torch.utils.data.Dataset[dict[str, Any]]):
    """Pairs of views, the same few over and over, with ids of their own."""

    def __init__(self, count: int) -> None:
        same = torch.rand(PROBE, 1, 3, SIDE, SIDE)
        self.count, self.images = count, 0.9 * same + 0.1 * torch.rand(PROBE, 2, 3, SIDE, SIDE)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, place: int) -> dict[str, Any]:
        return {"views": self.images[place % PROBE], "ids": place}


def plain(model: Model, items: Items, epochs: int, monitor: TimedMonitor | None) -> None:
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01)
    for epoch in range(epochs):
        for batch in torch.utils.data.DataLoader(items, batch_size=BATCH):
            optimiser.zero_grad()
            model(**batch)["loss"].backward()
            optimiser.step()
        if monitor is not None:
            monitor(model, step=epoch + 1)


def lightning(model: Model, items: Items, epochs: int, monitor: TimedMonitor | None) -> None:
    from lightning.pytorch import LightningModule, Trainer

    from contrascope.integrations.lightning_monitor import DiagnosisCallback

    class Module(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def training_step(self, batch: Any, place: int) -> Any:
            return self.model(**batch)["loss"]

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.01)

    callbacks: list[Any] = [] if monitor is None else [DiagnosisCallback(monitor)]
    quiet: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = Trainer(
        max_epochs=epochs, accelerator="cpu", enable_checkpointing=False, callbacks=callbacks, **quiet
    )
    trainer.fit(Module(), torch.utils.data.DataLoader(items, batch_size=BATCH))


def transformers(model: Model, items: Items, epochs: int, monitor: TimedMonitor | None) -> None:
    from transformers import Trainer, TrainingArguments

    from contrascope.integrations.transformers_monitor import DiagnosisCallback

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            num_train_epochs=epochs,
            per_device_train_batch_size=BATCH,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
        )
        callbacks: list[Any] = [] if monitor is None else [DiagnosisCallback(monitor)]
        Trainer(model=model, args=arguments, train_dataset=items, callbacks=callbacks).train()


def sentences(steps: int, epochs: int) -> tuple[TimedMonitor, float]:
    """A model of two attention layers on drawn words; its monitor, and all seconds."""
    import datasets
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    from contrascope.integrations.sentence_transformers import DiagnosisEvaluator

    words = torch.randint(5000, (2, steps * BATCH, 60))
    words[1, :, :20] = words[0, :, :20]
    anchors, positives = ([" ".join(f"w{word}" for word in text) for text in view] for view in words.tolist())
    tokenizer = Tokenizer(
        models.WordLevel({f"w{word}": word for word in range(5000)} | {"?": 5000}, unk_token="?")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=256)], device="cpu")
    evaluator = DiagnosisEvaluator([anchors[:PROBE], positives[:PROBE]], images=PROBE)
    evaluator.monitor.__class__ = TimedMonitor
    watched: Any = evaluator.monitor
    watched.began()
    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=folder,
            num_train_epochs=epochs,
            per_device_train_batch_size=BATCH,
            eval_strategy="epoch",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
        )
        trainer = SentenceTransformerTrainer(
            model=model,
            args=arguments,
            train_dataset=datasets.Dataset.from_dict({"anchor": anchors, "positive": positives}),
            loss=MultipleNegativesRankingLoss(model),
            evaluator=evaluator,
        )
        start = time.process_time()
        trainer.train()
    return watched, time.process_time() - start


LOOPS = {"plain loop": plain, "Lightning": lightning, "transformers": transformers}


def own_forward(loop: Callable[..., None], steps: int, epochs: int) -> tuple[TimedMonitor, float]:
    items = Items(steps * BATCH)
    where: Any = (lambda module: module.model.backbone) if loop is lightning else "backbone"
    monitor = TimedMonitor(items.images.transpose(0, 1), encoder=where, images=PROBE)
    start = time.process_time()
    loop(Model(), items, epochs, monitor)
    return monitor, time.process_time() - start


def observed(loop: Callable[..., None], steps: int, epochs: int) -> tuple[TimedMonitor, float]:
    monitor = TimedMonitor(reference="first", images=PROBE)
    start = time.process_time()
    loop(Model(monitor), Items(steps * BATCH), epochs, None)
    return monitor, time.process_time() - start


def shown(name: str, monitor: TimedMonitor, seconds: float, images: int, watch: str) -> str:
    """A row of the table: images are those of all epochs."""
    each = monitor.spent / max(1, monitor.calls - 1)
    training = seconds - monitor.spent - monitor.first
    share, least = each * monitor.calls / training, each / (AIM * training / images)
    return f"| {name} | {each:.2f} | {monitor.first:.2f} | {100 * share:.1f} % | {least:,.0f} | {watch} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=100, help="steps an epoch")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--trainers", nargs="*", default=[""], help="words that their names begin with")
    given = parser.parse_args()
    wanted = tuple(given.trainers)
    torch.set_num_threads(1)
    complete_torchvision()
    images = given.steps * given.epochs * BATCH
    print(
        "| trainer | a measurement, s | the first, s | share of these epochs | images an epoch for 3 % | observe |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for name, loop in LOOPS.items():
        if not name.startswith(wanted):
            continue
        watching, seconds = observed(loop, given.steps, given.epochs)
        spent = watching.spent + watching.first
        share = f"{100 * spent / (seconds - spent):.2f} % ({len(watching.history)} rows)"
        print(shown(name, *own_forward(loop, given.steps, given.epochs), images, share), flush=True)
    if "sentence-transformers".startswith(wanted):
        print(shown("sentence-transformers", *sentences(given.steps, given.epochs), images, "-"))


if __name__ == "__main__":
    main()
