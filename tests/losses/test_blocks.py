"""Losses in blocks of rows: the numbers and gradients of the whole, in memory that grows with the batch alone."""

from unittest import mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.losses import LOSSES, SoftWorst, blocks
from contrascope.losses.blocks import block_images, over_blocks
from contrascope.losses.similarity import log_negatives

GATHERING = [name for name, info in LOSSES.items() if info.gathers]
IN_BLOCKS = [
    "nt_xent",
    "decoupled",
    "modified_info_nce",
    "nnclr",
    "spectral",
    "alignment_uniformity",
    "barlow_twins",
]
"""The losses with similarities of images; the others have at most matrices of dimensions."""
POSITIVES = ["first", "average", "average-asymmetric", "worst", "worst-symmetric", SoftWorst(temperature=0.5)]


def at_most(floats):
    return mock.patch.object(blocks, "BLOCK_FLOATS", floats)


def normal(seed, *shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


def terms_and_gradients(name, online, target, positives):
    chosen = dict(LOSSES[name].example)
    leaves = [z.clone().requires_grad_() for z in (online, target) if z is not None]
    terms = LOSSES[name].fn(*leaves, positives=positives, **chosen)
    terms.total.backward()
    return [terms.align.detach(), terms.spread.detach(), *(z.grad for z in leaves)]


def distance(actual, expected):
    """Largest difference over the largest entry."""
    pairs = list(zip(actual, expected, strict=True))
    return max(((a - b).abs().max() / b.abs().max().clamp_min(1e-3)).item() for a, b in pairs)


def fits(name, positives):
    return not (LOSSES[name].per_dimension and isinstance(positives, SoftWorst))


@pytest.mark.parametrize("name", GATHERING)
@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**31 - 1),
    views=st.integers(2, 4),
    batch=st.integers(2, 40),
    dim=st.integers(2, 8),
    positives=st.sampled_from(POSITIVES),
    with_target=st.booleans(),
    floats=st.integers(1, 4000),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_blocks_give_the_whole_loss_and_gradient(
    name, seed, views, batch, dim, positives, with_target, floats, dtype
):
    if not fits(name, positives):
        return
    z = normal(seed, views, batch, dim, dtype=dtype)
    target = normal(seed + 1, views, batch, dim, dtype=dtype) if with_target else None
    expected = terms_and_gradients(name, z, target, positives)
    with at_most(floats):
        actual = terms_and_gradients(name, z, target, positives)
    assert distance(actual, expected) < (1e-6 if dtype == torch.float32 else 1e-12)


@pytest.mark.parametrize("name", GATHERING)
def test_many_images_in_blocks_of_single_precision_are_those_of_the_whole(name):
    z = normal(0, 2, 1500, 16, dtype=torch.float32)
    with at_most(2**40):
        expected = terms_and_gradients(name, z, None, "average")
    assert distance(terms_and_gradients(name, z, None, "average"), expected) < 1e-6


@pytest.mark.parametrize("views", [2, 3])
@pytest.mark.parametrize("positives", POSITIVES, ids=str)
@pytest.mark.parametrize("name", GATHERING)
def test_no_tensor_grows_with_the_square_of_the_batch(name, positives, views, largest_tensor):
    """Neither in blocks, nor where a loss has no more than matrices of dimensions."""
    if not fits(name, positives):
        return
    batch, dim = 600, 4
    z = normal(1, views, batch, dim, dtype=torch.float32)
    linear = views * views * batch * dim
    with at_most(2 * linear), largest_tensor() as seen:
        terms_and_gradients(name, z, z + 1, positives)
    assert seen.largest <= 2 * linear < batch * batch


def test_the_whole_matrix_is_seen_where_it_fits(largest_tensor):
    z = normal(1, 2, 64, 4, dtype=torch.float32)
    with largest_tensor() as seen:
        terms_and_gradients("nt_xent", z, None, "average")
    assert seen.largest == (2 * 64) ** 2


@pytest.mark.parametrize("name", IN_BLOCKS)
def test_gradients_of_blocks_are_right(name):
    online, target = (normal(seed, 3, 5, 3).requires_grad_() for seed in (2, 3))
    chosen = dict(LOSSES[name].example)
    with at_most(2 * 3 * 3 * 5):  # two images a block, and one of one
        assert torch.autograd.gradcheck(lambda a, b: LOSSES[name].fn(a, b, **chosen).total, (online, target))
        assert torch.autograd.gradcheck(lambda a: LOSSES[name].fn(a, **chosen).total, (online,))


@pytest.mark.parametrize("moves", [(True, False), (False, True)])
def test_a_branch_without_gradient_leaves_the_others_as_it_is(moves):
    online, target = normal(4, 2, 9, 3), normal(5, 2, 9, 3)
    upstream = normal(6, 2, 9)
    gradients = []
    for floats in (1, 2**20):
        leaves = [z.clone().requires_grad_(on) for z, on in zip((online, target), moves, strict=True)]
        with at_most(floats):
            log_negatives(*leaves).backward(upstream)
        gradients.append(next(z.grad for z in leaves if z.grad is not None))
        assert sum(z.grad is not None for z in leaves) == 1
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-12)


def test_the_backward_uses_the_blocks_of_the_forward():
    """The budget may be another one by then; a second loss may lie between."""
    z = normal(7, 2, 9, 3).requires_grad_()
    expected = torch.autograd.grad(log_negatives(z, z).sum(), z)
    with at_most(2 * 4 * 9):
        total = log_negatives(z, z).sum()
    torch.testing.assert_close(torch.autograd.grad(total, z), expected, rtol=1e-12, atol=1e-12)


@given(batch=st.integers(1, 5000), per_image=st.integers(1, 20000), floats=st.integers(1, 2**20))
def test_blocks_are_about_equal_and_within_the_budget(batch, per_image, floats):
    with at_most(floats):
        size = block_images(torch.zeros(2, batch, 1), per_image)
    assert size == 1 or size * per_image <= floats
    count = -(-batch // size)
    most = max(1, floats // per_image)
    assert count == -(-batch // most)  # no more blocks than need be


def test_blocks_cover_every_image_once_and_know_where_they_begin():
    z = torch.arange(14.0).view(2, 7, 1)
    with at_most(3):
        found = over_blocks(
            lambda first, rows: torch.stack([rows.sum(), rows.new_tensor(first)]), z, per_image=1
        )
    assert found[:, 1].tolist() == [0, 3, 6]
    assert found[:, 0].sum() == z.sum()


def test_a_block_is_not_kept_for_the_backward_pass():
    z = normal(8, 2, 40, 3).requires_grad_()
    kept = []

    def keep(x):
        kept.append(x.numel())
        return x

    for floats in (2**20, 2**8):
        kept.clear()
        with at_most(floats), torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
            for name in ("nt_xent", "spectral", "alignment_uniformity"):
                LOSSES[name].fn(z, **LOSSES[name].example)
        assert (max(kept) >= 2 * 40 * 40) == (floats == 2**20)


@pytest.mark.parametrize("floats", [2**20, 2 * 2 * 2 * 4])
@pytest.mark.parametrize(
    "name", ["nt_xent", "spectral", "alignment_uniformity", "modified_info_nce", "vicreg"]
)
def test_gradients_can_be_differentiated_again(name, floats):
    online, target = (normal(seed, 2, 4, 3).requires_grad_() for seed in (9, 10))
    chosen = dict(LOSSES[name].example)
    with at_most(floats):
        assert torch.autograd.gradgradcheck(
            lambda a, b: LOSSES[name].fn(a, b, **chosen).total,
            (online, target),
            torch.ones((), dtype=torch.float64),
        )
        assert torch.autograd.gradgradcheck(
            lambda a: LOSSES[name].fn(a, **chosen).total, (online,), torch.ones((), dtype=torch.float64)
        )
