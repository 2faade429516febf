import os

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.augment import compiled, make_views, policy
from contrascope.augment.jitter import ColorJitter, Grayscale

pytest.importorskip("numba", reason="pip install -e '.[fast]'")


def both(monkeypatch, function):
    with monkeypatch.context() as changed:
        changed.setenv(compiled.OFF, "1")
        assert compiled.kernels_for(torch.zeros(1)) is None
        tensor_code = function()
    assert compiled.kernels_for(torch.zeros(1)) is not None
    return function(), tensor_code


@settings(derandomize=True, deadline=None, max_examples=25)
@given(
    channels=st.sampled_from([1, 3]),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    size=st.sampled_from([None, 1, 9, 24, 61]),
    whole=st.booleans(),
)
def test_compiled_views_have_the_bits_of_the_tensor_code(channels, height, width, size, whole):
    draw = torch.Generator().manual_seed(height * 41 + width)
    images = torch.randint(0, 256, (5, channels, height, width), dtype=torch.uint8, generator=draw)
    images = images if whole else images / 255
    settings = {"ids": torch.arange(5), "seed": 3, "epoch": 1}
    with pytest.MonkeyPatch.context() as changed:
        (ours, _), (theirs, _) = both(
            changed, lambda: make_views(images, policy("acde", size=size), **settings)
        )
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("only", ["brightness", "contrast", "saturation", "hue"])
def test_one_adjustment_alone_has_the_bits_of_the_tensor_code(monkeypatch, pictures, only):
    images = pictures(24, 3, 17, 23)
    images[0] = 0
    images[1] = 1
    images[2] = images[2, :1]
    count = len(images)
    params = {
        "on": torch.arange(count) % 3 > 0,
        "order": torch.stack([torch.randperm(4) for _ in range(count)]),
        **{name: torch.linspace(0, 2, count) for name in ("brightness", "contrast", "saturation")},
        "hue": torch.linspace(-0.5, 0.5, count),
    }
    before = images.clone()
    op = ColorJitter(**{only: 0.5})
    ours, theirs = both(monkeypatch, lambda: op.apply(images, params))
    assert torch.equal(ours, theirs)
    assert torch.equal(images, before)
    assert not torch.equal(ours, images)
    assert torch.equal(ours[~params["on"]], images[~params["on"]])


def test_colour_dropping_has_the_bits_of_the_tensor_code_and_spares_its_input(monkeypatch, pictures):
    images = pictures(6, 3, 5, 7).transpose(2, 3)
    before = images.clone()
    params = {"on": torch.tensor([True, False, True, False, True, True])}
    ours, theirs = both(monkeypatch, lambda: Grayscale().apply(images, params))
    assert torch.equal(ours, theirs)
    assert torch.equal(images, before)


def test_other_types_and_empty_batches_take_the_tensor_code():
    assert compiled.kernels_for(torch.zeros(1, dtype=torch.float64)) is None
    assert compiled.kernels_for(torch.zeros(0, 3)) is None
    assert compiled.kernels_for(torch.zeros(1, device="meta")) is None
    views, _ = make_views(
        torch.zeros(0, 3, 8, 8, dtype=torch.uint8), policy("acde"), ids=torch.arange(0), seed=0, epoch=0
    )
    assert views.shape == (2, 0, 3, 8, 8)


@pytest.mark.parametrize("threads", [2, 3, 64])
def test_the_number_of_threads_changes_no_bit(pictures, monkeypatch, threads):
    images, chosen = pictures(5, 3, 30, 30), policy("acde", size=40)
    settings = {"ids": torch.arange(5), "seed": 0, "epoch": 0, "num_views": 3}
    alone, _ = make_views(images, chosen, **settings)
    monkeypatch.setattr(compiled, "LEAST_VALUES", 0)
    torch.set_num_threads(threads)
    assert torch.equal(make_views(images, chosen, **settings)[0], alone)


def test_a_fault_in_any_thread_reaches_the_caller(monkeypatch):
    def kernel(start, stop, array):
        if start > 0:
            raise ValueError(f"images {start} to {stop}")

    monkeypatch.setattr(compiled, "LEAST_VALUES", 0)
    torch.set_num_threads(2)
    with pytest.raises(ValueError, match="images 4 to 8"):
        compiled.run(kernel, 8, torch.zeros(8))


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_makes_views_with_threads_of_its_own(pictures, monkeypatch):
    monkeypatch.setattr(compiled, "LEAST_VALUES", 0)
    torch.set_num_threads(2)
    done = []
    compiled.run(lambda start, stop, array: done.append((start, stop)), 8, torch.zeros(8))
    assert sorted(done) == [(0, 4), (4, 8)]
    child = os.fork()
    if child == 0:
        compiled.run(lambda start, stop, array: None, 8, torch.zeros(8))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
