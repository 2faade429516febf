"""Richer policies contain poorer ones in views too, so estimated distances only fall; refinement only lowers them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.augment.policy import policy
from contrascope.augment.settings import PolicySettings
from contrascope.augment.views import make_views
from contrascope.errors import InputError
from contrascope.features.nested_views import contains, nested_views, policy_name
from contrascope.features.refine_views import refine_distance
from contrascope.theory.concentration.augmented_distance import augmented_distance

CHAIN = tuple(PolicySettings(name=name) for name in ("a", "ab", "abc", "abcd", "abcde"))


def images(seed=0, n=5, side=12):
    source = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, 3, 4, 4, generator=source)
    smooth = torch.nn.functional.interpolate(coarse, size=side, mode="bilinear")
    return (smooth * 255).to(torch.uint8)


def rows(views):
    return {tuple(view.flatten().tolist()) for view in views}


@settings(derandomize=True, deadline=None, max_examples=6)
@given(
    seed=st.integers(0, 2**31 - 1),
    num_views=st.integers(6, 14),
    names=st.lists(
        st.sampled_from(["a", "d", "ad", "ac", "acd", "abcde", "e", "ae"]),
        min_size=2,
        max_size=4,
        unique=True,
    ),
)
def test_a_richer_policy_has_all_views_of_a_poorer_one_and_no_larger_distance(seed, num_views, names):
    chosen = [PolicySettings(name=name) for name in names]
    some = images(seed % 1000)
    found = nested_views(some, chosen, ids=torch.arange(5), num_views=num_views, seed=seed)
    distance = {name: augmented_distance(views.flatten(2)) for name, views in found.views.items()}
    for one in chosen:
        name = policy_name(one)
        assert torch.equal(found.views[name][0], some)
        assert len(found.views[name]) == num_views
        for image in range(5):
            assert len(rows(found.views[name][:, image])) <= found.distinct[name]
        for other in chosen:
            if contains(one, other):
                assert bool((distance[name] <= distance[policy_name(other)]).all())
                assert rows(found.views[policy_name(other)][:, 0]) <= rows(found.views[name][:, 0])


def test_the_chain_of_the_paper_falls_and_counts_its_views():
    found = nested_views(images(), CHAIN, ids=torch.arange(5), num_views=11)
    assert found.distinct == {"a": 3, "ab": 5, "abc": 7, "abcd@0.5": 9, "abcde@0.5": 11}
    means = [augmented_distance(views.flatten(2)).mean().item() for views in found.views.values()]
    assert means == sorted(means, reverse=True)
    assert means[-1] < means[0]


def test_strengths_are_nested_and_pairs_have_equal_counts():
    strong, weak = PolicySettings(name="ad", strength=1.0), PolicySettings(name="ad", strength=0.25)
    assert contains(strong, weak)
    assert not contains(weak, strong)
    assert policy_name(strong) == "ad@1"
    pairs = [PolicySettings(name=name) for name in ("a", "b", "c", "ab", "ac", "bc")]
    counts = nested_views(images(), pairs, ids=torch.arange(5), num_views=10).distinct
    assert {counts[name] for name in ("ab", "ac", "bc")} == {10}
    assert {counts[name] for name in "abc"} == {4}


def test_a_view_does_not_depend_on_the_other_policies_or_images():
    some = images()
    two = nested_views(some, CHAIN[:2], ids=torch.arange(5), num_views=5)
    alone = nested_views(some[3:4], CHAIN[:2], ids=torch.tensor([3]), num_views=5)
    assert torch.equal(two.views["ab"][:, 3:4], alone.views["ab"])


def test_lists_without_an_order_are_refused():
    some, ids = images(), torch.arange(5)
    with pytest.raises(InputError, match="Presets have no known order"):
        nested_views(some, [PolicySettings(name="simclr")], ids=ids)
    with pytest.raises(InputError, match="none twice"):
        nested_views(some, [CHAIN[0], CHAIN[0]], ids=ids)
    with pytest.raises(InputError, match="at least 6"):
        nested_views(some, CHAIN, ids=ids, num_views=5)
    with pytest.raises(InputError, match="Leave size out"):
        nested_views(some, [PolicySettings(name="a", size=8)], ids=ids)


@pytest.mark.parametrize("letters", ["a", "ad", "abcde"])
def test_refined_distances_start_from_the_nearest_drawn_views_and_never_rise(letters):
    some, one = images(3), policy(letters)
    pairs = torch.tensor([[0, 1], [2, 3], [4, 0]])
    views, _ = make_views(some, one, ids=torch.arange(5), seed=7, epoch=0, num_views=4)
    drawn = augmented_distance(views.flatten(2).double())[pairs[:, 0], pairs[:, 1]]
    found = refine_distance(some, one, pairs, ids=torch.arange(5), seed=7, num_views=4, pairs_at_once=2)
    torch.testing.assert_close(found.before, drawn, rtol=1e-6, atol=1e-6)
    assert bool((found.after <= found.before).all())
    assert found.fall > 0.05
    still = refine_distance(some, one, pairs, ids=torch.arange(5), seed=7, num_views=4, rounds=0)
    assert still.fall == 0.0


def test_refinement_finds_the_flip_and_the_brightness_that_make_two_images_equal():
    from contrascope.augment.flip import HorizontalFlip
    from contrascope.augment.jitter import ColorJitter
    from contrascope.augment.policy import Policy

    first = images(5, n=1).float() / 255 * 0.5 + 0.1
    both = torch.cat([first, (first * 1.25).flip(3)])
    one = Policy(ops=(HorizontalFlip(), ColorJitter(brightness=0.4)))
    found = refine_distance(both, one, torch.tensor([[0, 1]]), ids=torch.arange(2), num_views=1, rounds=12)
    assert found.after.item() < 0.02 * max(found.before.item(), 1.0)


def test_impossible_refinements_are_refused():
    some, ids = images(), torch.arange(5)
    with pytest.raises(InputError, match="there are 5 images"):
        refine_distance(some, policy("a"), torch.tensor([[0, 5]]), ids=ids)
    with pytest.raises(InputError, match="num_views=0"):
        refine_distance(some, policy("a"), torch.tensor([[0, 1]]), ids=ids, num_views=0)
