"""Several processes with different data equal one process on the joined batch, by gradients."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from contrascope import distributed
from contrascope.errors import InputError
from contrascope.losses import LOSSES

WORKER = Path(__file__).with_name("distributed_worker.py")
SOURCE = Path(distributed.__file__).parents[1]
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}

spec = importlib.util.spec_from_file_location("distributed_worker", WORKER)
worker = importlib.util.module_from_spec(spec)
spec.loader.exec_module(worker)


class Processes:
    """What W processes found; they are started once, when first asked for."""

    def __init__(self, world, folder):
        self.world = world
        path = os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])
        command = [sys.executable, str(WORKER), str(world), str(folder)]
        done = subprocess.run(
            command,
            env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            timeout=240,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        self.found = [dict(np.load(folder / f"rank{r}.npz")) for r in range(world)]

    def each(self, key):
        return [found[key] for found in self.found]

    def primitive(self, key):
        return [found[f"primitives/{key}"].tolist() for found in self.found]


@pytest.fixture(
    scope="module",
    params=[2, pytest.param(4, marks=pytest.mark.slow)],
    ids="W={}".format,
)
def processes(request, tmp_path_factory):
    return Processes(request.param, tmp_path_factory.mktemp("processes"))


def relative(actual, expected):
    return np.abs(actual - expected).max() / max(np.abs(expected).max(), 1e-3)


@pytest.mark.parametrize("with_target", [False, True], ids=["symmetric", "with target"])
@pytest.mark.parametrize(
    ("name", "word"), [(name, word) for name, info in LOSSES.items() for word in worker.words_of(info)]
)
def test_averaged_gradients_equal_one_process_on_the_joined_batch(processes, name, word, with_target):
    for precision, dtype in worker.DTYPES.items():
        expected = worker.gradients(LOSSES[name], dtype, with_target=with_target, word=word)
        largest = max(g.abs().max().item() for key, g in expected.items() if key.startswith("grad"))
        assert largest > 1e-3
        for key, value in expected.items():
            scale = largest if key.startswith("grad") else max(1.0, value.abs().max().item())
            for actual in processes.each(f"{name}/{word}/{with_target}/{precision}/{key}"):
                gap = np.abs(actual - value.numpy()).max() / scale
                assert gap <= TOLERANCE[precision], f"{key} in {precision}: {gap}"


@pytest.mark.parametrize("name", [name for name, info in LOSSES.items() if info.gathers])
def test_losses_that_gather_would_be_wrong_without(name):
    """The mean of the gradients of two halves is not the gradient of the whole: `gathers` is not idle."""
    z = torch.randn(2, 8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss, settings = LOSSES[name].fn, worker.required_settings(LOSSES[name], torch.float64)
    whole = torch.autograd.grad(loss(z, **settings).total, z)[0]
    parts = [loss(half, **settings).total for half in z.chunk(2, dim=1)]
    halves = torch.autograd.grad(sum(parts) / 2, z)[0]
    assert (whole - halves).abs().max() > 1e-3 * whole.abs().max()


@pytest.mark.parametrize("name", [name for name, info in LOSSES.items() if not info.gathers])
def test_losses_that_do_not_gather_need_not(name):
    z = torch.randn(2, 8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss, settings = LOSSES[name].fn, worker.required_settings(LOSSES[name], torch.float64)
    whole = torch.autograd.grad(loss(z, **settings).total, z)[0]
    parts = [loss(half, **settings).total for half in z.chunk(2, dim=1)]
    torch.testing.assert_close(torch.autograd.grad(sum(parts) / 2, z)[0], whole)


def test_gathering_puts_rank_0_first_and_returns_world_size_times_the_own_slice(processes):
    world = processes.world
    joined = [[r + 1.0, 2.0] for r in range(world)]
    assert processes.primitive("gathered") == [joined] * world
    assert processes.primitive("gathered_grad") == [[[world * (r + 1.0)] * 2] for r in range(world)]
    assert processes.primitive("rows") == [[x for r in range(world) for x in (r, 10 + r)]] * world


def test_sums_and_means_over_processes_and_their_gradients(processes):
    world = processes.world
    total = world * (world + 1) / 2
    assert processes.primitive("summed") == [[[total, 2.0 * world]]] * world
    assert processes.primitive("summed_grad") == [[[total, total]]] * world
    assert processes.primitive("mean") == [[[total / world, 2.0]]] * world
    assert processes.primitive("mean_grad") == [[[total / world] * 2]] * world


def test_a_gradient_missing_on_some_processes_counts_as_zero_and_one_missing_everywhere_stays(processes):
    assert processes.primitive("partial") == [[6 / processes.world] * 2] * processes.world
    assert processes.primitive("never_has_none") == [True] * processes.world


def test_broadcasts_bring_the_state_of_rank_0(processes):
    world = processes.world
    assert processes.primitive("broadcast") == [7] * world
    assert processes.primitive("broadcast_weight") == [[0.0, 0.0]] * world
    assert processes.primitive("broadcast_buffer") == [[0.0, 0.0]] * world
    assert processes.primitive("value") == ["run 0"] * world


def test_every_process_knows_its_place(processes):
    world = processes.world
    assert processes.primitive("rank") == list(range(world))
    assert processes.primitive("world_size") == [world] * world
    assert processes.primitive("is_main") == [True] + [False] * (world - 1)


def test_unequal_batches_are_refused_on_every_process(processes):
    sizes = [1 + r for r in range(processes.world)]
    for message in processes.primitive("refusal"):
        assert (
            message
            == f"processes hold {sizes} images; expected equally many. Drop the last, incomplete batch."
        )


@pytest.mark.parametrize("case", worker.batch_norm_cases())
def test_synchronised_batch_norm_equals_torch_on_the_joined_batch(processes, case):
    """Output, input gradient and running statistics, for processes with unequally many images."""
    layer, x = worker.batch_norm_cases()[case]
    bound = 1e-10 if x.dtype == torch.float64 else 1e-3  # at 950 float32 itself is exact to 6e-5
    for step in range(2):
        for key, value in worker.batch_norm(layer, x + step).items():
            pieces = processes.each(f"batch_norm/{case}/{step}/{key}")
            actual = [np.concatenate(pieces)] if key in ("out", "grad") else pieces
            for piece in actual:
                assert relative(piece, value.numpy()) <= bound, key


def test_in_one_process_synchronised_batch_norm_is_torch_bit_for_bit():
    for layer, x in worker.batch_norm_cases().values():
        expected = worker.batch_norm(layer, x)
        layer.reset_running_stats()
        actual = worker.batch_norm(distributed.synchronise_batch_norm(layer), x)
        assert all(torch.equal(actual[key], expected[key]) for key in expected)
        assert actual.keys() == expected.keys()


def test_conversion_keeps_parameters_names_and_mode():
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Sequential(nn.BatchNorm2d(2), nn.ReLU())).eval()
    before = {name: id(p) for name, p in network.named_parameters()}
    keys = list(network.state_dict())
    converted = distributed.synchronise_batch_norm(network)
    assert isinstance(converted[1][0], distributed.SynchronisedBatchNorm)
    assert {name: id(p) for name, p in converted.named_parameters()} == before
    assert list(converted.state_dict()) == keys
    assert not converted[1][0].training
    assert distributed.synchronise_batch_norm(converted)[1][0] is converted[1][0]


def test_a_batch_norm_with_a_forward_of_its_own_is_refused():
    class Activated(nn.BatchNorm2d):
        def forward(self, input):
            return super().forward(input).relu()

    with pytest.raises(InputError, match="Activated is a batch norm of its own kind"):
        distributed.synchronise_batch_norm(nn.Sequential(Activated(2)))


def test_in_one_process_everything_is_the_identity():
    x = torch.randn(3, 2, requires_grad=True)
    assert distributed.gather_batch(x) is x
    assert distributed.gather_rows(x) is x
    assert torch.equal(distributed.all_reduce_sum(x), x)
    assert torch.equal(distributed.all_reduce_mean(x), x)
    assert torch.equal(distributed.broadcast(x), x)
    p = nn.Parameter(torch.ones(2))
    p.grad = torch.tensor([1.0, 2.0])
    distributed.average_gradients([p])
    assert p.grad.tolist() == [1.0, 2.0]
