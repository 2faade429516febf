"""Cross-entropy against codes beside loops, torch's own, and numbers by hand."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from contrascope.errors import InputError
from contrascope.losses.assigned import assigned


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def slow(scores, codes, temperature):
    """The formula as loops over codes, other views, images and prototypes."""
    total, pairs = 0.0, 0
    for maker, code in enumerate(codes):
        for view, score in enumerate(scores):
            if view == maker:
                continue
            pairs += 1
            for q, s in zip(code.tolist(), score.tolist(), strict=True):
                norm = math.log(sum(math.exp(one / temperature) for one in s))
                total -= sum(a * (b / temperature - norm) for a, b in zip(q, s, strict=True)) / len(code)
    return total / pairs


@settings(derandomize=True, deadline=None, max_examples=15)
@given(
    seed=st.integers(0, 10_000),
    views=st.integers(2, 5),
    makers=st.integers(1, 3),
    batch=st.integers(1, 4),
    prototypes=st.integers(1, 5),
    temperature=st.floats(0.05, 3),
)
def test_it_is_the_published_formula(seed, views, makers, batch, prototypes, temperature):
    makers = min(makers, views)
    scores = normal(seed, views, batch, prototypes)
    codes = normal(seed + 1, makers, batch, prototypes).softmax(-1)
    found = assigned(scores, codes, temperature=temperature)
    assert found.total.item() == pytest.approx(slow(scores, codes, temperature), rel=1e-10, abs=1e-10)


def test_by_hand_one_image_two_prototypes():
    """DINO's numbers: teacher (1, 0), centre (0.5, 0), temperature 0.5; student (0.2, 0), temperature 0.1."""
    teacher = torch.tensor([1.0, 0.0], dtype=torch.float64) - torch.tensor([0.5, 0.0], dtype=torch.float64)
    code = (teacher / 0.5).softmax(-1)
    assert code.tolist() == pytest.approx([0.73106, 0.26894], abs=1e-5)
    scores = torch.tensor([[0.2, 0.0]], dtype=torch.float64).expand(2, 1, 2)
    found = assigned(scores, code.expand(1, 1, 2), temperature=0.1)
    assert found.total.item() == pytest.approx(0.66481, abs=1e-5)
    assert found.align.item() == pytest.approx(-0.73106 * 2, abs=1e-4)
    assert found.spread.item() == pytest.approx(math.log(1 + math.exp(2)), abs=1e-9)


def test_two_views_are_torchs_cross_entropy_both_ways():
    scores, codes = normal(0, 2, 5, 7), normal(1, 2, 5, 7).softmax(-1)
    expected = (
        F.cross_entropy(scores[1] / 0.3, codes[0], reduction="none")
        + F.cross_entropy(scores[0] / 0.3, codes[1], reduction="none")
    ) / 2
    found = assigned(scores, codes, temperature=0.3)
    torch.testing.assert_close(found.total, expected.mean())
    alone = [assigned(scores[:, i : i + 1], codes[:, i : i + 1], temperature=0.3).total for i in range(5)]
    torch.testing.assert_close(torch.stack(alone), expected)


def test_a_view_without_a_code_is_predicted_from_every_code_and_none_from_its_own():
    scores, codes = normal(0, 3, 4, 6), normal(1, 2, 4, 6).softmax(-1)
    one_hot = torch.zeros(3, 4, 6, dtype=torch.float64)
    one_hot[..., 0] = 1
    own = assigned(-30 * one_hot, one_hot[:1], temperature=1.0)  # the views that are predicted are far off
    assert own.total.item() > 25
    scores.requires_grad_()
    assigned(scores, codes[:1], temperature=1.0).total.backward()
    assert scores.grad[0].abs().max() == 0  # one code, of view 0: nothing holds view 0
    assert scores.grad[1:].abs().amin(dim=(1, 2)).min() > 0


def test_equal_scores_give_the_log_of_the_prototypes_and_a_perfect_guess_nothing():
    codes = normal(1, 2, 4, 6).softmax(-1)
    equal = assigned(torch.ones(2, 4, 6, dtype=torch.float64), codes, temperature=0.1)
    assert equal.total.item() == pytest.approx(math.log(6))
    one_hot = F.one_hot(torch.arange(4), 6).double().expand(2, 4, 6)
    assert assigned(one_hot, one_hot, temperature=0.01).total.item() == pytest.approx(0, abs=1e-12)


def test_order_of_images_prototypes_and_of_views_with_codes_does_not_matter():
    scores, codes = normal(0, 3, 5, 6), normal(1, 2, 5, 6).softmax(-1)
    expected = assigned(scores, codes, temperature=0.2)
    images, prototypes = torch.tensor([3, 1, 4, 0, 2]), torch.tensor([5, 0, 3, 1, 2, 4])
    moved = assigned(scores[:, images][:, :, prototypes], codes[:, images][:, :, prototypes], temperature=0.2)
    torch.testing.assert_close(moved.align, expected.align[images])
    torch.testing.assert_close(moved.total, expected.total)
    swapped = assigned(scores[[1, 0, 2]], codes[[1, 0]], temperature=0.2)
    torch.testing.assert_close(swapped.total, expected.total)
    shifted = assigned(scores + 7.0, codes, temperature=0.2)
    torch.testing.assert_close(shifted.total, expected.total)


def test_gradients():
    scores = normal(0, 3, 2, 4).requires_grad_()
    codes = normal(1, 2, 2, 4).softmax(-1)

    def halves(x):
        found = assigned(x, codes, temperature=0.3)
        return found.align, found.spread

    assert torch.autograd.gradcheck(halves, (scores,))


def test_half_precision_is_raised():
    scores, codes = normal(0, 2, 3, 8), normal(1, 2, 3, 8).softmax(-1)
    found = assigned(scores.bfloat16(), codes.float(), temperature=0.1)
    assert found.total.dtype == torch.float32
    expected = assigned(scores.bfloat16().double(), codes, temperature=0.1)
    assert found.total.item() == pytest.approx(expected.total.item(), rel=1e-5)


def test_what_has_no_pair_or_no_temperature_is_refused():
    two = torch.ones(2, 3, 4)
    with pytest.raises(InputError, match="got 1 views and codes of 1; expected at least 2 views"):
        assigned(two[:1], two[:1], temperature=0.1)
    with pytest.raises(InputError, match="got 2 views and codes of 3"):
        assigned(two, torch.ones(3, 3, 4), temperature=0.1)
    with pytest.raises(InputError, match="temperature is 0"):
        assigned(two, two, temperature=0.0)
