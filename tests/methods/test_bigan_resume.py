"""A BiGAN that stops goes on with the same bits: networks, estimates, draws and both optimisers."""

import pytest
import torch
from accelerate import Accelerator
from bigan_cases import FULL, bigan
from safetensors.torch import load_file

from contrascope import records
from contrascope.augment.presets import build_policy
from contrascope.augment.settings import PolicySettings
from contrascope.data.imageset import InMemoryImages
from contrascope.errors import InputError
from contrascope.training.loop import fit
from contrascope.training.settings import OptimSettings, ScheduleSettings, TrainingSettings
from contrascope.training.views import image_views


def trained(run, *, stop_at=None, seed=0, accumulate=1, batch_norm=True):
    """Three epochs of four steps on 32 random images."""
    pixels = torch.randint(256, (32, 1, 8, 8), generator=torch.Generator().manual_seed(7)).to(torch.uint8)
    method = bigan(batch_norm=batch_norm, **FULL)
    if seed:  # weights of another start, which a resumed run must not keep
        with torch.no_grad():
            for p in method.parameters():
                p.add_(0.1)
    images = InMemoryImages(images=pixels)
    training = TrainingSettings(
        epochs=3, batch_size=8, log_every=1, checkpoint_every=1, accumulate=accumulate
    )
    plain, steps = method.after_step, []

    def after_step(progress):
        plain(progress)
        steps.append(progress)
        if len(steps) == stop_at:
            raise OSError("power cut")

    method.after_step = after_step
    policies = build_policy(PolicySettings(name="crop-flip"), channels=1, size=8)
    fit(
        method,
        images,
        image_views(method, policies, images, training),
        run=run,
        training=training,
        optim=OptimSettings(name="adamw", lr=5e-3, momentum=0.5, weight_decay=0.0),
        schedule=ScheduleSettings(warmup_epochs=1.0),
        accelerator=Accelerator(mixed_precision="no"),
    )
    return method


def assert_same_end(one, other):
    """The newest checkpoints are equal to the bit, moments of both optimisers included, and so are all losses."""
    (step, ours), (their_step, theirs) = (records.checkpoint_folders(run)[-1] for run in (one, other))
    assert step == their_step
    for file, kinds in (
        ("method.safetensors", ("discriminator.", "generator.", "encoder.", "projector.", "log_variance.")),
        ("optimizer.safetensors", ("discriminator/", "generator/")),
    ):
        here, there = load_file(ours / file), load_file(theirs / file)
        assert here.keys() == there.keys()
        assert all(any(key.startswith(kind) for key in here) for kind in kinds)
        for key, value in here.items():
            assert torch.equal(value, there[key]), key
    mine, yours = (
        [(row["step"], row["loss"], row["loss_discriminator"], row["loss_generator"]) for row in rows]
        for rows in (
            [row for row in records.read_metrics(run / records.METRICS) if row["kind"] == "step"]
            for run in (one, other)
        )
    )
    assert mine == yours
    assert [row[0] for row in mine] == list(range(1, step + 1))


@pytest.mark.parametrize("stop_at", [2, 7])
def test_a_run_that_broke_off_within_an_epoch_goes_on_bit_for_bit(tmp_path, stop_at):
    trained(tmp_path / "whole")
    with pytest.raises(OSError, match="power cut"):
        trained(tmp_path / "cut", stop_at=stop_at)
    trained(tmp_path / "cut", seed=1)
    assert_same_end(tmp_path / "whole", tmp_path / "cut")


def test_accumulated_parts_train_as_whole_batches(tmp_path):
    whole = trained(tmp_path / "whole", batch_norm=False).state_dict()
    parts = trained(tmp_path / "parts", batch_norm=False, accumulate=4).state_dict()
    for key, value in whole.items():
        torch.testing.assert_close(parts[key], value, rtol=1e-3, atol=1e-4, msg=key)
    with pytest.raises(InputError, match=r"batch norm \(encoder.norm\)"):
        trained(tmp_path / "refused", accumulate=4)
