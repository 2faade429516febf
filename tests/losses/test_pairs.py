"""The layout of ordered pairs of views and the one reduction over them."""

import math

import pytest
import torch

from contrascope.errors import InputError
from contrascope.losses import pairs


def test_all_layouts_of_pairs_agree():
    z, target = torch.arange(24.0).sin().view(3, 4, 2), torch.arange(24.0).cos().view(3, 4, 2)
    order = [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]
    products = torch.stack([(z[a] * target[b]).sum(-1) for a, b in order])
    torch.testing.assert_close(pairs.pair_products(z, target), products)
    squares = torch.stack([(z[a] - target[b]).square().sum(-1) for a, b in order])
    torch.testing.assert_close(pairs.pair_square_distances(z, target), squares)


def test_off_diagonal_keeps_the_reading_order_and_copies_nothing():
    square = torch.arange(18.0).view(2, 3, 3)
    rest = pairs.off_diagonal(square)
    assert rest.flatten(1).tolist() == [[1, 2, 3, 5, 6, 7], [10, 11, 12, 14, 15, 16]]
    assert rest.untyped_storage().data_ptr() == square.untyped_storage().data_ptr()


def test_the_average_weighs_all_pairs_alike():
    align = torch.tensor([[1.0, 5.0], [2.0, 6.0], [6.0, 1.0]])
    assert pairs.reduce_pairs(align, "average").tolist() == [3.0, 4.0]


def test_an_unknown_reduction_gets_a_suggestion():
    reduce = getattr(pairs.reduce_pairs, "__wrapped__", pairs.reduce_pairs)
    with pytest.raises(InputError, match=r"unknown positives 'averag'\. Did you mean 'average'\?"):
        reduce(torch.ones(2, 3), "averag")


def test_the_worst_takes_the_largest_alignment_and_one_gradient_even_of_equal_ones():
    align = torch.tensor([[1.0, 5.0, 2.0], [2.0, 6.0, 2.0], [6.0, 1.0, 2.0]], requires_grad=True)
    worst = pairs.reduce_pairs(align, "worst")
    assert worst.tolist() == [6.0, 6.0, 2.0]
    (gradient,) = torch.autograd.grad(worst.sum(), align)
    assert gradient.sum(0).tolist() == [1.0, 1.0, 1.0]
    assert sorted(gradient.flatten().tolist()) == [0.0] * 6 + [1.0] * 3


def test_soft_worst_weighs_pairs_by_softmax_and_never_passes_the_worst():
    align = torch.tensor([[1.0, 3.0], [2.0, 3.0]], dtype=torch.float64, requires_grad=True)
    soft = pairs.reduce_pairs(align, pairs.SoftWorst(temperature=0.5))
    expected = 0.5 * math.log((math.exp(2) + math.exp(4)) / 2)
    assert soft.tolist() == pytest.approx([expected, 3.0])
    (gradient,) = torch.autograd.grad(soft.sum(), align)
    torch.testing.assert_close(gradient, (align.detach() / 0.5).softmax(0))
    assert torch.autograd.gradcheck(lambda x: pairs.reduce_pairs(x, pairs.SoftWorst(temperature=0.5)), align)


def test_not_a_number_is_never_hidden_by_the_worst():
    align = torch.tensor([[math.nan, 1.0], [2.0, 3.0]])
    for positives in ("worst", "average", pairs.SoftWorst(temperature=1.0)):
        assert pairs.reduce_pairs(align, positives).isnan().tolist() == [True, False]


def test_square_distances_have_the_gradient_of_their_formula():
    z, target = (torch.arange(24.0, dtype=torch.float64).add(s).sin().view(3, 4, 2) for s in (0, 1))
    for branches in ((z, z), (z, target)):
        leaves = [one.clone().requires_grad_() for one in branches]
        assert torch.autograd.gradcheck(pairs.pair_square_distances, leaves)


def test_views_without_any_distance_still_make_a_pair():
    z = torch.ones(3, 4, 2)
    picked, none = pairs.farthest_views(z, None, lambda: torch.zeros(6, 4), "worst")
    assert none is None
    assert torch.equal(picked, torch.ones(2, 4, 2))


def test_the_word_and_the_temperature_of_the_settings_belong_together():
    assert pairs.named_positives("worst") == "worst"
    assert pairs.named_positives("soft-worst", 2.0) == pairs.SoftWorst(temperature=2.0)
    with pytest.raises(InputError, match=r"'soft-worst' needs a temperature.*Set `positives_temperature`"):
        pairs.named_positives("soft-worst")
    with pytest.raises(InputError, match=r"positives is 'worst'; only soft-worst has one. Leave it unset"):
        pairs.named_positives("worst", 1.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("views", [2, 3, 4])
def test_pairs_that_tie_are_told_apart_by_their_order_and_not_by_rounding(views, dtype):
    """Products of equal branches are symmetric; a unit in the last place more for the later pair changes nothing."""
    z = torch.nn.functional.normalize(
        torch.randn(views, 50, 6, generator=torch.Generator().manual_seed(views), dtype=torch.float64), dim=-1
    ).to(dtype)
    align = -pairs.pair_products(z, z) / 0.07
    chosen = pairs.worst_pair(align, scale=1 / 0.07)
    order = [(a, b) for a in range(views) for b in range(views) if a != b]
    assert all(a < b for a, b in (order[place] for place in chosen.tolist()))
    for seed in range(5):
        noise = torch.randn(align.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        moved = align + (noise.clamp(-3, 3) * torch.finfo(dtype).eps / 0.07).to(dtype)
        assert torch.equal(pairs.worst_pair(moved, scale=1 / 0.07), chosen)


def test_a_pair_that_is_worse_by_more_than_rounding_is_chosen_however_small_all_are():
    align = torch.tensor([[1.0, 1e-8, 1e-20, 0.0], [1.0001, 1.001e-8, 1.01e-20, 1e-30]])
    assert pairs.worst_pair(align).tolist() == [1, 1, 1, 1]
    assert pairs.reduce_pairs(align, "worst").tolist() == align[1].tolist()
