"""What every registered method keeps; a new one is tested by its entry in the registry."""

import copy

import pytest
import torch
from method_cases import JOINT, SmallEncoder, clustered_views, small_method, small_settings
from torch import nn

from contrascope.errors import InputError
from contrascope.methods.build import build_method
from contrascope.methods.settings import MethodSettings

each_method = pytest.mark.parametrize("name", JOINT)


def optimiser_of(method):
    return torch.optim.Adam([p for p in method.parameters() if p.requires_grad], lr=3e-3)


def train(method, optimiser, *, first, last, views=2):
    method.train()
    losses = []
    for step in range(first, last):
        terms = method(clustered_views(views=views, seed=step % 4)).terms
        optimiser.zero_grad()
        terms.total.backward()
        optimiser.step()
        method.after_step(step / 30)
        losses.append(terms.total.item())
    return losses


@each_method
def test_the_loss_falls_when_it_is_optimised(name):
    method = small_method(name)
    losses = train(method, optimiser_of(method), first=0, last=32)
    assert sum(losses[-4:]) < sum(losses[:4]) - 0.02 * abs(sum(losses[:4]))


@each_method
def test_three_views_are_taken_and_all_of_them_count(name):
    method = small_method(name)
    views = clustered_views(views=3)
    before = method(views).terms.total.item()
    method = small_method(name)
    views[2] = views[2].flip(-1)
    assert method(views).terms.total.item() != pytest.approx(before, rel=1e-4)
    assert train(method, optimiser_of(method), first=0, last=2, views=3)


@each_method
def test_one_view_is_refused(name):
    with pytest.raises(InputError, match=r"expected at least 2. Raise `num_views`"):
        small_method(name)(clustered_views(views=1))


@each_method
def test_gradients_reach_all_that_is_trained_and_no_target(name):
    method = small_method(name)
    method(clustered_views()).terms.total.backward()
    for key, parameter in method.named_parameters():
        if key.startswith("target_"):
            assert not parameter.requires_grad, key
            assert parameter.grad is None, key
        else:
            assert parameter.grad is not None, key


@each_method
def test_a_resumed_method_continues_bit_for_bit(name):
    whole = small_method(name)
    optimiser = optimiser_of(whole)
    train(whole, optimiser, first=0, last=3)
    state, optimiser_state = copy.deepcopy(whole.state_dict()), copy.deepcopy(optimiser.state_dict())
    expected = train(whole, optimiser, first=3, last=7)

    resumed = small_method(name, seed=1)
    resumed.load_state_dict(state)
    optimiser = optimiser_of(resumed)
    optimiser.load_state_dict(optimiser_state)
    assert train(resumed, optimiser, first=3, last=7) == expected
    for key, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[key], value), key


@each_method
def test_permuting_the_batch_changes_nothing(name):
    order = torch.randperm(16, generator=torch.Generator().manual_seed(0))
    views = clustered_views()
    one, other = small_method(name, splits=0), small_method(name, splits=0)
    expected = one(views).terms.total
    torch.testing.assert_close(other(views[:, order]).terms.total, expected, rtol=1e-5, atol=1e-5)


@each_method
def test_swapping_views_changes_nothing(name):
    views = clustered_views()
    one, other = small_method(name, splits=0), small_method(name, splits=0)
    expected = one(views).terms.total
    torch.testing.assert_close(other(views.flip(0)).terms.total, expected, rtol=1e-5, atol=1e-5)


@each_method
def test_outputs_are_detached_and_are_what_the_networks_give(name):
    method = small_method(name)
    views = clustered_views()
    output = copy.deepcopy(method)(views)
    h = torch.stack([method.encoder(view) for view in views])
    assert not output.h.requires_grad
    assert not output.z.requires_grad
    assert torch.equal(output.h, h)
    assert torch.equal(output.z, torch.stack([method.projector(view) for view in h]))


@each_method
def test_a_joint_pass_mixes_the_batch_norm_statistics_of_the_views(name):
    views = clustered_views()
    views[1] += 1
    changes = {"splits": 0, "joint_pass": True}
    method = small_method(name, **changes)
    h = method(views).h
    expected = small_method(name, **changes).encoder(views.flatten(0, 1)).unflatten(0, (2, 16))
    torch.testing.assert_close(h, expected)
    assert (small_method(name, splits=0)(views).h - h).abs().max() > 0.1


@each_method
def test_evaluation_changes_no_state(name):
    method = small_method(name).eval()
    before = copy.deepcopy(method.state_dict())
    method(clustered_views())
    assert all(torch.equal(value, before[key]) for key, value in method.state_dict().items())


@each_method
def test_accumulation_is_refused_where_images_meet_in_the_loss_or_in_batch_norm(name):
    method = small_method(name)
    couples = method.couples() is not None
    assert method.accumulation == "refused"
    expected = "compares the images" if couples else r"batch norm \(encoder.norm\)"
    with pytest.raises(AssertionError, match=expected):
        raise AssertionError(method.accumulation_problem())
    method.eval()
    assert method.accumulation == ("refused" if couples else "exact")


@each_method
def test_what_is_called_exact_accumulates_exactly(name):
    method = small_method(name)
    for module in method.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
    views = clustered_views()
    method(views).terms.total.backward()
    whole = [p.grad.clone() for p in method.parameters() if p.grad is not None]
    method.zero_grad()
    halves = [method(part.contiguous()).terms.total / 2 for part in views.chunk(2, dim=1)]
    sum(halves).backward()
    added = [p.grad for p in method.parameters() if p.grad is not None]
    error = max((a - b).abs().max() for a, b in zip(added, whole, strict=True))
    scale = max(g.abs().max() for g in whole)
    assert bool(error < 1e-5 * scale) == (method.accumulation == "exact")


def test_settings_of_no_method_and_encoders_without_width_are_refused():
    with pytest.raises(
        InputError, match=r"no method has settings of type MethodSettings; expected one of .*SimCLR"
    ):
        build_method(MethodSettings(), SmallEncoder())
    with pytest.raises(InputError, match=r"Flatten has None. Wrap it"):
        build_method(small_settings("simclr"), nn.Flatten())


@pytest.mark.parametrize("name", ["simsiam", "byol"])
def test_a_predictor_of_another_width_is_refused(name):
    from contrascope.encoders.settings import ProjectorSettings

    with pytest.raises(InputError, match="projector's, 6 wide; got out=5"):
        small_method(name, predictor=ProjectorSettings(hidden=(), out=5))
