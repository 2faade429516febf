"""The augmented distance under masks."""

import itertools

import pytest
import torch

from contrascope.errors import InputError
from contrascope.theory.concentration.masked_distance import masked_distance


def drawn(images: int, tokens: int = 5, pixels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(images)
    return torch.randn(images, tokens, pixels, generator=generator, dtype=torch.float64) + 3


@pytest.mark.parametrize("visible", [1, 2, 4, 5])
def test_it_is_the_least_over_all_masks(visible):
    x, y = drawn(6), drawn(4)
    slow = torch.empty(6, 4, dtype=torch.float64)
    for i, j in itertools.product(range(6), range(4)):
        masks = itertools.combinations(range(5), visible)
        slow[i, j] = min((x[i, list(mask)] - y[j, list(mask)]).norm() for mask in masks)
    torch.testing.assert_close(masked_distance(x, visible=visible, other=y), slow)


def test_blocks_change_nothing_and_it_is_symmetric():
    x = drawn(17)
    whole = masked_distance(x, visible=2)
    torch.testing.assert_close(masked_distance(x, visible=2, block_floats=200), whole)
    assert torch.equal(whole, whole.T)
    assert bool((whole.diagonal() == 0).all())


def test_fewer_visible_patches_bring_images_together():
    x = drawn(9)
    distances = [masked_distance(x, visible=count) for count in range(1, 6)]
    assert all(bool((a <= b + 1e-12).all()) for a, b in itertools.pairwise(distances))


def test_single_precision_is_near_double():
    x = drawn(12) * 100
    torch.testing.assert_close(
        masked_distance(x.float(), visible=3).double(), masked_distance(x, visible=3), rtol=1e-4, atol=1e-1
    )


@pytest.mark.parametrize("visible", [0, 6])
def test_a_number_of_patches_that_there_is_not_is_refused(visible):
    with pytest.raises(InputError, match=f"visible is {visible}; expected 1 to 5"):
        masked_distance(drawn(3), visible=visible)


def test_patches_of_another_size_are_refused():
    with pytest.raises(InputError, match="expected equally many of equal size"):
        masked_distance(drawn(3), visible=1, other=drawn(3, pixels=4))
