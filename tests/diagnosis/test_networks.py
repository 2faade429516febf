"""From networks to signals: batch norm, values that are not finite, and a twin on the same exhibits."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from contrascope.augment.policy import Policy, policy
from contrascope.data.imageset import InMemoryImages
from contrascope.diagnosis.exhibits import Networks, exhibits, fixed_views, show
from contrascope.diagnosis.networks import (
    NO_TWIN,
    batch_norm_gap,
    measure_networks,
    reference_on,
    signals_on,
)
from contrascope.encoders.build import build_encoder
from contrascope.encoders.settings import EncoderSettings


@pytest.fixture(scope="module")
def images() -> InMemoryImages:
    source = torch.Generator().manual_seed(0)
    return InMemoryImages(images=torch.randint(256, (64, 3, 8, 8), generator=source).to(torch.uint8))


def network(seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build_encoder(EncoderSettings(name="convnet", width=4), channels=3, size=8).eval()


def test_a_batch_norm_far_from_the_data_is_measured_and_left_as_it_was(images):
    encoder = network(0)
    views = fixed_views(images, policy("ade"), num_views=2)
    assert batch_norm_gap(encoder, views) is None  # it has not seen a batch
    encoder.train()
    for _ in range(40):
        encoder(views.images[0])
    encoder.eval()
    norms = [m for m in encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    before = [m.running_mean.clone() for m in norms]
    small = batch_norm_gap(encoder, views)
    assert all(torch.equal(m.running_mean, kept) for m, kept in zip(norms, before, strict=True))
    norms[-1].running_mean.copy_(torch.linspace(-50, 50, len(norms[-1].running_mean)))
    large = batch_norm_gap(encoder, views)
    assert small is not None
    assert large is not None
    assert large > 2 * small
    assert batch_norm_gap(nn.Flatten(), views) is None


def test_a_network_with_nan_is_a_fault_and_its_reference_is_still_measured(images):
    broken = network(0)
    next(broken.parameters()).data.fill_(torch.nan)
    found, _, shown = measure_networks(
        Networks(encoder=broken), Networks(encoder=network(1)), images, policy("ade"), num_views=2, draws=0
    )
    assert found.h is None
    assert found.learning is None
    assert found.reference_h is not None
    assert found.faults.non_finite == shown.h.numel() == 2 * 64 * 32


def test_the_reference_is_measured_on_the_same_exhibits(images):
    exhibited = exhibits(images, policy("ade"), num_views=2)
    same = Networks(encoder=network(0))
    known = reference_on(same, exhibited, draws=0, seed=0)
    found = signals_on(same, show(same, exhibited), known, exhibited, draws=0)
    assert found.h == found.reference_h
    gains = [found.learning.own, *found.learning.standard.values(), *found.learning.residual.values()]
    assert all(one.odds.value == 0.0 and one.trained == one.random for one in gains)
    assert found.learning.bait == found.learning.random_bait
    third = Networks(encoder=network(3))
    other = signals_on(third, show(third, exhibited), known, exhibited, draws=0)
    assert other.h != other.reference_h
    assert other.reference_h == found.reference_h
    assert other.learning.own.random == found.learning.own.random


def test_every_fault_of_the_network_itself_is_looked_at(images):
    found = measure_networks(
        Networks(encoder=network(0)),
        Networks(encoder=network(1)),
        images,
        Policy(ops=()),
        num_views=2,
        draws=0,
    )[0]
    assert found.equal_views == 1.0
    assert found.faults.initial.all
    assert found.faults.batch < 1e-4
    assert found.faults.copies == 0.0
    assert found.faults.distinct == 1.0
    doubled = InMemoryImages(images=torch.cat((images.images, images.images)))
    again = measure_networks(
        Networks(encoder=network(0)), None, doubled, Policy(ops=()), num_views=2, draws=0
    )[0]
    assert again.faults.copies == 1.0
    assert (again.reference, again.reference_h, again.learning) == (NO_TWIN, None, None)


def test_nothing_of_the_caller_is_drawn_or_changed(images):
    encoder = network(0).train()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    torch.manual_seed(11)
    state = torch.get_rng_state()
    measure_networks(
        Networks(encoder=encoder), Networks(encoder=network(1)), images, policy("ade"), num_views=2, draws=0
    )
    assert torch.equal(state, torch.get_rng_state())
    assert encoder.training
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_the_order_of_images_changes_no_gain(images):
    order = torch.randperm(64, generator=torch.Generator().manual_seed(4))
    exhibited = exhibits(images, policy("ade"), num_views=2)
    turned = replace(
        exhibited,
        own=replace(exhibited.own, images=exhibited.own.images[:, order]),
        standard={
            name: replace(views, images=views.images[:, order]) for name, views in exhibited.standard.items()
        },
    )

    def gains(shown):
        twin = reference_on(Networks(encoder=network(1)), shown, draws=0)
        subject = Networks(encoder=network(0))
        return signals_on(subject, show(subject, shown), twin, shown, draws=0).learning

    one, other = gains(exhibited), gains(turned)
    assert one.own.odds.value == pytest.approx(other.own.odds.value, abs=1e-6)
    for name, found in one.standard.items():
        assert found.odds.value == pytest.approx(other.standard[name].odds.value, abs=1e-6)
