"""Unit vectors and the log-sum-exp over negatives."""

import torch

from contrascope.losses.similarity import log_negatives, unit


def test_the_zero_vector_stays_zero_with_gradient_zero():
    z = torch.zeros(2, 3, requires_grad=True)
    unit(z).sum().backward()
    assert unit(z).abs().max().item() == 0.0
    assert z.grad.abs().max().item() == 0.0


def test_very_short_and_very_long_vectors_become_unit_in_float32():
    z = torch.tensor([[3e-12, 4e-12], [3e12, 4e12]])
    torch.testing.assert_close(unit(z), torch.tensor([[0.6, 0.8], [0.6, 0.8]]))


def test_negatives_are_both_views_of_other_images_by_hand():
    online = torch.tensor([[[1.0], [2.0]], [[3.0], [4.0]]])
    target = torch.tensor([[[1.0], [0.5]], [[0.25], [2.0]]])
    # anchors in the order pair (0, 1) images 0, 1, then pair (1, 0): each meets the other image's two targets
    meets = [[[0.5, 2.0], [2.0, 0.5]], [[1.5, 6.0], [4.0, 1.0]]]
    expected = torch.tensor(meets).logsumexp(-1)
    torch.testing.assert_close(log_negatives(online, target), expected)
