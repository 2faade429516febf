import copy

import pytest
import torch
from method_cases import clustered_views, small_method
from torch import nn

from contrascope.encoders.settings import ProjectorSettings
from contrascope.errors import InputError
from contrascope.losses.contrastive import info_nce_queue
from contrascope.methods.build import build_method
from contrascope.methods.momentum.moco_settings import MoCoSettings
from contrascope.methods.split_norm import SplitBatchNorm
from contrascope.methods.views import as_batch


def keys_by_hand(method, views):
    method = copy.deepcopy(method)
    z = torch.stack([method.target_projector(method.target_encoder(view)) for view in views])
    return z.detach()


def test_the_queue_starts_with_unit_vectors_of_its_seed():
    queue = small_method("moco").queue
    torch.testing.assert_close(queue.norm(dim=1), torch.ones(40))
    assert torch.equal(small_method("moco", seed=5).queue, queue)
    assert (queue @ queue.T - torch.eye(40)).abs().max() < 1 - 1e-4


def test_keys_of_all_views_enter_in_order_and_wrap_around():
    method = small_method("moco", splits=0, queue_size=40)
    start = method.queue.clone()
    first, second = clustered_views(seed=1), clustered_views(seed=2)
    expected = keys_by_hand(method, first).flatten(0, 1)
    method(first)
    assert torch.equal(method.queue, start)
    method.after_step(0.0)
    torch.testing.assert_close(method.queue[:32], nn.functional.normalize(expected, dim=1))
    assert torch.equal(method.queue[32:], start[32:])
    assert method.pointer.item() == 32

    expected = nn.functional.normalize(keys_by_hand(method, second).flatten(0, 1), dim=1)
    kept = method.queue[24:32].clone()
    method(second)
    method.after_step(0.0)
    torch.testing.assert_close(method.queue[32:], expected[:8])
    torch.testing.assert_close(method.queue[:24], expected[8:])
    assert torch.equal(method.queue[24:32], kept)
    assert method.pointer.item() == 24


def test_more_keys_than_places_leave_the_latest():
    method = small_method("moco", splits=0, queue_size=5)
    views = clustered_views()
    expected = nn.functional.normalize(keys_by_hand(method, views).flatten(0, 1), dim=1)
    method(views)
    method.after_step(0.0)
    places = torch.arange(27, 32) % 5
    torch.testing.assert_close(method.queue[places], expected[27:])
    assert method.pointer.item() == 32 % 5


def test_the_loss_sees_keys_of_the_target_and_the_queue_before_the_step():
    method = small_method("moco", splits=0, temperature=0.3)
    with torch.no_grad():
        method.target_encoder.conv.weight.mul_(-1)
    views = clustered_views()
    keys = keys_by_hand(method, views)
    z = torch.stack([view for view in copy.deepcopy(method)(views).z])
    expected = info_nce_queue(z, keys, queue=method.queue, temperature=0.3)
    torch.testing.assert_close(method(views).terms.total, expected.total)


def test_keys_are_shuffled_over_the_splits_and_come_back_in_order():
    method = small_method("moco", splits=4)
    views = clustered_views()
    plain = torch.stack([copy.deepcopy(method.target_encoder)(view) for view in views])
    keys = method.targets(as_batch(views))
    in_order = torch.stack([method.target_projector(h) for h in plain])
    assert (keys - in_order).abs().max() > 0.05  # other images share a split
    frozen = copy.deepcopy(method)
    for module in frozen.modules():
        if isinstance(module, SplitBatchNorm):
            module.eval()
    expected = torch.stack([frozen.target_projector(frozen.target_encoder(view)) for view in views])
    torch.testing.assert_close(frozen.targets(as_batch(views)), expected)


def test_shuffles_differ_between_views_and_steps_and_are_permutations():
    method = small_method("moco")
    orders = [method._order(16, view=0), method._order(16, view=1)]
    method.steps += 1
    orders.append(method._order(16, view=0))
    assert all(order.sort().values.tolist() == list(range(16)) for order in orders)
    assert len({tuple(order.tolist()) for order in orders}) == 3


def test_split_batch_norm_equals_batch_norm_of_each_part():
    split, plain = SplitBatchNorm(3, splits=4), [nn.BatchNorm2d(3) for _ in range(4)]
    x = torch.randn(8, 3, 2, 2, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 9).view(
        -1, 1, 1, 1
    )
    expected = torch.cat([norm(part) for norm, part in zip(plain, x.chunk(4), strict=True)])
    torch.testing.assert_close(split(x), expected)
    for name in ("running_mean", "running_var"):
        average = torch.stack([getattr(norm, name) for norm in plain]).mean(0)
        torch.testing.assert_close(getattr(split, name), average)
    reference = nn.BatchNorm2d(3).eval()
    reference.load_state_dict(split.state_dict())
    torch.testing.assert_close(split.eval()(x), reference(x))


def test_a_batch_that_the_splits_do_not_divide_is_refused():
    with pytest.raises(InputError, match=r"4 splits need .* got 15 images on each of 1 processes"):
        small_method("moco", splits=4)(clustered_views(batch=15))


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(InputError, match="set joint_pass=False, or splits=0"):
        small_method("moco", joint_pass=True)
    with pytest.raises(InputError, match="queue_size must be at least 1; got 0"):
        small_method("moco", queue_size=0)


class Small(nn.Module):
    dim = 8

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(36, 8)

    def forward(self, images):
        return torch.tanh(self.layer(images.flatten(1)))


def small(**settings):
    """MoCo without batch norm, the same weights every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        projector = ProjectorSettings(hidden=(12,), out=6)
        return build_method(MoCoSettings(splits=0, projector=projector, **settings), Small())


def gradient(method):
    return torch.cat([p.grad.flatten() for p in method.parameters() if p.requires_grad])


def normal(seed, *shape, dtype):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("positives", ["worst", "worst-symmetric"])
@pytest.mark.parametrize(("views", "temperature"), [(2, 0.1), (2, 0.07), (3, 0.2), (4, 0.3)])
def test_pairs_tie_at_the_first_step_and_parts_of_the_batch_choose_the_same(positives, views, temperature):
    images = normal(1, views, 64, 1, 6, 6, dtype=torch.float32)

    def of(parts):
        method = small(positives=positives, temperature=temperature, queue_size=64)
        for part in images.chunk(parts, dim=1):
            (method(part).terms.total / parts).backward()
        return gradient(method)

    whole = of(1)
    for parts in (2, 8, 32, 64):
        assert (of(parts) - whole).abs().max() < 1e-5 * whole.abs().max()


@pytest.mark.parametrize("size", [1, 5, 17, 31, 32, 33, 48, 100])
@pytest.mark.parametrize(("positives", "parts"), [("average", 2), ("average", 8), ("worst", 4)])
def test_accumulation_is_exact_whatever_the_queues_size(size, positives, parts):
    whole = small(queue_size=size, positives=positives).double()
    cut = copy.deepcopy(whole)
    assert cut.accumulation == "exact"
    for step in range(5):
        views = normal(step, 2, 16, 1, 6, 6, dtype=torch.float64)
        whole(views).terms.total.backward()
        for part in views.chunk(parts, dim=1):
            (cut(part).terms.total / parts).backward()
        torch.testing.assert_close(gradient(cut), gradient(whole), rtol=1e-9, atol=1e-12)
        for method in (whole, cut):
            with torch.no_grad():
                for p in method.parameters():
                    if p.grad is not None:
                        p.sub_(0.05 * p.grad)
            method.zero_grad()
            method.after_step(step / 5)
        torch.testing.assert_close(cut.queue, whole.queue, rtol=1e-9, atol=1e-12)
        assert cut.pointer == whole.pointer
