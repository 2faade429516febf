"""A batch in parts: the gradient, the buffers and the draws of the whole."""

import contextlib
import copy
import gc
import os
import subprocess
import sys
import weakref
from pathlib import Path

import chunk_cases
import numpy as np
import pytest
import torch
from chunk_cases import Network, contrast, embedder, in_parts, normal, whole_backward
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import contrascope
from contrascope.errors import InputError
from contrascope.losses import LOSSES, LossTerms
from contrascope.methods.split_norm import split_batch_norm
from contrascope.training.chunks import BatchPart, check_chunk, chunk_problem, chunked_backward, part_sizes

SOURCE = Path(contrascope.__file__).parents[1]


def gradients(network):
    return {name: p.grad.clone() for name, p in network.named_parameters()}


def assert_same_gradients(actual, expected, tolerance):
    scale = max(value.abs().max().item() for value in expected.values())
    assert scale > 1e-4
    for name, value in expected.items():
        assert (actual[name] - value).abs().max().item() < tolerance * scale, name


def both(network, views, chunk, *, loss=contrast, **changes):
    """The network after the whole batch's backward, and after that in parts, with what both gave."""
    one, other = network, copy.deepcopy(network)
    expected = whole_backward(one, views, loss)
    found = chunked_backward(
        embedder(other), lambda z, _: loss(z), in_parts(views, chunk), network=other, **changes
    )
    return one, other, expected, found


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
@pytest.mark.parametrize("norm", ["none", "evaluation", "split", "finer splits"])
@pytest.mark.parametrize("name", ["nt_xent", "alignment_uniformity", "vicreg", "barlow_twins"])
def test_the_gradient_and_all_buffers_are_those_of_the_whole_batch(name, norm, dtype, tolerance):
    network = Network(norm=norm != "none").to(dtype)
    if "split" in norm:
        split_batch_norm(network, splits=4 if norm == "split" else 8)
    if norm == "evaluation":
        network.norm.eval()
    chosen = {key: {"temperature": 0.5, "std": "biased"}[key] for key in LOSSES[name].required}
    views = normal(0, 2, 32, 6, dtype=dtype)
    one, other, expected, found = both(network, views, 8, loss=lambda z: LOSSES[name].fn(z, **chosen))
    assert_same_gradients(gradients(other), gradients(one), tolerance)
    for actual, value in zip(other.buffers(), one.buffers(), strict=True):
        torch.testing.assert_close(actual, value, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(found.terms.total, expected.total.detach(), rtol=tolerance, atol=tolerance)
    assert found.z.shape == (2, 32, 4)
    assert found.h.shape == (2, 32, 5)
    assert not any(x.requires_grad for x in (found.z, found.h, found.terms.total))
    if "split" in norm:
        assert other.norm.splits == one.norm.splits
        assert not torch.equal(other.norm.running_mean, torch.zeros(5, dtype=dtype))
        assert not other.norm._forward_pre_hooks


@settings(derandomize=True, deadline=None, max_examples=30)
@given(batch=st.integers(2, 20), chunk=st.integers(1, 25), views=st.integers(2, 4), seed=st.integers(0, 1000))
def test_any_batch_in_any_parts_gives_the_gradient_of_the_whole(batch, chunk, views, seed):
    images = normal(seed, views, batch, 6)
    one, other, *_ = both(Network(norm=False).double(), images, chunk)
    assert_same_gradients(gradients(other), gradients(one), 1e-12)


def test_gradients_are_added_to_what_is_there_and_scaled():
    views = normal(1, 2, 12, 6)
    one, other, *_ = both(Network(norm=False).double(), views, 5)
    chunked_backward(embedder(other), lambda z, _: contrast(z), in_parts(views, 5), network=other, scale=0.5)
    expected = {name: 1.5 * value for name, value in gradients(one).items()}
    assert_same_gradients(gradients(other), expected, 1e-12)


def test_dropout_drops_the_same_units_in_both_passes_and_draws_once():
    network, views = Network(norm=False, dropout=0.5).double(), normal(2, 2, 12, 6)
    torch.manual_seed(3)
    z = torch.cat([embedder(network)(part)[1] for part in views.split(4, dim=1)], dim=1)
    contrast(z).total.backward()
    after, expected = torch.rand(3), gradients(network)
    network.zero_grad()
    torch.manual_seed(3)
    chunked_backward(embedder(network), lambda z, _: contrast(z), in_parts(views, 4), network=network)
    assert torch.equal(torch.rand(3), after)
    assert_same_gradients(gradients(network), expected, 1e-12)


class Counting(nn.Module):
    """Counts its passes in a buffer, as spectral normalisation iterates in one."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 4)
        self.register_buffer("passes", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        self.passes += 1
        return self.linear(x)


def test_buffers_are_changed_by_one_pass_only():
    network = Counting()
    parts = in_parts(normal(4, 2, 12, 6).float(), 4)
    chunked_backward(lambda v: (v, network(v)), lambda z, _: contrast(z), parts, network=network)
    assert network.passes == 3


def test_targets_are_computed_once_and_their_running_statistics_are_those_of_the_whole():
    views = normal(5, 2, 16, 6)
    networks = nn.ModuleDict({"online": Network(norm=True), "target": Network(norm=True)}).double()
    split_batch_norm(networks, splits=4)
    other = copy.deepcopy(networks)
    with torch.no_grad():
        compared = embedder(networks["target"])(views)[1]
    LOSSES["byol"].fn(embedder(networks["online"])(views)[1], compared).total.backward()
    chunked_backward(
        embedder(other["online"]),
        lambda z, target: LOSSES["byol"].fn(z, target),
        in_parts(views, 4),
        network=other,
        targets=lambda part: embedder(other["target"])(part)[1],
    )
    assert_same_gradients(gradients(other["online"]), gradients(networks["online"]), 1e-12)
    for actual, value in zip(other.buffers(), networks.buffers(), strict=True):
        torch.testing.assert_close(actual, value, rtol=1e-12, atol=1e-12)


def test_parameters_of_the_loss_get_their_gradient():
    network, factor = Network(norm=False).double(), nn.Parameter(torch.tensor(2.0, dtype=torch.float64))
    chunked_backward(
        embedder(network),
        lambda z, _: contrast(z * factor ** z.detach()),
        in_parts(normal(6, 2, 8, 6), 4),
        network=network,
    )
    assert factor.grad.abs() > 1e-6


def test_no_parts_and_a_loss_without_z_are_refused():
    network = Network(norm=False).double()
    with pytest.raises(InputError, match=r"got no parts of a batch"):
        chunked_backward(embedder(network), lambda z, _: contrast(z), [], network=network)
    free = torch.zeros((), dtype=torch.float64, requires_grad=True)
    with pytest.raises(InputError, match="the loss does not depend on z"):
        chunked_backward(
            embedder(network),
            lambda z, _: LossTerms(align=z.detach().mean((0, 2)), spread=free.square()),
            in_parts(normal(6, 2, 8, 6), 4),
            network=network,
        )


@pytest.mark.parametrize("outer", [False, True], ids=["autocast a pass", "autocast around it all"])
def test_half_precision_gives_the_gradient_of_half_precision(outer):
    """Weights that were cast without a graph in the first pass must not be used in the second."""

    def half():
        return torch.autocast("cpu", dtype=torch.bfloat16)

    views = normal(7, 2, 32, 6).float()
    one, other = Network(norm=False), Network(norm=False)
    with half():
        z = embedder(one)(views)[1]
    assert z.dtype == torch.bfloat16
    contrast(z).total.backward()
    with half() if outer else contextlib.nullcontext():
        chunked_backward(
            embedder(other),
            lambda z, _: contrast(z),
            in_parts(views, 8),
            network=other,
            arithmetic=contextlib.nullcontext if outer else half,
        )
    assert_same_gradients(gradients(other), gradients(one), 2e-2)


def test_all_parts_but_the_last_are_passed_without_synchronisation():
    seen, inside = [], [False]

    @contextlib.contextmanager
    def no_sync():
        inside[0] = True
        yield
        inside[0] = False

    network = Network(norm=False).double()
    network.linear.weight.register_hook(lambda grad: seen.append(inside[0]))
    chunked_backward(
        embedder(network),
        lambda z, _: contrast(z),
        in_parts(normal(8, 2, 12, 6), 4),
        network=network,
        no_sync=no_sync,
    )
    assert seen == [True, True, False]


def test_no_two_parts_are_in_memory_at_once():
    alive, most = weakref.WeakSet(), []

    class Views:
        def __init__(self, pixels):
            self.pixels = pixels
            alive.add(self)
            gc.collect()
            most.append(len(alive))

    network, views = Network(norm=False).double(), normal(9, 2, 12, 6)
    parts = [BatchPart(images=4, views=lambda low=low: Views(views[:, low : low + 4])) for low in (0, 4, 8)]
    chunked_backward(
        lambda part: embedder(network)(part.pixels), lambda z, _: contrast(z), parts, network=network
    )
    assert most == [1] * 6


def test_batch_norm_over_the_batch_is_refused_with_what_differs_and_what_to_do():
    network = Network(norm=True)
    assert chunk_problem(network, [8, 8]) == (
        "batch norm (norm) would standardise each part of 8 images with its own statistics, "
        "not with those of all 16"
    )
    with pytest.raises(
        InputError,
        match=r"training.chunk is 6, but batch norm \(norm\) .* split batch norm with one "
        r"split a part \(--training.chunk 4 --method.splits 4\)",
    ):
        chunked_backward(
            embedder(network),
            lambda z, _: contrast(z),
            in_parts(normal(0, 2, 16, 6).float(), 6),
            network=network,
        )
    assert chunk_problem(network, [16]) is None
    assert chunk_problem(network.eval(), [8, 8]) is None


def test_splits_that_cut_through_parts_are_refused():
    network = split_batch_norm(Network(norm=True), splits=2)
    assert chunk_problem(network, [8, 8]) is None
    assert (
        chunk_problem(network, [4, 4, 4, 4])
        == "the 2 splits of batch norm (norm) over 16 images cut through parts of 4"
    )
    with pytest.raises(InputError, match=r"the 2 splits of .* over 10 images cut through parts of 2"):
        check_chunk(network, part_sizes(10, chunk=4))
    with pytest.raises(InputError, match=r"training.chunk is 0; expected 1 image or more"):
        part_sizes(10, chunk=0)


def test_split_batch_norm_in_a_joint_pass_of_all_views_is_refused():
    network = split_batch_norm(Network(norm=True).double(), splits=2)

    def jointly(views):
        h, z = network(views.flatten(0, 1))
        return h.unflatten(0, views.shape[:2]), z.unflatten(0, views.shape[:2])

    with pytest.raises(InputError, match=r"got 16 rows from a part of 8 images.* Set joint_pass=False"):
        chunked_backward(jointly, lambda z, _: contrast(z), in_parts(normal(0, 2, 16, 6), 8), network=network)
    assert network.norm.splits == 2


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chunks")
    path = os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, chunk_cases.__file__, "2", str(folder)],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        timeout=240,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [dict(np.load(folder / f"rank{rank}.npz")) for rank in range(2)]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["by hand", "DistributedDataParallel"])
def test_two_processes_in_parts_give_the_gradient_of_one_on_the_joined_batch(processes, how):
    network = chunk_cases.network_of_processes()
    whole_backward(network, chunk_cases.joined_views(), contrast)
    for found in processes:
        actual = {
            key.split("/")[1]: torch.from_numpy(value) for key, value in found.items() if key.startswith(how)
        }
        assert_same_gradients(actual, gradients(network), 1e-12)
