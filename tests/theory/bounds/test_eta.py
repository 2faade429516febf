"""Eta against a fine grid, its closed form and its order; R_eps bounds on 1,000 families of known alignment."""

import math

import pytest
import torch

from contrascope.errors import InputError
from contrascope.theory.bounds.eta import eta, finite_family_bound, r_eps_bound

torch_double = torch.float64


def uniform(seed, *shape):
    return torch.rand(*shape, dtype=torch_double, generator=torch.Generator().manual_seed(seed))


def test_it_is_the_minimum_of_a_fine_grid_on_1000_random_families():
    u = uniform(0, 1000, 4).tolist()
    closed = 0
    for a, b, c, d in u:
        epsilon, n, m = 0.02 + 1.9 * a, 1 + int(4 * b), int(12 * c)
        speed = 10 ** (3 * d - 2)
        found = eta(epsilon, parameters=n, lipschitz=speed, discrete=m, family_lipschitz=0.5)
        end = min(1.0, epsilon / (math.sqrt(n) * speed))
        h = end * torch.linspace(0, 1, 4002, dtype=torch_double)[1:-1]
        volume = h.pow(2 * n)
        objective = 4 * (m**2 * volume).clamp_min(1) / (volume * (epsilon - math.sqrt(n) * speed * h))
        least = objective.min().item()
        assert found.value <= least * (1 + 1e-9)
        assert found.value >= least * (1 - 2e-3) or (m == 0 and found.side == 1.0)
        closed += found.closed_form
    assert 100 < closed < 900


def test_the_closed_form_holds_where_it_says_so():
    found = eta(0.3, parameters=2, lipschitz=3.0, discrete=4, family_lipschitz=0.7)
    n, slope = 2, math.sqrt(2) * 2.1
    assert found.closed_form
    assert found.value == pytest.approx(
        4 * (2 * n + 1) / 0.3 * ((2 * n + 1) * slope / (n * 0.3)) ** (2 * n), rel=1e-12
    )
    assert found.side == pytest.approx(2 * n / (2 * n + 1) * 0.3 / (2 * slope), rel=1e-12)


def test_for_two_parameters_it_is_of_order_five_not_one():
    """papers' O(1/eps) is wrong for small eps: the slope of log eta against log eps is -(2n + 1)."""
    logs = [
        eta(e, parameters=2, lipschitz=1.0, discrete=3, family_lipschitz=1.0).log_value for e in (1e-3, 1e-2)
    ]
    assert (logs[1] - logs[0]) / math.log(10) == pytest.approx(-5.0, abs=1e-9)


def test_without_a_continuous_family_it_is_four_m_squared_over_epsilon():
    assert eta(0.5, parameters=0, lipschitz=9.0, discrete=3, family_lipschitz=9.0).value == pytest.approx(72)


def test_many_discrete_maps_put_the_infimum_at_the_kink():
    found = eta(1.9, parameters=1, lipschitz=0.01, discrete=5, family_lipschitz=1.0)
    assert not found.closed_form
    assert found.side == pytest.approx(1 / 5)
    assert found.value == pytest.approx(4 * 25 / (1.9 - 2 * 0.01 / 5))


def test_it_overflows_to_infinity_with_a_finite_logarithm():
    found = eta(1e-3, parameters=60, lipschitz=1e3, discrete=1, family_lipschitz=1.0)
    assert found.value == math.inf
    assert math.isfinite(found.log_value)


@pytest.mark.parametrize("epsilon", [0.0, -1.0, math.nan, math.inf])
def test_epsilon_must_be_a_positive_distance(epsilon):
    with pytest.raises(InputError, match="expected a positive distance"):
        eta(epsilon, parameters=1, lipschitz=1.0, discrete=1, family_lipschitz=1.0)


def test_no_map_at_all_is_refused():
    with pytest.raises(InputError, match="parameters and discrete are both 0"):
        eta(0.1, parameters=0, lipschitz=1.0, discrete=0, family_lipschitz=1.0)


def test_theorem_2_holds_on_1000_families_of_shifts():
    """View = x + s v; v is one of m maps (1/(2m) each) or M theta; all moments are exact, encoder 1-Lipschitz."""
    u = uniform(1, 1000, 10)
    informative = 0
    for row in u:
        m, top = 1 + int(3 * row[0]), row[1].item() * 0.2
        maps = (row[2 : 2 + m] - 0.5) * 0.02
        sizes = row[5:9] * (row[9] > 0.3) + 1e-3
        mean = maps.mean() / 2 + top / 4
        variance = maps.square().mean() / 2 + top**2 / 6 - mean**2
        l_align = (2 * sizes.square().mean() * variance).item()
        span = max(maps.max().item(), top) - min(maps.min().item(), 0.0)
        epsilon = (sizes * span).quantile(0.5).item() + 1e-6
        r_eps = (sizes * span > epsilon).double().mean().item()
        bound = r_eps_bound(
            l_align,
            epsilon,
            parameters=1,
            lipschitz=1.0,
            discrete=m,
            family_lipschitz=top * sizes.max().item(),
        )
        assert r_eps <= bound.value
        larger = r_eps_bound(
            l_align,
            2.0,
            parameters=1,
            lipschitz=1.0,
            discrete=m,
            family_lipschitz=top * sizes.max().item(),
            norm=10.0,
        )
        informative += larger.word == "informative"
    assert informative > 300


def test_the_finite_family_bound_holds_on_1000_random_families():
    for seed in range(1000):
        m = 2 + seed % 3
        h = torch.randn(m, 6, 2, dtype=torch_double, generator=torch.Generator().manual_seed(seed))
        h *= 10 ** -(seed % 4)
        gaps = (h[:, None] - h[None]).norm(dim=3)
        epsilon = gaps.amax(dim=(0, 1)).median().item() * 0.999
        r_eps = (gaps.amax(dim=(0, 1)) > epsilon).double().mean().item()
        independent = gaps.square().mean().item()
        distinct = independent * m / (m - 1)
        one = finite_family_bound(independent, epsilon, maps=m)
        two = finite_family_bound(distinct, epsilon, maps=m, pairs="distinct")
        assert r_eps <= one.value
        assert one.value == pytest.approx(two.value, rel=1e-12)


def test_the_finite_family_bound_is_reached_with_two_maps_just_beyond_epsilon():
    assert finite_family_bound(0.5**2 / 2, 0.5, maps=2).value == pytest.approx(1.0)


def test_the_finite_family_bound_is_below_theorem_2_for_two_maps():
    finite = finite_family_bound(0.01, 0.5, maps=2)
    theorem = r_eps_bound(0.01, 0.5, parameters=0, lipschitz=1.0, discrete=2, family_lipschitz=0.0)
    assert finite.value == pytest.approx(0.08)
    assert theorem.value == pytest.approx(3.2)
    assert (finite.word, theorem.word) == ("informative", "vacuous")


def test_unit_embeddings_are_never_farther_apart_than_two():
    for bound in (
        finite_family_bound(1.0, 2.0, maps=2),
        r_eps_bound(1e-6, 2.0, parameters=0, lipschitz=1.0, discrete=2, family_lipschitz=0.0),
    ):
        assert (bound.trivial, bound.word) == (0.0, "vacuous")


def test_views_with_nothing_in_common_set_the_trivial_value():
    """Two maps, distinct pairs: what the inequality says at L_align = 2, or at the given one of other images."""
    assert finite_family_bound(1.0, 1.6, maps=2, pairs="distinct").trivial == pytest.approx(2 / 1.6**2)
    assert finite_family_bound(1.0, 1.6, maps=2, unrelated=0.5).trivial == pytest.approx(0.5 / 1.6**2)
    assert finite_family_bound(1.0, 1.0, maps=2).trivial == 1.0


def test_with_few_images_the_alignment_may_be_larger_on_new_ones():
    words = [finite_family_bound(0.05, 0.5, maps=2, images=n).word for n in (20, 2000)]
    assert words == ["vacuous", "informative"]
    with pytest.raises(InputError, match="images=0"):
        finite_family_bound(0.05, 0.5, maps=2, images=0)
    with pytest.raises(InputError, match=r"unrelated is 2\.5"):
        finite_family_bound(0.05, 0.5, maps=2, unrelated=2.5)


def test_perfect_alignment_gives_zero_even_where_eta_overflows():
    assert r_eps_bound(0.0, 1e-3, parameters=60, lipschitz=1e3, discrete=1, family_lipschitz=1.0).value == 0.0


def test_distinct_pairs_need_two_maps():
    with pytest.raises(InputError, match="two for distinct pairs"):
        finite_family_bound(0.1, 0.5, maps=1, pairs="distinct")
