"""Cliques against brute force and families with known answers; colourings and cores bound them."""

import itertools

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.theory.concentration.clique_colouring import (
    bit_rows,
    colour_classes,
    core_order,
    fewer_classes,
    inside_core,
    members_of,
    peeled_bound,
)
from contrascope.theory.concentration.clique_search import largest_found, repaired
from contrascope.theory.concentration.max_clique import max_clique


def graph(seed, n, density):
    near = np.triu(np.random.default_rng(seed).random((n, n)) < density, 1)
    return near | near.T


def brute(near):
    """Largest clique by trying all sets that grow one vertex at a time."""
    best, sets = 1, [(v,) for v in range(len(near))]
    while sets:
        best = len(sets[0])
        sets = [
            (*one, v) for one in sets for v in range(one[-1] + 1, len(near)) if all(near[v][u] for u in one)
        ]
    return best


def is_clique(near, members):
    return all(near[a, b] for a, b in itertools.combinations(members, 2))


def far_rows(near):
    return bit_rows(~near & ~np.eye(len(near), dtype=bool))


def words(length, letters=2):
    return np.array(list(itertools.product(range(letters), repeat=length)))


def hamming(length, least):
    """Binary words, joined where they differ in at least so many places."""
    word = words(length)
    return (word[:, None] != word).sum(axis=2) >= least


def johnson(length, weight, least):
    """Words of one weight, joined where they differ in at least so many places."""
    word = words(length)
    word = word[word.sum(axis=1) == weight]
    return (word[:, None] != word).sum(axis=2) >= least


@settings(derandomize=True, deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**31 - 1), n=st.integers(1, 13), density=st.floats(0, 1))
def test_small_graphs_equal_brute_force_and_every_bound_holds(seed, n, density):
    near = graph(seed, n, density)
    truth = brute(near)
    found = max_clique(near)
    assert found.exact
    assert len(found.members) == truth
    assert is_clique(near, found.members)
    assert core_order(near)[1] >= truth
    far = far_rows(near)
    cover = colour_classes(far, (1 << n) - 1)
    fewer = fewer_classes(far, cover, seconds=0.001, enough=truth)
    assert truth <= len(fewer) <= len(cover)
    for parts in (cover, fewer):
        assert sum(parts) == (1 << n) - 1
        for part in parts:
            assert not near[np.ix_(members_of(part), members_of(part))].any()
    order, rows = core_order(near)[0].tolist(), bit_rows(near)
    for known, seconds in ((1, 1.0), (1, 0.0), (truth, 1.0)):
        peeled = peeled_bound(rows, far, order, cover, known=known, seconds=seconds)
        assert truth <= peeled <= len(cover)
    inside = inside_core(near, truth - 1)
    assert len(inside) >= truth
    assert (near[np.ix_(inside, inside)].sum(axis=1) >= truth - 1).all()


@pytest.mark.parametrize(("n", "density"), [(60, 0.5), (80, 0.5), (45, 0.8), (120, 0.3)])
def test_random_graphs_equal_networkx(n, density):
    near = graph(n, n, density)
    truth = networkx.max_weight_clique(networkx.from_numpy_array(near), weight=None)[1]
    found = max_clique(near, seconds=30)
    assert found.exact
    assert found.upper == truth


@pytest.mark.parametrize(
    ("near", "size"),
    [
        (hamming(6, 2), 32),
        (hamming(6, 4), 4),
        (hamming(8, 4), 16),
        (johnson(8, 2, 4), 4),
        (johnson(8, 4, 4), 14),
    ],
    ids=["hamming6-2", "hamming6-4", "hamming8-4", "johnson8-2-4", "johnson8-4-4"],
)
def test_codes_have_their_known_sizes(near, size):
    found = max_clique(near, seconds=30)
    assert is_clique(near, found.members)
    assert (len(found.members), found.upper) == (size, size)


@pytest.mark.parametrize("hidden", [20, 40])
def test_a_planted_clique_is_found_and_proved(hidden):
    """Like the brock family: members have fewer other neighbours, so that degrees do not give them away."""
    near = graph(5, 150, 0.4)
    planted = np.random.default_rng(6).choice(150, hidden, replace=False)
    others = np.setdiff1d(np.arange(150), planted)
    share = (0.4 * 149 - (hidden - 1)) / len(others)
    between = np.random.default_rng(7).random((hidden, len(others))) < share
    near[np.ix_(planted, others)], near[np.ix_(others, planted)] = between, between.T
    near[np.ix_(planted, planted)] = True
    np.fill_diagonal(near, False)
    assert largest_found(near, [[0]], seconds=2.0, enough=hidden) == sorted(planted.tolist())
    found = max_clique(near, seconds=30)
    assert found.exact
    assert sorted(found.members) == sorted(planted.tolist())


def test_an_interrupted_search_still_brackets_the_truth():
    near = graph(1, 80, 0.7)
    truth = max_clique(near, seconds=60)
    assert truth.exact
    for seconds in (0.0, 0.02, 0.2):
        cut = max_clique(near, seconds=seconds)
        assert is_clique(near, cut.members)
        assert len(cut.members) <= truth.upper <= cut.upper < 80
    assert not max_clique(near, seconds=0.0).exact


def test_peeling_proves_what_colouring_cannot():
    """A ring of five vertices needs three colours, and has no triangle."""
    place = np.arange(5)
    five = (np.abs(place[:, None] - place) % 5 == 1) | (np.abs(place[:, None] - place) == 4)
    far = far_rows(five)
    cover = colour_classes(far, 0b11111)
    assert len(cover) == 3
    assert peeled_bound(bit_rows(five), far, list(range(5)), cover, known=2, seconds=1.0) == 2


def test_full_and_empty_graphs_and_one_vertex():
    full = ~np.eye(40, dtype=bool)
    assert max_clique(full).upper == 40
    assert max_clique(~full & False).members == (0,)
    assert max_clique(np.zeros((1, 1), dtype=bool)).upper == 1


def test_a_repaired_set_is_a_maximal_clique():
    near = graph(2, 50, 0.5)
    far = (~near & ~np.eye(50, dtype=bool)).astype(np.int16)
    members = repaired(far, list(range(25)))
    assert is_clique(near, members)
    outside = set(range(50)) - set(members)
    assert all(far[v, members].any() for v in outside)


def test_a_search_never_ends_below_its_start():
    near = graph(3, 60, 0.9)
    start = list(max_clique(near, seconds=30).members)
    assert len(largest_found(near, [start, [1, 2]], seconds=0.0)) >= len(start)
