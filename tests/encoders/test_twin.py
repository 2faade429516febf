import pytest
import torch
from torch import nn

from contrascope.encoders.twin import drawn_from, random_twin, weights_hash


class LoadsItsWeights(nn.Module):
    """What a user's class does that reads its own checkpoint: the same values whenever it is built."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self.norm = nn.BatchNorm1d(3)
        self.scale = nn.Parameter(torch.full((3,), 2.0))
        self.token = nn.Parameter(torch.full((1, 3), 5.0))
        with torch.no_grad():
            self.layer.weight.copy_(torch.arange(12.0).view(3, 4))
            self.norm.running_mean.fill_(7)
            self.norm.num_batches_tracked.fill_(9)

    def forward(self, images):
        return self.norm(self.layer(images.flatten(1)))


def test_a_module_that_loads_its_own_weights_has_them_drawn_anew():
    loaded = LoadsItsWeights()
    twin = random_twin(loaded)
    assert twin.layer.weight.abs().max() <= 0.5  # uniform within 1 / sqrt(inputs), as nn.Linear draws
    assert not torch.equal(twin.token, loaded.token)
    assert twin.scale.tolist() == [1, 1, 1]
    assert (twin.norm.running_mean.tolist(), int(twin.norm.num_batches_tracked)) == ([0, 0, 0], 0)
    assert loaded.norm.running_mean.tolist() == [7, 7, 7]
    assert torch.equal(loaded.layer.weight, torch.arange(12.0).view(3, 4))


def test_the_twin_follows_from_the_architecture_and_not_from_the_weights():
    one, other = LoadsItsWeights(), LoadsItsWeights()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(-3).add_(1)
    assert weights_hash(one) != weights_hash(other)
    assert weights_hash(random_twin(one)) == weights_hash(random_twin(other))
    assert weights_hash(random_twin(one, seed=1)) != weights_hash(random_twin(one, seed=2))


def test_the_random_twin_is_new_seeded_and_leaves_the_original():
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))
    encoder[2].running_mean += 3
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    twin, again, other = (random_twin(encoder, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(twin[1].weight, again[1].weight)
    assert not torch.equal(twin[1].weight, other[1].weight)
    assert not torch.equal(twin[1].weight, encoder[1].weight)
    assert twin[2].running_mean.tolist() == [0, 0, 0]
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_frozen_parameters_are_drawn_and_stay_frozen():
    frozen = LoadsItsWeights().requires_grad_(False)
    twin = random_twin(frozen)
    assert weights_hash(twin) == weights_hash(random_twin(LoadsItsWeights()))
    assert not any(parameter.requires_grad for parameter in twin.parameters())


class ResetsToItsCheckpoint(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(2, 8))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        with torch.no_grad():
            self.weight.copy_(torch.arange(16.0).view(2, 8))


def test_a_reset_that_loads_the_same_values_is_no_draw():
    module = ResetsToItsCheckpoint()
    assert not torch.equal(random_twin(module).weight, module.weight)


class ResetNeedsWords(ResetsToItsCheckpoint):
    def reset_parameters(self, how: str = "") -> None:
        if not how:
            raise ValueError("how?")


def test_a_reset_that_fails_leaves_its_layer_to_the_law():
    module = ResetsToItsCheckpoint()
    module.__class__ = ResetNeedsWords
    assert torch.equal(random_twin(module).weight, random_twin(ResetsToItsCheckpoint()).weight)


def test_the_law_of_what_no_layer_draws_has_the_variance_of_one_over_its_inputs():
    module = nn.Module()
    module.kernel = nn.Parameter(torch.ones(512, 16, 3, 3))
    module.shift = nn.Parameter(torch.ones(5))
    module.counts = nn.Parameter(torch.arange(3), requires_grad=False)
    twin = random_twin(module)
    assert twin.kernel.mean().item() == pytest.approx(0, abs=1e-3)
    assert twin.kernel.var().item() * 144 == pytest.approx(1, rel=0.02)
    assert twin.shift.tolist() == [0] * 5
    assert twin.counts.tolist() == [0, 1, 2]


class FrozenNorm(nn.Module):
    """As torchvision's FrozenBatchNorm2d: weights and statistics are buffers."""

    def __init__(self) -> None:
        super().__init__()
        for name, value in (("weight", 3.0), ("bias", 4.0), ("running_mean", 5.0), ("running_var", 6.0)):
            self.register_buffer(name, torch.full((2,), value))
        self.register_buffer("positions", torch.arange(2.0))


def test_weights_and_statistics_in_buffers_are_forgotten_and_constants_stay():
    twin = random_twin(FrozenNorm())
    found = {name: buffer[1].item() for name, buffer in twin.named_buffers()}
    assert found == {"weight": 1, "bias": 0, "running_mean": 0, "running_var": 1, "positions": 1}


@pytest.mark.parametrize(
    "module", [nn.Flatten(), nn.Sequential(nn.Flatten(), nn.ReLU()), nn.BatchNorm1d(3)], ids=str
)
def test_where_nothing_changes_there_is_no_twin(module):
    assert random_twin(module) is None


def test_weights_that_are_no_numbers_do_not_reach_the_twin():
    module = LoadsItsWeights()
    with torch.no_grad():
        module.token.fill_(torch.nan)
    assert weights_hash(random_twin(module)) == weights_hash(random_twin(LoadsItsWeights()))


def test_a_module_that_cannot_be_copied_has_no_twin():
    module = LoadsItsWeights()
    module.kept = module.token * 2  # not a leaf
    assert random_twin(module) is None


def test_the_callers_random_state_and_number_format_change_nothing_and_are_left_alone():
    expected = weights_hash(random_twin(LoadsItsWeights()))
    module = LoadsItsWeights()
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    torch.set_default_dtype(torch.float64)
    try:
        found = weights_hash(random_twin(module))
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert found == expected
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_half_precision_module_has_a_half_precision_twin():
    assert random_twin(LoadsItsWeights().half()).token.dtype == torch.float16


def test_the_state_comes_back_after_an_error():
    state = torch.random.get_rng_state()
    with pytest.raises(RuntimeError), drawn_from(3):
        torch.rand(2, 3) @ torch.rand(2, 3)
    assert torch.equal(torch.random.get_rng_state(), state)
