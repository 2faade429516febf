import errno

import pytest
import torch

from contrascope import records
from contrascope.errors import InputError
from contrascope.training import checkpoint
from contrascope.training.checkpoint import load_checkpoint, prune_checkpoints, read_weights, save_checkpoint
from contrascope.training.optim import build_optimizer
from contrascope.training.settings import OptimSettings


def take_steps(method, optimizer, count, seed):
    for i in range(count):
        generator = torch.Generator().manual_seed(seed + i)
        method(torch.rand(2, 16, 1, 8, 8, generator=generator)).terms.total.backward()
        optimizer.step()
        optimizer.zero_grad()
        method.after_step(0.1)


def assert_same_state(one, other):
    mine, theirs = one.state_dict(), other.state_dict()
    assert list(mine) == list(theirs)
    for name, value in mine.items():
        assert torch.equal(value, theirs[name]), name


@pytest.mark.parametrize("name", ["simclr", "moco"])
@pytest.mark.parametrize("optim", ["sgd", "adamw", "lars"])
def test_a_checkpoint_brings_back_every_tensor_and_the_steps_after_it(tmp_path, make_method, name, optim):
    settings = OptimSettings(name=optim, lr=0.01)
    one = make_method(name)
    first = build_optimizer(settings, one)
    take_steps(one, first, 3, seed=0)
    folder = save_checkpoint(tmp_path, step=3, method=one, optimizer=first, state={"epochs": 2})
    other = make_method(name, seed=1)
    second = build_optimizer(settings, other)
    state = load_checkpoint(folder, method=other, optimizer=second)
    assert (state["step"], state["epochs"]) == (3, 2)
    assert_same_state(one, other)
    take_steps(one, first, 2, seed=50)
    take_steps(other, second, 2, seed=50)
    assert_same_state(one, other)


def test_a_full_disk_loses_no_earlier_checkpoint_and_says_which_is_left(tmp_path, make_method, monkeypatch):
    method = make_method()
    optimizer = build_optimizer(OptimSettings(), method)
    kept = save_checkpoint(tmp_path, step=1, method=method, optimizer=optimizer, state={})
    calls = []

    def full(tensors, path):
        calls.append(path)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        path.write_bytes(b"half")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(InputError) as caught:
        save_checkpoint(tmp_path, step=2, method=method, optimizer=optimizer, state={})
    message = str(caught.value)
    assert "step 2 could not be saved: the disk is full" in message
    assert f"The last good checkpoint is {kept}" in message
    assert "--resume" in message
    assert records.checkpoint_folders(tmp_path) == [(1, kept)]
    assert [path.name for path in kept.parent.iterdir()] == ["step-00000001"]
    read_weights(kept, make_method(seed=2))


def test_pruning_keeps_the_newest_and_the_multiples(tmp_path):
    for step in range(1, 9):
        with records.new_checkpoint(tmp_path, step) as folder:
            (folder / "x").write_text("x")
    prune_checkpoints(tmp_path, keep_last=2, keep_every=3)
    assert [step for step, _ in records.checkpoint_folders(tmp_path)] == [3, 6, 7, 8]
    prune_checkpoints(tmp_path, keep_last=1, keep_every=0)
    assert [step for step, _ in records.checkpoint_folders(tmp_path)] == [8]


def test_a_damaged_or_foreign_checkpoint_is_refused_by_name(tmp_path, make_method):
    method = make_method("moco")
    folder = save_checkpoint(
        tmp_path, step=1, method=method, optimizer=build_optimizer(OptimSettings(), method), state={}
    )
    with pytest.raises(InputError, match="does not fit this method"):
        read_weights(folder, make_method("simclr"))
    path = folder / checkpoint.METHOD
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"method\.safetensors cannot be read"):
        read_weights(folder, method)
