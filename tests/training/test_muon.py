"""Muon against a slow restatement, by hand, and in the loop: what it turns, what it leaves to AdamW, how it resumes."""

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from contrascope.errors import InputError
from contrascope.training import muon
from contrascope.training.muon import QUINTIC, Muon, is_kernel, orthogonal
from contrascope.training.optim import build_optimizer
from contrascope.training.settings import OptimSettings


def normal(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def slow_orthogonal(matrix, steps=3):
    """By the singular values alone: each follows the scalar polynomial."""
    u, s, v = torch.linalg.svd(matrix.double(), full_matrices=False)
    s = s / (matrix.double().norm() + 1e-7)
    for _ in range(steps):
        s = QUINTIC[0] * s + QUINTIC[1] * s**3 + QUINTIC[2] * s**5
    return u @ s.diag() @ v


@given(seed=st.integers(0, 10_000), rows=st.integers(1, 12), columns=st.integers(1, 12))
@settings(derandomize=True, deadline=None, max_examples=30)
def test_the_iteration_acts_on_singular_values_alone(seed, rows, columns):
    matrix = normal(seed, rows, columns)
    exact, expected = orthogonal(matrix.double(), dtype=torch.float64), slow_orthogonal(matrix)
    assert torch.allclose(exact, expected, atol=1e-9)
    assert (
        orthogonal(matrix, dtype=torch.bfloat16).double() - expected
    ).norm() <= 0.15 * expected.norm()  # bf16 has 8 bits


def test_directions_count_alike_whatever_their_slope():
    values = torch.linalg.svdvals(orthogonal(torch.diag(torch.tensor([1.0, 0.9, 0.5, 0.4])), steps=5))
    assert values.max() / values.min() < 2
    scaled = orthogonal(1e-4 * normal(0, 6, 9))
    assert torch.allclose(scaled, orthogonal(normal(0, 6, 9)), atol=0.05)


def test_one_step_by_hand():
    kernel = nn.Parameter(torch.zeros(1, 5, 1, 1))
    with torch.no_grad():
        kernel[0, 0] = 3.0
    kernel.grad = torch.zeros_like(kernel)
    kernel.grad[0, 1] = 2.0
    Muon([kernel], lr=0.01, turn=10.0).step()
    size = 1.0
    for _ in range(3):
        size = QUINTIC[0] * size + QUINTIC[1] * size**3 + QUINTIC[2] * size**5
    # length 3 as at first, then a tenth of the direction in units of that length
    assert kernel.data.flatten()[[0, 2, 3, 4]].tolist() == [3.0, 0.0, 0.0, 0.0]
    assert kernel.data.flatten()[1].item() == pytest.approx(-0.3 * size, rel=0.1)


def slow_muon(weight, grads, *, lr, turn, momentum=0.6):
    velocity, length = torch.zeros_like(weight), weight.norm()
    for grad in grads:
        velocity = momentum * velocity + grad
        direction = orthogonal((grad + momentum * velocity).flatten(1)).view_as(weight)
        weight = weight * length / weight.norm() - lr * turn * length / math.sqrt(len(weight)) * direction
    return weight


def test_kernels_follow_the_slow_loop_and_all_else_is_adamw():
    layers = (nn.Conv2d(3, 8, 3), nn.Conv2d(8, 6, 3, bias=False), nn.BatchNorm2d(6), nn.Linear(6, 2))
    network = nn.Sequential(*layers)
    other = copy.deepcopy(network)
    how = OptimSettings(name="muon", lr=2e-3, weight_decay=1e-2, kernel_rate=0.1)
    ours = build_optimizer(how, network)
    reference = build_optimizer(OptimSettings(name="adamw", lr=2e-3, weight_decay=1e-2), other)
    start, grads = network[1].weight.detach().clone(), []
    for step in range(4):
        for place, (p, q) in enumerate(zip(network.parameters(), other.parameters(), strict=True)):
            p.grad = normal(100 * step + place, *p.shape)
            q.grad = p.grad.clone()
        grads.append(network[1].weight.grad.clone())
        ours.step()
        reference.step()
    for (name, p), q in zip(network.named_parameters(), other.parameters(), strict=True):
        expected = slow_muon(start, grads, lr=2e-3, turn=50.0) if name == "1.weight" else q
        assert torch.allclose(p, expected, atol=1e-6), name


def test_a_kernel_of_zeros_and_a_gradient_of_zeros_stay_finite():
    kernel = nn.Parameter(torch.zeros(4, 8, 3, 3))
    kernel.grad = torch.zeros_like(kernel)
    Muon([kernel], lr=0.1).step()
    assert torch.equal(kernel.data, torch.zeros_like(kernel))


def test_saved_and_read_back_it_goes_on_with_the_same_bits():
    def network():
        return nn.Sequential(nn.Conv2d(8, 6, 3), nn.BatchNorm2d(6))

    whole, part = network(), network()
    part.load_state_dict(whole.state_dict())
    how = OptimSettings(name="muon", lr=2e-3)
    one, other = build_optimizer(how, whole), build_optimizer(how, part)
    for step in range(6):
        if step == 3:
            fresh = build_optimizer(how, part)
            fresh.load_state_dict(copy.deepcopy(other.state_dict()))
            other = fresh
        for place, (p, q) in enumerate(zip(whole.parameters(), part.parameters(), strict=True)):
            p.grad = normal(100 * step + place, *p.shape)
            q.grad = p.grad.clone()
        one.step()
        other.step()
    assert all(torch.equal(p, q) for p, q in zip(whole.parameters(), part.parameters(), strict=True))


def test_what_is_a_kernel():
    shapes = {(8, 16, 3, 3): True, (8, 3, 3, 3): False, (8, 1, 3, 3): False, (8, 16): False, (8,): False}
    assert {shape: is_kernel(torch.zeros(shape)) for shape in shapes} == shapes


def test_the_scale_of_a_kernel_changes_no_direction():
    ends = []
    for scale in (1.0, 100.0):
        kernel = nn.Parameter(scale * normal(5, 6, 8, 3, 3))
        moving = Muon([kernel], lr=2e-3)
        for step in range(3):
            kernel.grad = normal(step, 6, 8, 3, 3) / scale
            moving.step()
        ends.append(kernel.detach() / scale)
    assert torch.allclose(*ends, atol=0.02)  # bf16 rounds what it is given


@pytest.mark.parametrize("rate", [0.0, -0.1])
def test_kernels_that_would_not_turn_are_refused(rate):
    with pytest.raises(InputError, match=rf"optim\.kernel_rate is {rate}; expected a number above 0"):
        build_optimizer(OptimSettings(name="muon", kernel_rate=rate), nn.Conv2d(8, 6, 3))


def test_a_network_without_kernels_is_moved_by_adamw():
    line, other = nn.Linear(3, 2), nn.Linear(3, 2)
    other.load_state_dict(line.state_dict())
    for network, name in ((line, "muon"), (other, "adamw")):
        moving = build_optimizer(OptimSettings(name=name, lr=1e-3), network)
        for step in range(3):
            network.weight.grad, network.bias.grad = normal(step, 2, 3), normal(step, 2)
            moving.step()
    assert torch.equal(line.weight, other.weight)


def test_a_run_that_is_stopped_goes_on_with_the_same_bits(tmp_path, start_fit):
    whole = start_fit(tmp_path / "whole", optim="muon", lr=2e-3)
    with pytest.raises(KeyboardInterrupt):
        start_fit(tmp_path / "part", optim="muon", lr=2e-3, probes=(stop_after(1),), checkpoint_every=2)
    again = start_fit(tmp_path / "part", optim="muon", lr=2e-3, checkpoint_every=2)
    assert all(
        torch.equal(p, q)
        for p, q in zip(whole.state_dict().values(), again.state_dict().values(), strict=True)
    )


def stop_after(epochs):
    def probe(method, finished):
        if finished > epochs:
            raise KeyboardInterrupt
        return

    return probe


@pytest.mark.parametrize(("fast", "near"), [(True, 0.15), (False, 1e-4)])
def test_it_multiplies_in_the_arithmetic_that_the_device_is_fast_at(monkeypatch, fast, near):
    monkeypatch.setattr(muon, "multiplies_bf16", lambda device: fast)
    exact, found = slow_orthogonal(normal(0, 8, 30)), orthogonal(normal(0, 8, 30)).double()
    off = (found - exact).norm() / exact.norm()
    assert off < near
    assert fast == (off > 1e-4)
