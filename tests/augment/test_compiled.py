import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.augment import compiled, make_views, policy
from contrascope.augment.jitter import ColorJitter, Grayscale

pytest.importorskip("numba", reason="pip install 'contrascope[fast]'")


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
