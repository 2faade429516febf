"""Lightning's Trainer takes methods of every kind, and its steps are those of our loop, to the bit."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file

from contrascope import records
from contrascope.errors import InputError
from contrascope.training.loop import fit
from contrascope.training.settings import OptimSettings, ScheduleSettings, TrainingSettings

sys.path.append(str(Path(__file__).parents[1] / "training"))
import kinds

pytestmark = pytest.mark.filterwarnings("ignore")
OPTIM, SCHEDULE = OptimSettings(name="adamw", lr=1e-2), ScheduleSettings(warmup_epochs=1.0)
QUIET = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


@pytest.fixture(autouse=True)
def _importable(torchvision_operators):
    """Lightning imports torchvision where it is installed."""
    pytest.importorskip("lightning.pytorch", reason="the extra `lightning` is not installed")


@pytest.fixture
def images():
    from contrascope.data.imageset import InMemoryImages

    pixels = torch.randint(256, (48, 1, 8, 8), generator=torch.Generator().manual_seed(7)).to(torch.uint8)
    return InMemoryImages(images=pixels, labels=torch.arange(48) % 3)


@pytest.fixture
def policies():
    from contrascope.augment.presets import build_policy
    from contrascope.augment.settings import PolicySettings

    return build_policy(PolicySettings(name="digits"), channels=1, size=8)


def under_lightning(name, folder, images, policies, training, *, seed=0, stop_at=None, resume=False):
    from lightning.pytorch import Trainer

    from contrascope.integrations.lightning import ItemData, LightningMethod, RunFolder, trainer_arguments

    method = kinds.make(name, seed=seed)
    items, maker = kinds.material(name, method, images, policies)
    module = LightningMethod(method, maker, training=training, optim=OPTIM, schedule=SCHEDULE)
    folder.mkdir(exist_ok=True)
    trainer = Trainer(**QUIET, **trainer_arguments(training, method), callbacks=[RunFolder(folder)])
    plain = module.on_train_batch_end

    def breaking(*batch):
        plain(*batch)
        if module.done == stop_at:
            trainer.save_checkpoint(folder / "lightning.ckpt")
            raise OSError("power cut")

    module.on_train_batch_end = breaking
    trainer.fit(
        module, ItemData(items, training=training), ckpt_path=folder / "lightning.ckpt" if resume else None
    )
    return method


def in_our_loop(name, folder, images, policies, training):
    method = kinds.make(name)
    items, maker = kinds.material(name, method, images, policies)
    return fit(
        method,
        items,
        maker,
        run=folder,
        training=training,
        optim=OPTIM,
        schedule=SCHEDULE,
        accelerator=Accelerator(mixed_precision="no"),
    )


def assert_same_folder(one, other):
    (step, ours), (their_step, theirs) = (records.checkpoint_folders(path)[-1] for path in (one, other))
    assert step == their_step
    for file in ("method.safetensors", "optimizer.safetensors"):
        here, there = load_file(ours / file), load_file(theirs / file)
        assert here.keys() == there.keys()
        for key, value in here.items():
            assert torch.equal(value, there[key]), key
    mine, yours = (records.read_metrics(path / records.METRICS) for path in (one, other))
    assert [row["step"] for row in mine] == [row["step"] for row in yours]
    for row, its in zip(mine, yours, strict=True):
        assert its["loss"] == pytest.approx(row["loss"], rel=1e-6)
        assert {key for key in row if key.startswith("loss")} == {
            key for key in its if key.startswith("loss")
        }


@pytest.mark.parametrize(
    ("name", "changes"),
    [(name, {}) for name in (*kinds.KINDS, "deepcluster_v2")]
    + [("Adversarial", {"clip_norm": 0.1}), ("Adversarial", {"precision": "bf16"})]
    + [("bigan", {}), ("bigan", {"precision": "bf16"})],
)
def test_every_kind_takes_the_steps_of_our_own_loop(name, changes, tmp_path, images, policies):
    training = TrainingSettings(epochs=2, batch_size=16, log_every=1, **changes)
    in_our_loop(name, tmp_path / "ours", images, policies, training)
    under_lightning(name, tmp_path / "theirs", images, policies, training)
    assert_same_folder(tmp_path / "ours", tmp_path / "theirs")


@pytest.mark.parametrize("name", ["Adversarial", "Masked", "deepcluster_v2"])
def test_a_run_that_broke_off_goes_on_alike(name, tmp_path, images, policies):
    training = TrainingSettings(epochs=3, batch_size=16, log_every=1)
    under_lightning(name, tmp_path / "whole", images, policies, training)
    with pytest.raises(OSError, match="power cut"):
        under_lightning(name, tmp_path / "cut", images, policies, training, stop_at=5)
    under_lightning(name, tmp_path / "cut", images, policies, training, seed=4, resume=True)
    assert_same_folder(tmp_path / "whole", tmp_path / "cut")


def test_a_batch_in_parts_is_left_to_our_own_loop(tmp_path, images, policies):
    training = TrainingSettings(epochs=1, batch_size=16)
    with pytest.raises(InputError, match=r"training.chunk is for our own loop"):
        under_lightning("OfVectors", tmp_path, images, policies, replace(training, chunk=4))
