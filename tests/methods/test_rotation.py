"""Rotation prediction: turns by hand, the loss as four plain batches, accumulation."""

import copy
import math

import pytest
import torch
from method_cases import clustered_views
from torch import nn

from contrascope.errors import InputError
from contrascope.methods.build import build_method
from contrascope.methods.pretext.rotation import quarter_turns
from contrascope.methods.pretext.rotation_settings import RotationSettings
from contrascope.methods.views import ViewBatch


class Flat(nn.Module):
    """A network that sees where a pixel is, without batch norm."""

    dim = 8

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(36, 8)

    def forward(self, images):
        return torch.tanh(self.layer(images.flatten(1)))


def rotation():
    torch.manual_seed(0)
    return build_method(RotationSettings(), Flat())


def test_a_quarter_turn_moves_every_pixel_against_the_clock():
    turned = quarter_turns(torch.arange(4.0).view(1, 1, 2, 2))
    assert turned.flatten(1).tolist() == [[0, 1, 2, 3], [1, 3, 0, 2], [3, 2, 1, 0], [2, 0, 3, 1]]
    image = torch.rand(2, 3, 5, 5)
    assert torch.equal(quarter_turns(quarter_turns(image)[1])[3], image)


def test_the_loss_of_an_image_is_the_mean_over_its_four_turns():
    method, image = rotation(), clustered_views(views=1)
    expected = torch.zeros(16)
    for turns in range(4):
        logits = method.head(method.encoder(image[0].rot90(turns, (2, 3))))
        for one in range(16):
            expected[one] -= logits[one].log_softmax(0)[turns] / 4
    output = method(image)
    torch.testing.assert_close(output.terms.align, expected)
    assert output.terms.spread.item() == 0
    torch.testing.assert_close(output.h[0], method.encoder(image[0]))
    assert not output.h.requires_grad
    assert output.z is None


def test_a_guess_costs_log_four_and_a_network_that_knows_costs_nothing():
    method, image = rotation(), clustered_views(views=1)
    nn.init.zeros_(method.head.weight)
    nn.init.zeros_(method.head.bias)
    assert method(image).terms.total.item() == pytest.approx(math.log(4))
    known = torch.zeros(1, 2, 1, 6, 6)
    known[..., 0, 0] = 1  # a mark in one corner, which each turn puts elsewhere
    corners = quarter_turns(known[0]).flatten(2)[:, 0]  # [4, 36]
    with torch.no_grad():
        method.encoder.layer.weight.zero_()
        method.encoder.layer.bias.zero_()
        method.encoder.layer.weight[:4] = 5 * corners
        method.head.weight[:, :4] = 20 * torch.eye(4)
    assert method(known).terms.total.item() < 1e-6


def test_it_asks_for_one_view_and_refuses_several_groups():
    assert [group.count for group in rotation().plan(5).groups] == [1]
    view = clustered_views(views=1)
    with pytest.raises(InputError, match="got 2 groups of views"):
        rotation()(ViewBatch(groups=(view, view), ids=torch.arange(16)))


def test_parts_of_a_batch_give_the_gradient_of_the_whole():
    whole, image = rotation().double(), clustered_views(views=1, dtype=torch.float64)
    cut = copy.deepcopy(whole)
    assert cut.accumulation == "exact"
    whole(image).terms.total.backward()
    for part in image.chunk(4, dim=1):
        (cut(part).terms.total / 4).backward()
    for (key, p), q in zip(whole.named_parameters(), cut.parameters(), strict=True):
        torch.testing.assert_close(q.grad, p.grad, rtol=1e-9, atol=1e-12, msg=key)


def test_no_setting_is_suspected():
    for word in ("not learning", "complete collapse", "dimensional collapse"):
        assert RotationSettings().suspects(word, {}) == ()
