from dataclasses import replace

import pytest
import torch
from torch import nn

from contrascope.augment.policy import Policy, policy
from contrascope.data.imageset import InMemoryImages
from contrascope.diagnosis.networks import (
    Networks,
    batch_norm_gap,
    embed_views,
    fixed_views,
    measure_layers,
    measure_networks,
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


def test_views_are_the_same_for_every_subject_and_batch_size(images):
    one = fixed_views(images, policy("ade"), num_views=3, batch_size=64)
    other = fixed_views(images, policy("ade"), num_views=3, batch_size=7)
    assert torch.equal(one.images, other.images)
    assert one.images.shape == (3, 64, 3, 8, 8)
    assert one.equal == 0.0


def test_a_policy_that_changes_nothing_is_seen(images):
    assert fixed_views(images, Policy(ops=()), num_views=2).equal == 1.0


def test_embeddings_do_not_depend_on_the_batch_and_leave_the_mode(images):
    encoder = network(0).train()
    views = fixed_views(images, policy("ade"), num_views=2)
    one, none = embed_views(Networks(encoder=encoder), views, batch_size=128)
    other, _ = embed_views(Networks(encoder=encoder), views, batch_size=10)
    torch.testing.assert_close(one, other)
    assert none is None
    assert encoder.training


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
    found = measure_networks(
        Networks(encoder=broken), Networks(encoder=network(1)), images, policy("ade"), num_views=2, draws=0
    )
    assert found.h is None
    assert found.reference_h is not None
    assert found.faults.non_finite == 2 * 64 * 32


def test_the_reference_is_measured_on_the_same_views(images):
    views = fixed_views(images, policy("ade"), num_views=2)
    same = Networks(encoder=network(0))
    known = measure_layers(same, views, draws=0, seed=0)
    found = signals_on(same, embed_views(same, views), known, views, draws=0)
    assert found.h == found.reference_h
    third = Networks(encoder=network(3))
    other = signals_on(third, embed_views(third, views), known, views, draws=0)
    assert other.h != other.reference_h
    assert replace(other, h=None, z=None, faults=found.faults) == replace(found, h=None, z=None)
