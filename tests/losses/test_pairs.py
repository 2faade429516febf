"""The layout of ordered pairs of views and the one reduction over them."""

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
