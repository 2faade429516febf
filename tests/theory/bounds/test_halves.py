"""Halves of every class share no image, lose none, and keep the classes' shares."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from contrascope.errors import InputError
from contrascope.theory.bounds.halves import class_halves


@given(counts=st.lists(st.integers(1, 9), min_size=2, max_size=5), seed=st.integers(0, 99))
def test_every_image_is_judged_by_one_half_and_makes_the_centre_of_the_other(counts, seed):
    codes = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    halves = class_halves(codes, len(counts), max_images=None, seed=seed)
    for k, count in enumerate(counts):
        first, second = halves.judged(k, 0), halves.judged(k, 1)
        assert bool((first ^ second).all())
        assert abs(int(first.sum()) - int(second.sum())) == count % 2
        assert halves.images[k].tolist() == (codes == k).nonzero().flatten().tolist()
    assert halves.priors.tolist() == pytest.approx([count / len(codes) for count in counts])


def test_the_odd_images_are_shared_between_the_halves():
    halves = class_halves(torch.arange(4).repeat_interleave(3), 4)
    assert sum(int(halves.judged(k, 0).sum()) for k in range(4)) == 6


def test_a_class_is_represented_by_so_many_and_weighs_its_whole_share():
    codes = (torch.arange(100) >= 90).long()
    halves = class_halves(codes, 2, max_images=20, seed=1)
    assert [len(images) for images in halves.images] == [20, 10]
    assert halves.priors.tolist() == [0.9, 0.1]
    assert halves.size() == pytest.approx(10 / 0.9)
    assert halves.size(torch.tensor([0.5, 0.5], dtype=torch.float64)) == pytest.approx(10.0)


def test_the_seed_alone_decides():
    codes = torch.arange(60) % 2
    one, again, other = (class_halves(codes, 2, seed=seed).second[0] for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_no_images_are_refused():
    with pytest.raises(InputError, match="max_images=0; expected at least 1, or None for all"):
        class_halves(torch.arange(4) % 2, 2, max_images=0)
