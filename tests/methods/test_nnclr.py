import copy

import pytest
import torch
from method_cases import clustered_views, small_method
from torch.nn import functional as F

from contrascope.errors import InputError
from contrascope.losses.nnclr import nnclr
from contrascope.losses.similarity import nearest_places
from contrascope.methods.joint.nnclr_settings import NNCLRSettings


def embedded(method, views):
    method = copy.deepcopy(method)
    z = torch.stack([method.projector(method.encoder(view)) for view in views])
    return z, torch.stack([method.predictor(view) for view in z])


def test_its_step_is_the_loss_of_predictions_and_of_what_is_nearest_in_the_old_queue():
    method = small_method("nnclr", temperature=0.3)
    first, second = clustered_views(seed=1), clustered_views(seed=2)
    method(first)
    method.after_step(0.0)
    z, p = embedded(method, second)
    scores = F.normalize(z, dim=-1) @ method.queue.T
    expected = nnclr(p, method.queue[scores.argmax(-1)], temperature=0.3)
    found = method(second).terms
    torch.testing.assert_close(found.align, expected.align)
    torch.testing.assert_close(found.spread, expected.spread)


def test_view_1_alone_enters_the_queue_and_only_after_the_step():
    method = small_method("nnclr", queue_size=40)
    start, views = method.queue.clone(), clustered_views(seed=1)
    z, _ = embedded(method, views)
    method(views)
    assert torch.equal(method.queue, start)
    method.after_step(0.0)
    torch.testing.assert_close(method.queue[:16], F.normalize(z[0], dim=-1))
    assert torch.equal(method.queue[16:], start[16:])


def test_a_batch_that_meets_the_end_of_the_queue_loses_no_image():
    """Public codes drop the rest of the batch there, or ask for a size that batches divide."""
    method = small_method("nnclr", queue_size=20)
    for step in range(2):
        views = clustered_views(seed=step)
        z, _ = embedded(method, views)
        method(views)
        method.after_step(0.0)
    places = (16 + torch.arange(16)) % 20
    torch.testing.assert_close(method.queue[places], F.normalize(z[0], dim=-1))
    assert method.pointer.item() == 12


def test_no_gradient_flows_through_the_search():
    method = small_method("nnclr")
    views = clustered_views()
    method(views).terms.total.backward()
    found = method.encoder.conv.weight.grad.clone()
    reference = small_method("nnclr")
    z = torch.stack([reference.projector(reference.encoder(view)) for view in views])
    neighbours = reference.queue[(F.normalize(z.detach(), dim=-1) @ reference.queue.T).argmax(-1)]
    p = torch.stack([reference.predictor(view) for view in z])
    nnclr(p, neighbours, temperature=0.2).total.backward()
    torch.testing.assert_close(found, reference.encoder.conv.weight.grad)


@pytest.mark.parametrize("floats", [1, 100, 2**20])
def test_neighbours_are_the_same_in_blocks(floats, monkeypatch):
    from contrascope.losses import blocks

    generator = torch.Generator().manual_seed(0)
    queries, queue = (torch.randn(n, 5, generator=generator) for n in (17, 30))
    expected = (F.normalize(queries, dim=1) @ F.normalize(queue, dim=1).T).argsort(1, descending=True)[:, :3]
    monkeypatch.setattr(blocks, "BLOCK_FLOATS", floats)
    assert torch.equal(nearest_places(queries, queue, count=3), expected)


def test_its_hint_names_a_queue_of_few():
    assert "queue holds 10 embeddings" in NNCLRSettings(queue_size=10).hint("not learning", {}).cause
    assert NNCLRSettings().hint("not learning", {}) is None


def test_settings_that_cannot_be_built_are_refused():
    with pytest.raises(InputError, match="queue_size must be at least 1; got 0"):
        small_method("nnclr", queue_size=0)
