"""NT-Xent, decoupled, modified InfoNCE and InfoNCE with a queue against slow loops and numbers by hand."""

import inspect
import math

import pytest
import torch

from contrascope.errors import InputError
from contrascope.losses.contrastive import decoupled, info_nce_queue, modified_info_nce, nt_xent


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def cosine(x, y):
    dot = sum(a * b for a, b in zip(x, y, strict=True))
    return dot / math.sqrt(sum(a * a for a in x)) / math.sqrt(sum(b * b for b in y))


def anchors(z, target):
    """Anchor, its positive and its negatives, for every ordered pair of views and every image."""
    z, target = z.tolist(), target.tolist()
    for a in range(len(z)):
        for b in range(len(z)):
            for i in range(len(z[0])) if a != b else ():
                negatives = [target[v][j] for v in (a, b) for j in range(len(z[0])) if j != i]
                yield z[a][i], target[b][i], negatives


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def slow_nt_xent(anchor, positive, negatives, tau):
    exps = [math.exp(cosine(anchor, n) / tau) for n in [positive, *negatives]]
    return -math.log(math.exp(cosine(anchor, positive) / tau) / sum(exps))


def slow_decoupled(anchor, positive, negatives, tau):
    return -cosine(anchor, positive) / tau + math.log(
        sum(math.exp(cosine(anchor, n) / tau) for n in negatives)
    )


def slow_modified(anchor, positive, negatives, tau):
    square = 2 - 2 * cosine(anchor, positive)
    return square + 0.7 * math.log(sum(math.exp(cosine(anchor, n) / tau) for n in negatives))


CASES = {
    "nt_xent": (nt_xent, slow_nt_xent, {}),
    "decoupled": (decoupled, slow_decoupled, {}),
    "modified": (modified_info_nce, slow_modified, {"repulsion": 0.7}),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("views", [2, 3])
@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_in_batch_losses_equal_slow_loops(case, views, temperature):
    loss, slow, settings = CASES[case]
    z, other = normal(0, views, 5, 4), normal(1, views, 5, 4)
    for target in (None, other):
        expected = mean(slow(*anchor, temperature) for anchor in anchors(z, z if target is None else target))
        actual = loss(z, target, temperature=temperature, **settings).total
        assert actual.item() == pytest.approx(expected, abs=1e-10, rel=1e-10)


@pytest.mark.parametrize("views", [2, 3])
def test_info_nce_with_a_queue_equals_slow_loops(views):
    z, keys, queue = normal(0, views, 5, 4), normal(1, views, 5, 4), normal(2, 6, 4)
    for target in (None, keys):
        walk = anchors(z, z if target is None else target)
        expected = mean(slow_nt_xent(anchor, positive, queue.tolist(), 0.2) for anchor, positive, _ in walk)
        actual = info_nce_queue(z, target, queue=queue, temperature=0.2).total
        assert actual.item() == pytest.approx(expected, abs=1e-10)


def test_two_orthogonal_images_by_hand():
    """Each anchor: its positive at cosine 1, two negatives at cosine 0; temperature 1/2 makes e^2."""
    z = torch.eye(2, dtype=torch.float64).expand(2, 2, 2)
    assert nt_xent(z, temperature=0.5).total.item() == pytest.approx(math.log((math.e**2 + 2) / math.e**2))
    assert decoupled(z, temperature=0.5).total.item() == pytest.approx(math.log(2) - 2)
    terms = modified_info_nce(z, temperature=0.5, repulsion=3.0)
    assert terms.align.tolist() == [0.0, 0.0]
    assert terms.spread.item() == pytest.approx(3 * math.log(2))
    queue = torch.tensor([[1.0, 1.0], [-1.0, -1.0]], dtype=torch.float64)
    expected = math.log(1 + (math.exp(2**0.5) + math.exp(-(2**0.5))) / math.e**2)
    assert info_nce_queue(z, queue=queue, temperature=0.5).total.item() == pytest.approx(expected)


def test_the_target_is_what_an_anchor_meets_by_hand():
    """Online and target differ, and so do the views: mixing up branches or directions shows."""
    online = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]]], dtype=torch.float64)
    target = torch.tensor([[[0.0, 1.0], [1.0, 0.0]], [[1.0, 0.0], [-1.0, 0.0]]], dtype=torch.float64)
    positives = torch.tensor([[1.0, 0.0], [0.0, 1.0]])  # online 0 . target 1, online 1 . target 0, per image
    # per anchor: target views 0 and 1 of the other image
    negatives = [
        [1.0, -1.0],
        [1.0, 0.0],
        [-1.0, 1.0],
        [1.0, 0.0],
    ]
    terms = decoupled(online, target, temperature=1.0)
    assert terms.align.tolist() == (-positives.mean(0)).tolist()
    expected = mean(math.log(sum(math.exp(n) for n in pair)) for pair in negatives)
    assert terms.spread.item() == pytest.approx(expected)


def test_a_small_temperature_is_safe_in_float32():
    z = normal(3, 2, 16, 8)
    single = nt_xent(z.float().requires_grad_(), temperature=1e-3)
    exact = nt_xent(z, temperature=1e-3)
    assert single.total.item() == pytest.approx(exact.total.item(), rel=1e-5)
    perfect = z[:1].expand(2, 16, 8).float().clone().requires_grad_()
    terms = nt_xent(perfect, temperature=1e-3)
    terms.total.backward()
    assert abs(terms.total.item()) < 1e-3
    assert perfect.grad.isfinite().all()


def test_nt_xent_is_above_decoupled_and_above_zero():
    for seed in range(5):
        z = normal(seed, 3, 4, 3)
        assert nt_xent(z, temperature=0.3).spread > decoupled(z, temperature=0.3).spread
        assert nt_xent(z, temperature=0.3).total > 0


def test_a_queue_that_does_not_fit_is_refused():
    unchecked = inspect.unwrap(info_nce_queue)  # the shape checker of the tests would refuse it first
    for queue in (torch.ones(6, 4), torch.ones(0, 3)):
        with pytest.raises(InputError, match=r"got a queue of shape \(\d, \d\); expected \(size, 3\)"):
            unchecked(torch.ones(2, 4, 3), queue=queue, temperature=0.5)


def test_a_queue_in_half_precision_is_raised_to_that_of_the_queries():
    z = normal(4, 2, 4, 3).float()
    queue = normal(5, 6, 3).bfloat16()
    expected = info_nce_queue(z, queue=queue.float(), temperature=0.5).total
    assert info_nce_queue(z, queue=queue, temperature=0.5).total.item() == expected.item()
