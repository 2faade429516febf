"""`training.chunk` in the loop: every method's step in parts is the step of the whole batch."""

from dataclasses import replace

import kinds
import pytest
import torch
from accelerate import Accelerator

from contrascope.augment.presets import build_policy
from contrascope.augment.settings import PolicySettings
from contrascope.errors import InputError
from contrascope.methods.build import build_method
from contrascope.methods.settings import JointSettings, discover
from contrascope.training.loop import fit
from contrascope.training.settings import OptimSettings, ScheduleSettings, TrainingSettings
from contrascope.training.step import Stepper
from contrascope.training.views import image_views

TOLERANCE = {"barlow_twins": 2e-5, "w_mse": 1e-5}
"""They divide by standard deviations of small numbers, which multiplies the rounding of both ways."""
JOINT = [name for name, info in discover().items() if issubclass(info.settings, JointSettings)]
each_method = pytest.mark.parametrize("name", JOINT)


def method_of(name, *, norm, **changes):
    settings = kinds.small_settings(name, **{"splits": 0, **changes})
    settings = replace(
        settings, projector=replace(settings.projector, batch_norm=False, batch_norm_out=False)
    )
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(0)
        encoder = kinds.Network()
        with torch.no_grad():
            encoder.conv.weight *= 4  # images differ well beyond rounding, by which Barlow Twins divides
        if not norm:
            encoder.norm = torch.nn.Identity()
        return build_method(settings, encoder)


@pytest.fixture
def stepped(images):
    policies = build_policy(PolicySettings(name="digits"), channels=1, size=8)

    def step(method, *, chunk, steps=1, lr=0.1, **training):
        settings = TrainingSettings(**{"batch_size": 16, "chunk": chunk, **training})
        maker = image_views(method, policies, images, settings)
        take = Stepper(
            method,
            maker,
            training=settings,
            optim=OptimSettings(name="sgd", lr=lr, momentum=0.0, weight_decay=0.0),
            accelerator=Accelerator(mixed_precision="no"),
        )
        take.wrap()
        method.train()
        for number in range(steps):
            ids = torch.arange(16) + 16 * number
            halves = take(ids, images.gather(ids), epoch=0, rate=lr)
            method.after_step(number / steps)
        return halves[0]

    return step


def assert_close(one, other, start, tolerance):
    """States differ by less than `tolerance`, or of how far the step moved them where that is more than 1."""
    theirs, before = other.state_dict(), start.state_dict()
    moved = max((value - before[key]).abs().max().item() for key, value in one.state_dict().items())
    for key, value in one.state_dict().items():
        assert (theirs[key] - value).abs().max().item() < tolerance * max(moved, 1), key


@each_method
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("chunk", [4, 5])
def test_a_step_in_parts_is_that_of_the_whole_batch(name, chunk, dtype, stepped):
    start, whole, parts = (method_of(name, norm=False).to(getattr(torch, dtype)) for _ in range(3))
    tolerance = TOLERANCE.get(name, 1e-6) if dtype == "float32" else 1e-12
    expected, found = stepped(whole, chunk=0), stepped(parts, chunk=chunk)
    assert not torch.equal(start.encoder.conv.weight, whole.encoder.conv.weight)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    assert_close(whole, parts, start, tolerance)


@each_method
def test_several_steps_with_positives_of_four_views_are_the_same(name, stepped):
    start, whole, parts = (method_of(name, norm=False, positives="worst") for _ in range(3))
    expected, found = (
        stepped(method, chunk=chunk, steps=3, num_views=4, lr=0.01)
        for method, chunk in ((whole, 0), (parts, 4))
    )
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert_close(whole, parts, start, 10 * TOLERANCE.get(name, 1e-6))


@each_method
def test_batch_norm_over_the_batch_is_refused_with_what_differs(name, stepped):
    with pytest.raises(
        InputError, match=r"batch norm \(.*encoder\.norm\) would standardise .* Use split batch norm"
    ):
        stepped(method_of(name, norm=True), chunk=4)


@pytest.mark.parametrize("name", [name for name in JOINT if name not in ("moco", "t_moco")])
def test_with_split_batch_norm_it_is_the_step_of_the_splits(name, stepped):
    start, whole, parts = (method_of(name, norm=True, splits=4) for _ in range(3))
    expected, found = (
        stepped(method, chunk=chunk, steps=2, lr=0.01) for method, chunk in ((whole, 0), (parts, 4))
    )
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert_close(whole, parts, start, 1e-5)


@pytest.mark.parametrize("name", ["moco", "t_moco"])
def test_moco_with_shuffled_splits_is_refused(name, stepped):
    with pytest.raises(InputError, match="splits shuffle the keys of the whole batch"):
        stepped(method_of(name, norm=True, splits=4), chunk=4)


def test_a_method_that_is_no_joint_embedding_is_refused(stepped):
    with pytest.raises(InputError, match="Rotation is no joint embedding"):
        stepped(kinds.make("Rotation"), chunk=4)


def test_a_chunk_as_large_as_the_batch_is_the_whole_batch(stepped):
    whole, parts = (method_of("simclr", norm=True) for _ in range(2))
    stepped(whole, chunk=0)
    stepped(parts, chunk=16)
    for key, value in whole.state_dict().items():
        assert torch.equal(parts.state_dict()[key], value), key


def test_half_precision_in_parts_is_that_of_the_whole(stepped):
    whole, parts = (method_of("simclr", norm=False) for _ in range(2))
    expected = stepped(whole, chunk=0, precision="bf16")
    found = stepped(parts, chunk=4, precision="bf16")
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    moved = (whole.encoder.conv.weight - method_of("simclr", norm=False).encoder.conv.weight).norm()
    # without hardware for it, bf16 rounds 0.025 of the way apart
    assert (whole.encoder.conv.weight - parts.encoder.conv.weight).norm() < 0.04 * moved


def test_a_run_in_parts_resumes_bit_for_bit(images, tmp_path):
    policies = build_policy(PolicySettings(name="digits"), channels=1, size=8)

    def run(folder, probes=()):
        training = TrainingSettings(epochs=2, batch_size=32, chunk=8, checkpoint_every=1)
        method = method_of("byol", norm=False)
        return fit(
            method,
            images,
            image_views(method, policies, images, training),
            run=tmp_path / folder,
            training=training,
            optim=OptimSettings(name="adamw", lr=1e-2),
            schedule=ScheduleSettings(name="constant"),
            accelerator=Accelerator(mixed_precision="no"),
            probes=probes,
        )

    def cut(method, finished):
        raise OSError("power cut")

    whole = run("whole")
    with pytest.raises(OSError, match="power cut"):
        run("cut", probes=(cut,))
    resumed = run("cut")
    for key, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[key], value), key


def test_chunk_and_accumulate_do_not_go_together():
    with pytest.raises(InputError, match="chunk alone is exact"):
        TrainingSettings(chunk=4, accumulate=2)
    with pytest.raises(InputError, match="chunk is -1"):
        TrainingSettings(chunk=-1)
