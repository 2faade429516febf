"""Anybody's model under the Trainer of transformers, with the diagnosis as a callback."""

import doctest

import pytest
import torch
import trained_elsewhere as elsewhere
from torch import nn

import contrascope

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def _importable(torchvision_operators):
    pytest.importorskip("transformers", reason="the extra `hf` is not installed")


class Model(nn.Module):
    """Takes both views, gives the loss that the Trainer asks for."""

    def __init__(self, *, spoilt_at=99):
        super().__init__()
        self.net, self.spoilt_at, self.passes = elsewhere.encoder(), spoilt_at, 0

    def forward(self, one, other):
        self.passes += self.training
        if self.passes >= self.spoilt_at:
            elsewhere.spoil(self.net)
        h = self.net(torch.stack((one, other)))
        return {"loss": elsewhere.contrast(h), "h": h[0]}


def images():
    return [{"one": one, "other": other} for one, other in zip(*elsewhere.views(seed=1), strict=True)]


def trainer_for(model, folder, monitor, *, epochs, **how):
    from transformers import Trainer, TrainingArguments

    from contrascope.integrations.transformers_monitor import DiagnosisCallback

    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=epochs,
        per_device_train_batch_size=48,
        learning_rate=0.05,
        lr_scheduler_type="constant",
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        **{"eval_strategy": "epoch", "save_strategy": "epoch", "logging_strategy": "epoch", **how},
    )
    callback = DiagnosisCallback(monitor)
    return Trainer(
        model=model, args=arguments, train_dataset=images(), eval_dataset=images()[:48], callbacks=[callback]
    )


def monitor_for(**how):
    return contrascope.Monitor(
        elsewhere.views(), **{"encoder": lambda model: model.net, "on_error": "raise", **how}
    )


def test_a_collapse_half_way_is_stopped_and_the_best_model_is_from_before(tmp_path):
    monitor = monitor_for(on_alarm="stop", out=tmp_path / "run")
    best = {
        "metric_for_best_model": "contrascope/score",
        "greater_is_better": True,
        "load_best_model_at_end": True,
    }
    trainer = trainer_for(Model(spoilt_at=17), tmp_path, monitor, epochs=8, **best)
    trainer.train()
    assert trainer.state.global_step == 24
    assert [row["contrascope/sound"] for row in monitor.history] == ["sound"] * 4 + ["unsound"] * 2
    assert trainer.state.best_global_step == monitor.best <= 16
    assert trainer.state.best_metric == pytest.approx(monitor.best_score)
    loaded = monitor_for()(trainer.model, step=0)
    assert loaded["contrascope/score"] == pytest.approx(monitor.best_score)
    assert (tmp_path / "run" / "metrics.jsonl").read_text().count('"loss"') == 6


def test_a_resumed_training_keeps_the_history(tmp_path):
    first = monitor_for()
    trainer_for(Model(), tmp_path, first, epochs=2).train()
    again = monitor_for()
    trainer = trainer_for(Model(), tmp_path, again, epochs=4)
    trainer.train(resume_from_checkpoint=True)
    assert [row["contrascope/step"] for row in again.history] == [4, 8, 12, 16]
    assert again.history[:2] == first.history


def test_without_evaluations_epochs_are_measured_when_they_are_due(tmp_path):
    monitor = monitor_for(every=2)
    trainer = trainer_for(
        Model(), tmp_path, monitor, epochs=4, eval_strategy="no", save_strategy="no", logging_strategy="no"
    )
    trainer.train()
    assert [row["contrascope/step"] for row in monitor.history] == [4, 12]


def test_the_docstrings_run():
    from contrascope.integrations import transformers_monitor

    found = doctest.testmod(transformers_monitor)
    assert (found.failed, found.attempted) == (0, 1)
