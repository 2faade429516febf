"""A run under Lightning's Trainer is our own run, to the bit."""

import doctest
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from contrascope import records
from contrascope.data.settings import DataSettings
from contrascope.diagnosis.settings import DiagnosisSettings
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.errors import InputError
from contrascope.jobs.train import train
from contrascope.runs.load import load_run
from contrascope.runs.recipes import RECIPES
from contrascope.subjects.diagnose import diagnose_anything
from contrascope.training.settings import OptimSettings, TrainingSettings

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def _importable(torchvision_operators):
    """Lightning imports torchvision where it is installed."""
    pytest.importorskip("lightning.pytorch", reason="the extra `lightning` is not installed")


QUIET = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


def tiny(name="simclr", optim=None, **training):
    base = RECIPES["digits-simclr" if name == "simclr" else f"cifar10-{name}-cpu"].make()
    small = ProjectorSettings(hidden=(8,), out=8)
    return replace(
        base,
        data=DataSettings(source="digits", labels="digit"),
        encoder=EncoderSettings(name="convnet", width=2),
        policy=RECIPES["digits-simclr"].make().policy,
        method=replace(base.method, projector=small),
        optim=optim or base.optim,
        training=TrainingSettings(**{"epochs": 2, "batch_size": 512, "log_every": 2, **training}),
        monitor=replace(base.monitor, times=0),
        protocol=replace(base.protocol, probes=("knn",)),
    )


def trainer_for(run, settings, **changes):
    from lightning.pytorch import Trainer

    from contrascope.integrations.lightning import trainer_arguments

    return Trainer(**{**QUIET, **trainer_arguments(settings.training), "callbacks": [run.folder], **changes})


def started(settings, out, **how):
    from contrascope.integrations.lightning_run import lightning_run

    return lightning_run(settings, out, **how)


def fit(settings, out, *, resume=False, **trainer):
    run = started(settings, out, resume=resume)
    made = trainer_for(run, settings, **trainer)
    made.fit(run.module, run.data, ckpt_path=out / "lightning.ckpt" if resume else None)


def newest(run):
    return records.checkpoint_folders(run)[-1]


def assert_same_run(one, other):
    (step, ours), (their_step, theirs) = newest(one), newest(other)
    assert step == their_step
    for file in ("method.safetensors", "optimizer.safetensors"):
        here, there = load_file(ours / file), load_file(theirs / file)
        assert here.keys() == there.keys()
        for name, value in here.items():
            assert torch.equal(value, there[name]), name
    mine, yours = (
        [row for row in records.read_metrics(path / records.METRICS) if row["kind"] == "step"]
        for path in (one, other)
    )
    assert [row["step"] for row in mine] == [row["step"] for row in yours]
    for row, its in zip(mine, yours, strict=True):
        assert row["epoch"] == its["epoch"]
        assert row["loss"] == pytest.approx(its["loss"], rel=1e-6)
        assert row["lr"] == pytest.approx(its["lr"], rel=1e-6)


@pytest.mark.parametrize(
    ("name", "optim", "changes"),
    [
        ("simclr", None, {}),
        ("simclr", OptimSettings(name="lars", lr=0.1), {"clip_norm": 0.5}),
        ("moco", None, {"precision": "bf16", "num_views": 3}),
    ],
)
def test_the_weights_are_those_of_our_own_loop(name, optim, changes, tmp_path):
    settings = tiny(name, optim, **changes)
    train(settings, tmp_path / "ours")
    fit(settings, tmp_path / "theirs")
    assert_same_run(tmp_path / "ours", tmp_path / "theirs")


TWO = """
import sys, torch
tests, out = sys.argv[1:]
sys.path[:0] = [tests, f"{tests}/training", f"{tests}/integrations"]
from contrascope.machine.torchvision_operators import complete_torchvision
complete_torchvision()
torch.set_num_threads(1)
from pathlib import Path
import test_lightning
settings = test_lightning.tiny(epochs=1)
test_lightning.fit(settings, Path(out), devices=2, strategy="ddp")
"""


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path):
    fit(tiny(epochs=1), tmp_path / "one")
    (tmp_path / "two.py").write_text(TWO)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=29731"]
    words = [str(tmp_path / "two.py"), str(Path(__file__).parents[1]), str(tmp_path / "two")]
    done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    one, two = (load_file(newest(tmp_path / name)[1] / "method.safetensors") for name in ("one", "two"))
    assert one.keys() == two.keys()
    for name, value in one.items():
        torch.testing.assert_close(value, two[name], rtol=1e-3, atol=1e-5, msg=name)


def test_the_folder_is_a_run_that_is_diagnosed(tmp_path):
    settings = tiny()
    fit(settings, tmp_path / "run")
    assert load_run(tmp_path / "run").settings == settings
    found = diagnose_anything(str(tmp_path / "run"), None, settings=DiagnosisSettings(images=64))
    verdict = found.diagnosis.verdict
    assert verdict.sound.word in ("sound", "unsound")
    assert verdict.learning.word


@pytest.mark.parametrize("step", [5, 7])
def test_a_run_that_broke_off_and_is_resumed_ends_alike(step, tmp_path):
    settings = tiny(batch_size=256)
    fit(settings, tmp_path / "whole")
    half = started(settings, tmp_path / "half")
    trainer = trainer_for(half, settings)
    plain = half.module.on_train_batch_end

    def breaking(*batch):
        plain(*batch)
        if trainer.global_step == step:
            trainer.save_checkpoint(tmp_path / "half" / "lightning.ckpt")
            raise OSError("power cut")

    half.module.on_train_batch_end = breaking
    with pytest.raises(OSError, match="power cut"):
        trainer.fit(half.module, half.data)
    fit(settings, tmp_path / "half", resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "half")


@pytest.mark.parametrize(
    ("trainer", "said"),
    [
        ({"max_epochs": 5}, r"max_epochs=5\), but the training settings ask for 2"),
        ({"precision": "16-mixed"}, "precision"),
        ({"gradient_clip_val": 1.0}, "gradient_clip_val"),
        ({"accumulate_grad_batches": 4}, "accumulate_grad_batches"),
    ],
)
def test_a_trainer_that_would_train_something_else_is_refused(trainer, said, tmp_path):
    with pytest.raises(InputError, match=said):
        fit(tiny(), tmp_path / "run", **trainer)


def test_a_folder_that_holds_a_run_is_refused(tmp_path):
    started(tiny(), tmp_path / "run")
    with pytest.raises(InputError, match="already holds a run"):
        started(tiny(), tmp_path / "run")


def test_ranks_share_every_batch_of_one_process():
    from contrascope.integrations.keyed_order import KeyedOrder

    asked = {"batch_size": 8, "seed": 3, "done": lambda: 0}
    whole = list(KeyedOrder(50, ranks=1, rank=0, **asked))
    parts = [list(KeyedOrder(50, ranks=2, rank=rank, **asked)) for rank in (0, 1)]
    assert len(whole) == len(KeyedOrder(50, ranks=2, rank=0, **asked)) == 6
    for batch, one, other in zip(whole, *parts, strict=True):
        assert torch.equal(batch, torch.cat([one, other]))


def test_the_examples_run():
    from contrascope.training import lightning

    assert doctest.testmod(lightning).failed == 0
