"""The loop takes methods of every kind: groups of views, masks, pairs, labels, two optimisers, no images at all."""

import kinds
import pytest
import torch
from accelerate import Accelerator
from test_loop import assert_same_weights, rows

from contrascope import records
from contrascope.augment.presets import build_policy
from contrascope.augment.settings import PolicySettings
from contrascope.augment.views import make_views
from contrascope.data.imageset import InMemoryImages
from contrascope.errors import InputError
from contrascope.methods.base import Optimised
from contrascope.methods.settings import JointSettings, discover
from contrascope.methods.views import Group, ViewPlan
from contrascope.training.loop import fit
from contrascope.training.settings import OptimSettings, ScheduleSettings, TrainingSettings
from contrascope.training.views import ImageViews, looks

each_kind = pytest.mark.parametrize("name", [*kinds.KINDS, *discover()])
"""Kinds that only the tests have, and every registered method."""
OTHERS = [name for name, info in discover().items() if not issubclass(info.settings, JointSettings)]
"""Registered methods that the contract of joint embeddings does not test."""
MOVING = ("dino", "bigan")
"""Those whose targets move while they are learnt: their loss may rise (tests/methods/test_dino.py, test_bigan.py)."""


@pytest.fixture
def labelled(images):
    return InMemoryImages(images=images.images[:48], labels=torch.arange(48) % 3)


@pytest.fixture
def policies():
    return build_policy(PolicySettings(name="digits"), channels=1, size=8)


@pytest.fixture
def run_kind(labelled, policies):
    def run(name, folder, *, optim="adamw", probes=(), seed=0, **changes):
        method = kinds.make(name, seed=seed)
        items, maker = kinds.material(name, method, labelled, policies)
        return fit(
            method,
            items,
            maker,
            run=folder,
            training=TrainingSettings(**{"epochs": 3, "batch_size": 16, "log_every": 1, **changes}),
            optim=OptimSettings(name=optim, lr=1e-2),
            schedule=ScheduleSettings(warmup_epochs=1.0),
            accelerator=Accelerator(mixed_precision="no"),
            probes=probes,
        )

    return run


@pytest.mark.parametrize("name", [*kinds.KINDS, *(name for name in OTHERS if name not in MOVING)])
def test_a_few_epochs_lower_the_loss(name, run_kind, tmp_path):
    run_kind(name, tmp_path, epochs=12, batch_size=24, seed=1)
    losses = [row["loss"] for row in rows(tmp_path)]
    assert sum(losses[-4:]) < sum(losses[:4])


@each_kind
@pytest.mark.parametrize("optim", ["adamw", "sgd"])
def test_a_run_that_broke_off_goes_on_bit_for_bit(name, optim, run_kind, tmp_path):
    def power_cut(method, finished):
        if finished == 2:
            raise OSError("power cut")

    whole = run_kind(name, tmp_path / "whole", optim=optim, keep_last=9, checkpoint_every=2)
    with pytest.raises(OSError, match="power cut"):
        run_kind(
            name, tmp_path / "cut", optim=optim, probes=(power_cut,), checkpoint_every=2
        )  # saved at step 4 of 6
    assert [step for step, _ in records.checkpoint_folders(tmp_path / "cut")] == [2, 4]
    resumed = run_kind(name, tmp_path / "cut", optim=optim, keep_last=9, checkpoint_every=2, seed=5)
    assert_same_weights(whole, resumed)
    assert rows(tmp_path / "cut") == rows(tmp_path / "whole")


def test_each_turn_is_logged_and_moves_its_own_networks_alone(run_kind, tmp_path):
    start = kinds.make("Adversarial")
    start.turns = ("critic",)
    seen = []
    plain = kinds.Adversarial.turns
    kinds.Adversarial.turns = ("critic", "critic")
    try:
        moved = run_kind("Adversarial", tmp_path / "critic", epochs=1)
    finally:
        kinds.Adversarial.turns = plain
    for key, value in moved.encoder.named_parameters():
        assert torch.equal(value, dict(start.encoder.named_parameters())[key]), key
        seen.append(key)
    assert seen
    assert not torch.equal(moved.critic[0].weight, start.critic[0].weight)
    run_kind("Adversarial", tmp_path / "both", epochs=1)
    row = rows(tmp_path / "both")[0]
    assert row["loss_critic"] > 0
    assert row["loss_encoder"] > 0
    assert row["loss"] == pytest.approx(row["align"] + row["spread"])


def test_the_second_optimiser_has_its_own_rate(run_kind, tmp_path, monkeypatch):
    def moved(rate, folder):
        parts = kinds.Adversarial.optimised
        with monkeypatch.context() as patch:
            patch.setattr(
                kinds.Adversarial,
                "optimised",
                lambda self: {
                    **parts(self),
                    "critic": Optimised(parameters=tuple(self.critic.parameters()), rate=rate),
                },
            )
            method = run_kind("Adversarial", tmp_path / folder, epochs=1, batch_size=48, optim="sgd")
        return (method.critic[0].weight - kinds.make("Adversarial").critic[0].weight).norm()

    # one step of two moves, the second from almost the same place
    torch.testing.assert_close(moved(0.1, "slow") * 10, moved(1.0, "fast"), rtol=0.02, atol=0)


def everything_twice(method):
    return {name: Optimised(parameters=tuple(method.parameters())) for name in ("encoder", "critic")}


def test_a_method_of_unknown_turns_or_shared_parameters_is_refused(run_kind, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(kinds.Adversarial, "turns", ("decoder",))
        with pytest.raises(
            InputError, match=r"has turns \('decoder',\); expected names .* 'encoder', 'critic'"
        ):
            run_kind("Adversarial", tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(kinds.Adversarial, "optimised", everything_twice)
        with pytest.raises(InputError, match="gives a parameter to two optimisers"):
            run_kind("Adversarial", tmp_path)


def test_accumulation_of_views_of_groups_equals_the_whole_batch(labelled, policies, tmp_path):
    """Where nothing couples images; the views of a part are those of the whole."""

    def trained(accumulate):
        method = kinds.make("Rotation")
        method.encoder.norm = torch.nn.Identity()
        fit(
            method,
            labelled,
            ImageViews(policies, method.plan(1), seed=0),
            run=tmp_path / str(accumulate),
            training=TrainingSettings(epochs=1, batch_size=16, accumulate=accumulate),
            optim=OptimSettings(lr=0.1),
            schedule=ScheduleSettings(),
            accelerator=Accelerator(mixed_precision="no"),
        )
        return method.state_dict()

    whole, parts = trained(1), trained(4)
    for key, value in whole.items():
        torch.testing.assert_close(parts[key], value, rtol=1e-5, atol=1e-6)


def test_labels_that_are_asked_for_and_absent_are_refused(images, policies):
    with pytest.raises(InputError, match="asks for labels and the images have none"):
        ImageViews(policies, kinds.make("Supervised").plan(2), seed=0, labels=images.y)


def test_labels_reach_the_method_by_the_ids_of_the_batch(labelled, policies):
    ids = torch.tensor([5, 40, 7])
    maker = ImageViews(policies, kinds.make("Supervised").plan(2), seed=0, labels=labelled.y)
    assert maker(labelled.gather(ids), ids=ids, epoch=0).labels.tolist() == [2, 1, 1]
    plain = ImageViews(policies, ViewPlan(groups=(Group(count=2),)), seed=0, labels=labelled.y)
    assert plain(labelled.gather(ids), ids=ids, epoch=0).labels is None


def test_one_group_is_what_the_image_pipeline_makes(labelled, policies):
    ids = torch.arange(20, 30)
    made = ImageViews(policies, ViewPlan(groups=(Group(count=3),)), seed=4)(
        labelled.gather(ids), ids=ids, epoch=2
    )
    views, _ = make_views(labelled.gather(ids), policies, ids=ids, seed=4, epoch=2, num_views=3)
    assert torch.equal(made.only, views)


def test_views_of_a_second_group_have_draws_of_their_own(labelled, policies):
    same = PolicySettings(name="digits")
    plan = ViewPlan(groups=(Group(count=2), Group(count=2, policy=same)))
    ids = torch.arange(8)
    one, two = ImageViews(policies, plan, seed=0)(labelled.gather(ids), ids=ids, epoch=0).groups
    assert not any(torch.equal(a, b) for a in one for b in two)
    whole = ImageViews(policies, ViewPlan(groups=(Group(count=4),)), seed=0)
    assert torch.equal(torch.cat([one, two]), whole(labelled.gather(ids), ids=ids, epoch=0).only)


def test_masks_and_pairs_depend_on_image_view_and_epoch_alone(labelled, policies):
    plan = ViewPlan(groups=(Group(count=2, mask=kinds.half_of_the_patches, pair=kinds.turned),))
    maker = ImageViews(policies, plan, seed=0)
    ids = torch.arange(48)
    whole = maker(labelled.gather(ids), ids=ids, epoch=1)
    some = torch.tensor([7, 3])
    part = maker(labelled.gather(some), ids=some, epoch=1)
    assert torch.equal(part.masks[0], whole.masks[0][:, some])
    assert torch.equal(part.targets[0], whole.targets[0][:, some])
    assert torch.equal(part.only, whole.only[:, some])
    assert not torch.equal(whole.targets[0][0], whole.targets[0][1])
    assert not torch.equal(maker(labelled.gather(ids), ids=ids, epoch=2).masks[0], whole.masks[0])
    assert sorted(whole.targets[0].unique().tolist()) == [0, 1, 2, 3]


class Looking(kinds.Rotation):
    """Notes what it was shown before each epoch, and in its steps."""

    def __init__(self):
        super().__init__()
        self.begun, self.stepped = [], []

    def before_epoch(self, epoch, *, images, look):
        self.begun.append((epoch, images, [(views.ids, views.only) for views in look()] if epoch < 2 else []))

    def step(self, views):
        self.stepped.append((views.ids, views.only))
        return super().step(views)


def test_an_epoch_is_announced_once_with_the_very_views_that_it_trains_on(run_kind, tmp_path, monkeypatch):
    def power_cut(method, finished):
        if finished == 2:
            raise OSError("power cut")

    monkeypatch.setitem(kinds.KINDS, "Looking", Looking)
    method = run_kind("Looking", tmp_path / "whole")
    assert [(epoch, images) for epoch, images, _ in method.begun] == [(0, 48), (1, 48), (2, 48)]
    shown = [batch for _, _, batches in method.begun for batch in batches]
    assert len(shown) == 6
    for (ids, views), (its, theirs) in zip(shown, method.stepped[:6], strict=True):
        assert torch.equal(ids, its)
        assert torch.equal(views, theirs)
    with pytest.raises(OSError, match="power cut"):
        run_kind("Looking", tmp_path / "cut", probes=(power_cut,), checkpoint_every=2)  # saved at step 4 of 6
    resumed = run_kind("Looking", tmp_path / "cut", checkpoint_every=2)
    assert [epoch for epoch, _, _ in resumed.begun] == [2]


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_looking_before_an_epoch_changes_no_view(precision, labelled, policies):
    ids = torch.arange(6)
    maker = ImageViews(policies, ViewPlan(groups=(Group(count=2),)), seed=0)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
        (seen,) = looks(maker, [(ids, labelled.gather(ids))], epoch=1)
        assert torch.is_autocast_enabled("cpu") == (precision == "bf16")
    assert torch.equal(seen.only, maker(labelled.gather(ids), ids=ids, epoch=1).only)
