"""Anybody's module under Lightning's Trainer, with the diagnosis as a callback."""

import doctest

import pytest
import torch
import trained_elsewhere as elsewhere
from torch.utils.data import DataLoader, TensorDataset

import contrascope
from contrascope.diagnosis.monitor.rows import UNCHOSEN

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def _importable(torchvision_operators):
    pytest.importorskip("lightning.pytorch", reason="the extra `lightning` is not installed")


def make_module(*, spoilt_at=99):
    from lightning.pytorch import LightningModule

    class Module(LightningModule):
        def __init__(self):
            super().__init__()
            self.net = elsewhere.encoder()

        def training_step(self, batch, place):
            h = self.net(batch[0].transpose(0, 1))
            loss = elsewhere.contrast(h)
            self.log("loss", loss, on_step=False, on_epoch=True)
            return loss

        def on_train_batch_end(self, outputs, batch, place):
            if self.current_epoch >= spoilt_at:
                elsewhere.spoil(self.net)

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), lr=0.05)

    return Module()


def batches():
    return DataLoader(TensorDataset(elsewhere.views(seed=1).transpose(0, 1)), batch_size=48)


def trainer_with(callbacks, epochs, folder):
    from lightning.pytorch import Trainer

    return Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        callbacks=callbacks,
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def made(**how):
    from contrascope.integrations.lightning_monitor import DiagnosisCallback

    return DiagnosisCallback(
        contrascope.Monitor(
            elsewhere.views(), **{"encoder": lambda module: module.net, "on_error": "raise", **how}
        )
    )


def test_a_collapse_half_way_is_stopped_and_the_best_checkpoint_is_from_before(tmp_path, capsys):
    from lightning.pytorch.callbacks import ModelCheckpoint

    diagnosis = made(on_alarm="stop", out=tmp_path / "run")
    best = ModelCheckpoint(
        dirpath=tmp_path, filename="{step}", monitor="contrascope/score", mode="max", save_top_k=1
    )
    trainer = trainer_with([diagnosis, best], 12, tmp_path)
    trainer.fit(make_module(spoilt_at=6), batches())
    monitor = diagnosis.monitor
    assert trainer.current_epoch == 8
    assert [row["contrascope/sound"] for row in monitor.history] == ["sound"] * 6 + ["unsound"] * 2
    assert "step 28: unsound" in capsys.readouterr().err
    assert monitor.best <= 24
    assert best.best_model_path == str(tmp_path / f"step={monitor.best}.ckpt")
    assert float(best.best_model_score) == pytest.approx(monitor.best_score)
    assert monitor.best_score > monitor.history[0]["contrascope/score"]
    assert (tmp_path / "run" / "metrics.jsonl").read_text().count('"loss"') == 8


def test_a_resumed_training_keeps_the_history(tmp_path):
    first = made()
    module = make_module()
    trainer = trainer_with([first], 3, tmp_path)
    trainer.fit(module, batches())
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    again = made()
    trainer_with([again], 5, tmp_path).fit(make_module(), batches(), ckpt_path=tmp_path / "half.ckpt")
    assert [row["contrascope/step"] for row in again.monitor.history] == [4, 8, 12, 16, 20]
    assert again.monitor.history[:3] == first.monitor.history


def test_early_stopping_sees_the_score_between_measurements_and_before_there_is_one(tmp_path, capsys):
    from lightning.pytorch.callbacks import EarlyStopping

    patient = EarlyStopping(monitor="contrascope/score", mode="max", patience=2)
    broken = made(encoder=lambda module: module.nothing, on_error="say")
    trainer = trainer_with([broken, patient], 9, tmp_path)
    trainer.fit(make_module(), batches())
    assert trainer.current_epoch == 3
    assert float(trainer.callback_metrics["contrascope/score"]) == UNCHOSEN
    assert "this measurement failed" in capsys.readouterr().err
    rare = made(every=2)
    trainer = trainer_with(
        [rare, EarlyStopping(monitor="contrascope/score", mode="max", patience=9)], 4, tmp_path
    )
    trainer.fit(make_module(), batches())
    assert [row["contrascope/step"] for row in rare.monitor.history] == [4, 12]


def test_the_docstrings_run():
    from contrascope.integrations import lightning_monitor

    found = doctest.testmod(lightning_monitor)
    assert (found.failed, found.attempted) == (0, 1)
