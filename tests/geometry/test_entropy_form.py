"""The paper's loss, bound and entropy form against slow loops, and against the decoupled loss of `losses/`."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope import linalg
from contrascope.errors import InputError
from contrascope.geometry.entropy_form import displacement_form, info_nce, info_nce_and_negatives
from contrascope.geometry.negatives import nearest_negatives
from contrascope.losses.contrastive import decoupled


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def slow(z, beta):
    """Loss, invariance, repulsion, expectation and entropy from their definitions."""
    unit = (z / z.norm(dim=2, keepdim=True)).tolist()
    n = len(unit[0])

    def cosine(a, b):
        return math.fsum(x * y for x, y in zip(a, b, strict=True))

    sums = [0.0] * 5
    for i in range(n):
        anchor, positive = unit[0][i], cosine(unit[0][i], unit[1][i])
        negatives = [cosine(anchor, unit[k][j]) for j in range(n) if j != i for k in (0, 1)]
        total = math.fsum(math.exp(beta * s) for s in negatives)
        chance = [math.exp(beta * s) / total for s in negatives]
        terms = (
            -math.log(math.exp(beta * positive) / total),
            -positive,
            max(negatives),
            math.fsum(p * s for p, s in zip(chance, negatives, strict=True)),
            -math.fsum(p * math.log(p) for p in chance),
        )
        sums = [a + b / n for a, b in zip(sums, terms, strict=True)]
    return sums


@pytest.mark.parametrize("n", [2, 3, 40])
@pytest.mark.parametrize("chunk_rows", [1, 7, 512])
def test_loss_and_negatives_in_one_pass_are_those_of_two(monkeypatch, n, chunk_rows):
    monkeypatch.setattr(linalg, "BLOCK_FLOATS", 1)  # blocks of 16 anchors
    z = normal(n, 2, n, 5)
    found, negatives = info_nce_and_negatives(z, beta=3.0, chunk_rows=chunk_rows)
    alone, expected = info_nce(z, beta=3.0), nearest_negatives(z)
    for name in ("loss", "invariance", "repulsion", "expectation", "entropy", "gap"):
        assert getattr(found, name).item() == pytest.approx(getattr(alone, name).item(), abs=1e-12)
    for name in ("image", "view", "near"):
        assert torch.equal(getattr(negatives, name), getattr(expected, name))
    assert torch.allclose(negatives.similarity, expected.similarity, atol=1e-12)


@pytest.mark.parametrize("beta", [0.5, 2.0, 10.0])
@pytest.mark.parametrize("chunk_rows", [1, 3, 512])
def test_every_piece_equals_slow_loops_for_any_chunk(beta, chunk_rows):
    z = normal(0, 2, 7, 5)
    found = info_nce(z, beta=beta, chunk_rows=chunk_rows)
    ours = [found.loss, found.invariance, found.repulsion, found.expectation, found.entropy]
    assert [value.item() for value in ours] == pytest.approx(slow(z, beta), abs=1e-10)


@given(seed=st.integers(0, 10_000), n=st.integers(2, 12), beta=st.floats(0.1, 20))
@settings(derandomize=True, deadline=None, max_examples=40)
def test_the_bound_is_never_below_the_loss_nor_further_than_the_log_of_the_count(seed, n, beta):
    found = info_nce(normal(seed, 2, n, 4), beta=beta)
    assert -1e-10 <= found.gap.item() <= math.log(2 * (n - 1)) + 1e-10
    assert found.upper_bound.item() >= found.loss.item() - 1e-10


@given(seed=st.integers(0, 10_000), beta=st.floats(0.1, 20))
@settings(derandomize=True, deadline=None, max_examples=20)
def test_the_entropy_form_with_a_plus_equals_the_loss_and_with_the_printed_minus_does_not(seed, beta):
    found = info_nce(normal(seed, 2, 6, 4), beta=beta)
    assert found.entropy_form.item() == pytest.approx(found.loss.item(), abs=1e-9)
    printed = found.entropy_form - 2 * beta * found.expectation
    assert abs(printed - found.loss).item() == pytest.approx(
        2 * beta * abs(found.expectation.item()), abs=1e-9
    )


def test_equally_near_negatives_close_the_gap_and_one_near_negative_leaves_its_share():
    alike = info_nce(torch.ones(2, 5, 3, dtype=torch.float64), beta=2.0)
    assert alike.gap.item() == pytest.approx(0.0, abs=1e-12)
    assert alike.entropy.exp().item() == pytest.approx(8.0)
    basis = torch.eye(3, dtype=torch.float64)[None].expand(2, 3, 3)
    assert info_nce(basis, beta=2.0).loss.item() == pytest.approx(math.log(4) - 2)


def test_both_orders_of_the_views_average_to_the_decoupled_loss():
    z, beta = normal(1, 2, 9, 4), 2.0
    both = (info_nce(z, beta=beta).loss + info_nce(z.flip(0), beta=beta).loss) / 2
    assert both.item() == pytest.approx(decoupled(z, temperature=1 / beta).total.item(), abs=1e-10)


@given(seed=st.integers(0, 10_000))
@settings(derandomize=True, deadline=None, max_examples=20)
def test_scaling_turning_and_reordering_images_changes_nothing(seed):
    z = normal(seed, 2, 6, 3)
    turn = torch.linalg.qr(normal(seed + 1, 3, 3)).Q
    order = torch.randperm(6, generator=torch.Generator().manual_seed(seed))
    scaled = (z * normal(seed + 2, 2, 6, 1).abs().clamp(min=0.1)) @ turn
    one, other = info_nce(z, beta=2.0), info_nce(scaled[:, order], beta=2.0)
    assert other.loss.item() == pytest.approx(one.loss.item(), abs=1e-9)
    assert other.repulsion.item() == pytest.approx(one.repulsion.item(), abs=1e-9)


@given(seed=st.integers(0, 10_000))
@settings(derandomize=True, deadline=None, max_examples=15)
def test_displacements_give_the_upper_bound_for_any_projector(seed):
    h, projector = normal(seed, 2, 8, 6), normal(seed + 1, 6, 3)
    bound = info_nce(h @ projector, beta=2.0).upper_bound
    assert displacement_form(h, projector, beta=2.0).item() == pytest.approx(bound.item(), abs=1e-10)


def test_gradients_of_loss_bound_and_entropy_form_are_right():
    z = normal(2, 2, 4, 3).requires_grad_()
    for piece in ("loss", "upper_bound", "entropy_form"):
        assert torch.autograd.gradcheck(lambda z, piece=piece: getattr(info_nce(z, beta=2.0), piece), (z,))


def test_float32_gives_the_float64_value():
    z = normal(3, 2, 64, 16)
    exact, single = info_nce(z, beta=2.0), info_nce(z.float(), beta=2.0)
    assert single.loss.item() == pytest.approx(exact.loss.item(), abs=1e-6)
    assert single.upper_bound.item() == pytest.approx(exact.upper_bound.item(), abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_bound_holds_in_half_precision_where_it_is_reached(dtype):
    assert info_nce(torch.ones(2, 500, 8, dtype=dtype), beta=2.0).gap.item() == pytest.approx(0, abs=1e-5)


def test_a_zero_row_is_a_number():
    z = normal(4, 2, 5, 3)
    z[0, 1] = 0
    found = info_nce(z, beta=2.0)
    assert math.isfinite(found.loss.item())
    assert found.gap.item() >= 0


@pytest.mark.parametrize(
    ("z", "beta", "said"),
    [
        (torch.ones(3, 4, 2), 2.0, "3 views of 4 images; expected 2 views"),
        (torch.ones(2, 1, 2), 2.0, "2 views of 1 images"),
        (torch.ones(2, 4, 2), 0.0, "beta=0.0"),
        (torch.full((2, 4, 2), math.nan), 2.0, "z: row 0 holds a non-finite value"),
    ],
)
def test_wrong_input_is_refused(z, beta, said):
    with pytest.raises(InputError, match=said):
        info_nce(z, beta=beta)


def test_a_projector_that_lies_the_other_way_is_refused():
    with pytest.raises(InputError, match=r"weight\.T"):
        displacement_form(torch.ones(2, 4, 3), torch.ones(2, 3), beta=2.0)
