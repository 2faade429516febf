"""SupCon's loss beside loops, by hand, beside the public formula and where it is NT-Xent."""

import inspect
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from contrascope.errors import InputError
from contrascope.losses import LOSSES, blocks
from contrascope.losses.contrastive import nt_xent
from contrascope.losses.sup_con import sup_con


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def cosine(x, y):
    return (x @ y / x.norm() / y.norm()).item()


def slow(z, labels, tau):
    """Anchor by anchor: minus the mean over positives of the log share of each."""
    places = [(view, image) for view in range(z.shape[0]) for image in range(z.shape[1])]
    losses = []
    for anchor in places:
        scores = {place: cosine(z[anchor], z[place]) / tau for place in places if place != anchor}
        total = math.log(sum(math.exp(score) for score in scores.values()))
        positives = [place for place in scores if labels[place[1]] == labels[anchor[1]]]
        losses.append(sum(total - scores[place] for place in positives) / len(positives))
    return sum(losses) / len(losses)


@settings(derandomize=True, deadline=None, max_examples=12)
@given(
    seed=st.integers(0, 10_000),
    views=st.integers(2, 3),
    labels=st.lists(st.integers(0, 3), min_size=2, max_size=6),
    tau=st.floats(0.1, 2),
)
def test_it_is_the_published_formula(seed, views, labels, tau):
    z = normal(seed, views, len(labels), 3)
    found = sup_con(z, torch.tensor(labels), temperature=tau).total.item()
    assert found == pytest.approx(slow(z, labels, tau), rel=1e-10)


def antipodal():
    """Two classes of two images each, at opposite ends."""
    return torch.tensor([[1.0, 0], [1, 0], [-1, 0], [-1, 0]], dtype=torch.float64).expand(2, 4, 2)


def test_by_hand_two_antipodal_classes_with_the_sum_outside_the_logarithm():
    terms = sup_con(antipodal(), torch.tensor([5, 5, 2, 2]), temperature=1.0)
    assert terms.align.tolist() == [-1.0] * 4
    assert terms.spread.item() == pytest.approx(math.log(3 * math.e + 4 / math.e))
    assert terms.total.item() == pytest.approx(1.26451, abs=5e-6)
    inside = -math.log(3 * math.e / (3 * math.e + 4 / math.e))  # as solo-learn has it: another loss
    assert inside == pytest.approx(0.16589, abs=5e-6)


def test_it_is_the_public_code_but_for_its_factor():
    """Masks over one square matrix of logits from which each row's largest is taken, as the authors have it."""
    z, labels, tau = normal(0, 2, 6, 4), torch.tensor([0, 1, 0, 2, 1, 1]), 0.1
    rows = F.normalize(z, dim=-1).flatten(0, 1)
    logits = rows @ rows.T / tau
    logits = logits - logits.amax(1, keepdim=True)
    others = 1 - torch.eye(12, dtype=torch.float64)
    same = (labels[:, None] == labels[None]).double().repeat(2, 2) * others
    logs = logits - ((logits.exp() * others).sum(1, keepdim=True)).log()
    published = -(tau / 0.07) * ((same * logs).sum(1) / same.sum(1)).mean()
    torch.testing.assert_close(sup_con(z, labels, temperature=tau).total, published * 0.07 / tau)


@pytest.mark.parametrize("tau", [0.1, 0.5])
def test_with_a_label_of_its_own_for_each_image_it_is_nt_xent(tau):
    z = normal(1, 2, 7, 4)
    found = sup_con(z, torch.arange(7), temperature=tau)
    expected = nt_xent(z, temperature=tau)
    torch.testing.assert_close(found.align, expected.align)
    torch.testing.assert_close(found.spread, expected.spread)


def test_names_of_labels_order_of_images_and_views_rotation_and_length_do_not_matter():
    z, labels = normal(2, 3, 6, 4), torch.tensor([0, 1, 0, 2, 1, 1])
    expected = sup_con(z, labels, temperature=0.3)
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    rotation = torch.linalg.qr(normal(3, 4, 4))[0]
    again = [
        (z, torch.tensor([9, -4, 9, 7, -4, -4])),
        (z.flip(0), labels),
        (5 * z @ rotation, labels),
    ]
    for other, names in again:
        found = sup_con(other, names, temperature=0.3)
        torch.testing.assert_close(found.align, expected.align)
        torch.testing.assert_close(found.spread, expected.spread)
    moved = sup_con(z[:, order], labels[order], temperature=0.3)
    torch.testing.assert_close(moved.align, expected.align[order])
    torch.testing.assert_close(moved.spread, expected.spread)


def test_other_labels_give_another_loss():
    z = normal(4, 2, 4, 3)
    found = [sup_con(z, torch.tensor(y), temperature=0.5).total.item() for y in ([0, 0, 1, 1], [0, 1, 0, 1])]
    assert abs(found[0] - found[1]) > 0.01


def test_gradients_are_right_also_in_blocks(monkeypatch):
    z, labels = normal(5, 2, 5, 3).requires_grad_(), torch.tensor([0, 1, 0, 1, 1])
    assert torch.autograd.gradcheck(lambda z: sup_con(z, labels, temperature=0.4).total, (z,))
    (whole,) = torch.autograd.grad(sup_con(z, labels, temperature=0.4).total, z)
    monkeypatch.setattr(blocks, "BLOCK_FLOATS", 40)
    (parts,) = torch.autograd.grad(sup_con(z, labels, temperature=0.4).total, z)
    torch.testing.assert_close(parts, whole)


def test_half_precision_is_raised_and_autocast_is_ignored():
    z, labels = normal(6, 2, 8, 4).bfloat16(), torch.arange(8) % 3
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = sup_con(z, labels, temperature=0.1)
    assert torch.equal(found.total, sup_con(z.float(), labels, temperature=0.1).total)
    exact = sup_con(z.double(), labels, temperature=0.1).total
    torch.testing.assert_close(found.total.double(), exact, rtol=1e-5, atol=1e-5)


def test_what_does_not_fit_is_refused_and_it_is_no_loss_without_labels():
    labels = torch.tensor([0, 1, 1])
    with pytest.raises(InputError, match=r"temperature is 0\.0"):
        sup_con(torch.ones(2, 3, 2), labels, temperature=0.0)
    for shape in ((1, 3, 2), (2, 1, 2)):
        with pytest.raises(InputError, match="at least 2 views of at least 2 images"):
            sup_con(torch.ones(shape), labels[: shape[1]], temperature=1.0)
    with pytest.raises(InputError, match=r"labels of shape \(2,\); expected one for each of the 3 images"):
        inspect.unwrap(sup_con)(torch.ones(2, 3, 2), labels[:2], temperature=1.0)
    assert "sup_con" not in LOSSES
