"""Contracts that every registered loss keeps, and the checks at their common boundary."""

import inspect
import re
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.errors import InputError
from contrascope.losses import LOSSES

CHOICES = {"temperature", "degrees", "neighbours", "repulsion", "queue", "std", "mu", "centring"}
"""Settings on which the literature disagrees."""
SCALE_FREE = sorted(name for name, info in LOSSES.items() if info.traits.scale_free)
OVER_PAIRS = sorted(name for name, info in LOSSES.items() if info.traits.over_pairs)
OF_QUEUE = "queue"

each_loss = pytest.mark.parametrize("name", LOSSES)
few = settings(derandomize=True, deadline=None, max_examples=15)
drawn = given(
    seed=st.integers(0, 2**31 - 1), views=st.integers(2, 4), batch=st.integers(2, 7), dim=st.integers(2, 6)
)


def normal(seed, *shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


def evaluate(name, online, target=None, **changed):
    chosen = dict.fromkeys(LOSSES[name].required) | dict(LOSSES[name].example) | changed
    if "queue" in chosen and "queue" not in changed:
        chosen["queue"] = normal(99, 5, online.shape[-1], dtype=online.dtype)
    return LOSSES[name].fn(online, target, **chosen)


def assert_same(actual, expected, **tolerance):
    torch.testing.assert_close(actual.align, expected.align, **tolerance)
    torch.testing.assert_close(actual.spread, expected.spread, **tolerance)


def test_every_loss_has_a_test_file_that_names_it_besides_the_contracts():
    contracts = {"test_registry.py", "test_positives.py", "test_blocks.py", "test_arcl_page.py"}
    texts = [
        path.read_text() for path in Path(__file__).parent.glob("test_*.py") if path.name not in contracts
    ]
    assert [name for name in LOSSES if not any(re.search(rf"\b{name}\b", text) for text in texts)] == []


def test_every_file_of_the_room_is_imported_so_that_a_loss_needs_no_list():
    import contrascope.losses

    assert {name for name in LOSSES if getattr(contrascope.losses, name) is not LOSSES[name].fn} == set()


def test_scientific_choices_have_no_default_and_an_example():
    for info in LOSSES.values():
        asked = set(inspect.signature(info.fn).parameters) & CHOICES
        assert asked <= set(info.required), info.name
        assert set(info.required) - {OF_QUEUE} == set(info.example), info.name


@each_loss
@few
@drawn
def test_permuting_the_batch_permutes_the_alignment_and_keeps_the_spread(name, seed, views, batch, dim):
    z, target = normal(seed, views, batch, dim), normal(seed + 1, views, batch, dim)
    order = torch.randperm(batch, generator=torch.Generator().manual_seed(seed))
    for other in (None, target):
        expected = evaluate(name, z, other)
        actual = evaluate(name, z[:, order], None if other is None else other[:, order])
        torch.testing.assert_close(actual.align, expected.align[order])
        torch.testing.assert_close(actual.spread, expected.spread)


@each_loss
@few
@drawn
def test_the_order_of_views_does_not_matter(name, seed, views, batch, dim):
    z, target = normal(seed, views, batch, dim), normal(seed + 1, views, batch, dim)
    assert_same(evaluate(name, z.flip(0)), evaluate(name, z))
    assert_same(evaluate(name, z.flip(0), target.flip(0)), evaluate(name, z, target))


@each_loss
@few
@drawn
def test_rotating_all_embeddings_changes_nothing_but_the_per_dimension_losses(name, seed, views, batch, dim):
    z, queue = normal(seed, views, batch, dim), normal(seed + 1, 5, dim)
    rotation = torch.linalg.qr(normal(seed + 2, dim, dim))[0]
    plain, turned = (
        ({"queue": queue}, {"queue": queue @ rotation}) if "queue" in LOSSES[name].required else ({}, {})
    )
    expected, actual = evaluate(name, z, **plain), evaluate(name, z @ rotation, **turned)
    if not LOSSES[name].traits.rotation_free:
        assert batch == 2 or not torch.isclose(actual.spread, expected.spread, rtol=1e-6, atol=0)
    else:
        assert_same(actual, expected)


@pytest.mark.parametrize("name", SCALE_FREE)
def test_the_length_of_embeddings_does_not_matter_where_they_are_normalised(name):
    z = normal(3, 3, 5, 4)
    assert_same(evaluate(name, 7 * z), evaluate(name, z))


@pytest.mark.parametrize("name", OVER_PAIRS)
@pytest.mark.parametrize("views", [3, 4])
def test_more_views_are_the_average_over_pairs_of_views(name, views):
    z, target = normal(4, views, 5, 4), normal(5, views, 5, 4)
    for other in (None, target):
        pairs = [[a, b] for a in range(views) for b in range(a)]
        terms = [evaluate(name, z[pair], None if other is None else other[pair]) for pair in pairs]
        whole = evaluate(name, z, other)
        torch.testing.assert_close(whole.align, torch.stack([t.align for t in terms]).mean(0))
        torch.testing.assert_close(whole.spread, torch.stack([t.spread for t in terms]).mean())


@each_loss
def test_a_target_equal_to_online_gives_the_symmetric_loss(name):
    z = normal(6, 3, 5, 4)
    assert_same(evaluate(name, z, z.clone()), evaluate(name, z))


@each_loss
def test_online_and_target_are_not_interchangeable_and_same_view_targets_are_no_positives(name):
    """Alignment reads online a against target b != a only: moving the target of the other view must count."""
    online, target = normal(7, 2, 4, 3), normal(8, 2, 4, 3)
    crossed = evaluate(name, online, online.flip(0))
    straight = evaluate(name, online, online.clone())
    assert not torch.allclose(crossed.align, straight.align)
    assert not torch.allclose(evaluate(name, online, target).align, evaluate(name, online).align)


@each_loss
def test_gradients_are_right_and_reach_both_branches(name):
    online, target = (normal(seed, 2, 4, 3).requires_grad_() for seed in (9, 10))
    assert torch.autograd.gradcheck(lambda z: evaluate(name, z).total, (online,))
    assert torch.autograd.gradcheck(lambda a, b: evaluate(name, a, b).total, (online, target))


@each_loss
def test_float32_is_close_to_float64(name):
    z = normal(11, 2, 32, 16)
    exact, single = evaluate(name, z), evaluate(name, z.float())
    assert single.spread.dtype == single.align.dtype == torch.float32
    torch.testing.assert_close(single.total.double(), exact.total, rtol=3e-6, atol=3e-6)


@each_loss
def test_half_precision_is_raised_to_float32_and_autocast_is_ignored(name):
    z = normal(12, 2, 8, 4, dtype=torch.bfloat16)
    same = {"queue": normal(99, 5, 4, dtype=torch.float32)} if "queue" in LOSSES[name].required else {}
    expected = evaluate(name, z.float(), **same)
    assert_same(evaluate(name, z, **same), expected, rtol=0, atol=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_same(evaluate(name, z.float(), **same), expected, rtol=0, atol=0)


@each_loss
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_collapsed_batch_gives_finite_numbers_and_gradients(name, value):
    z = torch.full((2, 4, 3), value, requires_grad=True)
    terms = evaluate(name, z)
    terms.total.backward()
    assert terms.total.isfinite()
    assert z.grad.isfinite().all()
    assert z.grad.abs().max() < 1e3
    if LOSSES[name].traits.flat_at_collapse:
        assert z.grad.abs().max() < 1e-5


@each_loss
def test_one_view_is_refused(name):
    with pytest.raises(
        InputError, match=f"{name} got 1 view of each image; expected at least 2. Raise `num_views`."
    ):
        evaluate(name, torch.ones(1, 4, 3))


@each_loss
def test_a_batch_of_one_is_refused_where_images_meet_and_allowed_elsewhere(name):
    z = normal(13, 2, 1, 3)
    if LOSSES[name].gathers:
        with pytest.raises(InputError, match="got a batch of 1; expected at least 2 images"):
            evaluate(name, z)
    else:
        assert evaluate(name, z).total.isfinite()


@each_loss
def test_shapes_that_do_not_fit_are_refused(name):
    with pytest.raises(InputError, match=r"online \(2, 4, 3\) and target \(2, 5, 3\); expected equal shapes"):
        evaluate(name, torch.ones(2, 4, 3), torch.ones(2, 5, 3))
    with pytest.raises(
        InputError, match=r"got shape \(4, 3\); expected \(views, batch, dim\). Stack the views"
    ):
        evaluate(name, torch.ones(4, 3))
    with pytest.raises(InputError, match=r"got torch.int64; expected floating-point"):
        evaluate(name, torch.ones(2, 4, 3, dtype=torch.int64))


@each_loss
def test_an_unknown_reduction_is_refused(name):
    z, chosen = normal(14, 2, 4, 3), dict(LOSSES[name].example)
    if OF_QUEUE in LOSSES[name].required:
        chosen["queue"] = z[0]
    with pytest.raises(
        InputError, match=r"unknown positives 'sum'\. Known: average, average-asymmetric, first, worst"
    ):
        LOSSES[name].fn(z, positives="sum", **chosen)


@pytest.mark.parametrize("setting", ["temperature", "mu"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_settings_that_must_be_positive_are_refused_otherwise(setting, value):
    for name, info in LOSSES.items():
        if setting in info.required:
            with pytest.raises(
                InputError, match=f"{setting} is {value}; expected a finite number above zero"
            ):
                evaluate(name, torch.ones(2, 4, 3), **{setting: value})
