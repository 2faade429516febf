"""Weights that no step has moved: of networks with and without normalisation, whole or in part."""

import copy

import pytest
import torch
from torch import nn

from contrascope.diagnosis.checks.weights import InitialWeights, initial_weights
from contrascope.encoders.build import build_encoder
from contrascope.encoders.settings import EncoderSettings
from contrascope.encoders.twin import random_twin


def built(name, **more):
    settings = EncoderSettings(name=name, **more)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return build_encoder(settings, channels=3, size=16)


def mlp():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return nn.Sequential(nn.Flatten(), nn.Linear(768, 64), nn.ReLU(), nn.Linear(64, 32))


NETWORKS = {
    "batch norm": lambda: built("convnet", width=8),
    "residual, batch norm": lambda: built("resnet18", width=4),
    "layer norm": lambda: built("vit-tiny", width=24),
    "none": mlp,
}


def stepped(network, steps=1, rate=1e-2):
    """A few steps of AdamW; a mean square keeps the outputs near random targets."""
    network.train()
    images = torch.rand(32, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    target = torch.randn(network(images).shape, generator=torch.Generator().manual_seed(1))
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate)
    for _ in range(steps):
        optimiser.zero_grad()
        (network(images) - target).square().mean().backward()
        optimiser.step()
    return network.eval()


def found(network):
    return initial_weights(network, random_twin(network))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_as_it_was_made_is_seen(name):
    one = found(NETWORKS[name]())
    assert one.all
    assert one.part == ()
    assert (one.norms > 0) == (name != "none")


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "none"])
def test_one_step_moves_scales_and_shifts(name):
    one = found(stepped(NETWORKS[name]()))
    assert not one.all
    assert one.part == ()


def test_without_normalisation_training_shows_in_the_law_of_the_weights():
    assert not found(stepped(mlp(), steps=20)).all
    assert found(stepped(mlp(), rate=1e-7)).all


def test_images_alone_move_no_weight():
    network = NETWORKS["batch norm"]().train()
    network(torch.rand(32, 3, 16, 16))
    assert found(network.eval()).all  # running statistics are no training


def test_layers_that_were_not_loaded_are_named():
    trained, fresh = stepped(NETWORKS["batch norm"]()), NETWORKS["batch norm"]()
    names = [name for name, part in trained.named_modules() if isinstance(part, nn.BatchNorm2d)]
    mixed = copy.deepcopy(trained)
    kept = {k: v for k, v in trained.state_dict().items() if not k.startswith(names[-1] + ".")}
    fresh.load_state_dict(kept, strict=False)
    one = found(fresh)
    assert not one.all
    assert one.part == (names[-1],)
    assert found(mixed).part == ()


def test_all_layers_but_one_that_were_not_loaded_are_a_part_too():
    fresh, trained = NETWORKS["layer norm"](), stepped(NETWORKS["layer norm"]())
    name = next(name for name, part in fresh.named_modules() if isinstance(part, nn.LayerNorm))
    fresh.load_state_dict({k: v for k, v in trained.state_dict().items() if k.startswith(name)}, strict=False)
    one = found(fresh)
    assert not one.all
    assert len(one.part) == one.norms - 1


def test_frozen_scales_of_a_constant_other_than_one_are_as_made():
    norm = nn.BatchNorm1d(8)
    nn.init.zeros_(norm.weight)  # the last norm of a residual block
    assert initial_weights(norm, None).untouched == ("the encoder",)
    nn.init.normal_(norm.weight)
    assert initial_weights(norm, None).untouched == ()


def test_norms_without_scales_and_small_or_renamed_tensors_are_passed_over():
    plain = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8, affine=False), nn.LayerNorm(8, bias=False))
    assert initial_weights(plain, random_twin(plain)) == InitialWeights(
        norms=0, untouched=(), tensors=0, same_law=0
    )
    assert not initial_weights(nn.Linear(40, 40), nn.Linear(40, 41)).all
    assert not initial_weights(nn.Linear(40, 40), None).all  # nothing to compare with is no finding


def test_half_precision_and_frozen_weights_are_read_alike():
    network = NETWORKS["batch norm"]().requires_grad_(False)
    assert found(network.half()).all
    trained = stepped(NETWORKS["batch norm"](), steps=3).requires_grad_(False)
    assert not found(trained.bfloat16()).all


def test_the_answer_is_the_same_twice_and_draws_nothing_from_the_caller():
    network = mlp()
    torch.manual_seed(5)
    before = torch.get_rng_state()
    assert found(network) == found(network)
    assert torch.equal(before, torch.get_rng_state())
