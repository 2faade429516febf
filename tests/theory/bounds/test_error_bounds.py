"""The main theorem with known constants on 1,000 worlds, its limits, the sweep of epsilon, and the risk gap."""

import math

import pytest
import torch

from contrascope.errors import InputError
from contrascope.theory.bounds.error_bounds import (
    LARGEST_RHO,
    best_error_bound,
    error_bound,
    largest_other,
    rho,
    risk_gap_bound,
    thresholds,
)
from contrascope.theory.worlds.worlds import orbit_world, squared_form_fails

FREE = dict(sigma=1.0, delta=0.0, lipschitz=1.0, epsilon=0.0, r_epsilon=0.0)


def wrong_share(h, y, centres):
    """Share of images with a view that is not strictly nearest to its own centre."""
    distance = torch.cdist(h, centres)
    own = distance.gather(2, y.expand(len(h), -1)[:, :, None])
    others = distance.scatter(2, y.expand(len(h), -1)[:, :, None], math.inf).amin(dim=2, keepdim=True)
    return (own >= others).any(dim=0).double().mean().item()


def test_by_hand_the_terms_of_lemma_3_2():
    rhos = rho(
        torch.tensor([0.25, 0.75]),
        sigma=0.9,
        delta=0.1,
        lipschitz=2.0,
        epsilon=0.05,
        r_epsilon=0.01,
        norm=2.0,
    )
    assert rhos.tolist() == pytest.approx([0.2 + 0.04 + 0.9 * 0.15, 0.2 + 0.01 / 0.75 + 0.9 * 0.15])
    centres = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    limit = 4 * (1 - 0.02 - 0.2 - 0.75 / 2)
    assert thresholds(torch.tensor([0.02]).expand(2), centres, norm=2.0).tolist() == pytest.approx(
        [limit] * 2
    )


def test_the_threshold_of_unit_centres_is_zero_at_two_minus_root_three():
    assert pytest.approx(0.268, abs=1e-3) == LARGEST_RHO
    assert thresholds(torch.full((2,), LARGEST_RHO), torch.eye(2))[0].item() == pytest.approx(0.0, abs=1e-7)


@pytest.mark.parametrize(("sigma", "holds"), [(0.8661, True), (0.8659, False)])
def test_orthogonal_centres_need_sigma_above_0_866(sigma, holds):
    bound = error_bound(torch.eye(10), torch.full((10,), 0.1), **FREE | {"sigma": sigma})
    assert bound.holds is holds


@pytest.mark.parametrize(("r_epsilon", "holds"), [(0.0267, True), (0.0269, False)])
def test_ten_balanced_orthogonal_centres_need_r_eps_below_0_027(r_epsilon, holds):
    bound = error_bound(torch.eye(10), torch.full((10,), 0.1), **FREE | {"r_epsilon": r_epsilon})
    assert bound.holds is holds
    assert bound.value == pytest.approx(r_epsilon)


def test_one_close_pair_of_centres_is_enough_to_fail_and_is_counted():
    centres = torch.tensor([[1.0, 0.0, 0.0], [0.999, 0.04, 0.0], [0.0, 0.0, 1.0]])
    bound = error_bound(centres, torch.ones(3) / 3, **FREE | {"sigma": 0.99})
    assert (bound.word, bound.terms["failing_classes"]) == ("vacuous", 2.0)
    assert largest_other(centres).tolist() == pytest.approx([0.999, 0.999, 0.0])


def test_rotating_and_permuting_classes_changes_nothing():
    source = torch.Generator().manual_seed(0)
    centres = torch.randn(4, 6, dtype=torch.float64, generator=source)
    rotation = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64, generator=source)).Q
    priors = torch.tensor([0.1, 0.2, 0.3, 0.4])
    order = torch.tensor([2, 0, 3, 1])
    numbers = dict(sigma=0.95, delta=0.1, lipschitz=1.0, epsilon=0.02, r_epsilon=0.01)
    one = error_bound(centres, priors, **numbers)
    two = error_bound((centres @ rotation)[order], priors[order], **numbers)
    assert one.terms == pytest.approx(two.terms)


def test_the_theorem_with_known_constants_holds_on_1000_worlds():
    """Orbit worlds: L, sigma, delta exact, all views present, outliers that the centres get wrong."""
    held, slacks = 0, []
    for seed in range(1000):
        u = torch.rand(5, generator=torch.Generator().manual_seed(seed)).tolist()
        world = orbit_world(
            classes=2 + seed % 3,
            per_class=6 + int(20 * u[0]),
            order=(4, 24, 64)[seed % 3 if seed % 2 else 2],
            noise=0.3 * u[1] ** 3,
            leak=0.3 * u[2] ** 3,
            outliers=0.12 * u[3],
            seed=seed,
        )
        h = world.encoder(world.views)
        n = len(world.y)
        sums = torch.zeros(2 + seed % 3, h.shape[2], dtype=torch.float64).index_add_(
            0, world.y, h.mean(dim=0)
        )
        centres, priors = sums / world.y.bincount()[:, None], world.y.bincount().double() / n
        worst = (2 - 2 * torch.einsum("ind,jnd->ijn", h, h).amin(dim=(0, 1))).clamp_min(0).sqrt()
        bound = best_error_bound(
            worst, centres, priors, sigma=world.sigma, delta=world.delta, lipschitz=world.lipschitz
        )
        if bound.holds:
            held += 1
            error = wrong_share(h, world.y, centres)
            assert error <= bound.value + 1e-12
            slacks.append(bound.value - error)
    assert held > 200
    assert min(slacks) < 1e-9


def test_the_lemma_holds_with_bad_images_anywhere_up_to_rho_one_half():
    """R_eps / p_l once, not twice: 1,000 adversarial laws, good images at one point, bad ones at worst places."""
    held = 0
    for seed in range(1000):
        source = torch.Generator().manual_seed(seed)
        share = 0.5 * torch.rand((), generator=source).item()
        good = torch.nn.functional.normalize(torch.randn(2, 3, generator=source, dtype=torch.float64), dim=1)
        good[1] = torch.nn.functional.normalize(-good[0] + 0.3 * (seed % 4) * good[1], dim=0)
        bad = torch.nn.functional.normalize(torch.randn(2, 3, generator=source, dtype=torch.float64), dim=1)
        bad = -good if seed % 3 == 0 else bad
        centres = (1 - share) * good + share * bad
        bound = error_bound(centres, torch.tensor([0.5, 0.5]), **FREE | {"r_epsilon": share / 2 + share / 2})
        alone = error_bound(centres, torch.tensor([0.5, 0.5]), **FREE | {"r_epsilon": share / 2})
        for one in (bound, alone):
            if one.holds:
                held += 1
                assert torch.cdist(good, centres).argmin(dim=1).tolist() == [0, 1]
    assert held > 100


def test_the_sweep_of_epsilon_finds_the_best_of_all_epsilons():
    source = torch.Generator().manual_seed(5)
    worst = torch.rand(200, generator=source, dtype=torch.float64) ** 4 * 0.1
    priors, numbers = torch.tensor([0.4, 0.6]), dict(sigma=0.99, delta=0.01, lipschitz=1.0)
    best = best_error_bound(worst, torch.eye(2), priors, **numbers)
    found = math.inf
    for epsilon in torch.cat([worst, torch.linspace(0, 0.11, 300)]).tolist():
        share = (worst > epsilon).double().mean().item()
        bound = error_bound(torch.eye(2), priors, **numbers, epsilon=epsilon, r_epsilon=share)
        found = min(found, bound.value if bound.holds else math.inf)
    assert best.holds
    assert best.value == pytest.approx(found, abs=1e-12)


def test_laws_of_the_images_replace_the_uniform_one_and_the_worst_counts():
    """Weights that repeat images: the same bound as with the images repeated; of two laws the larger R_eps."""
    source = torch.Generator().manual_seed(7)
    worst = torch.rand(60, generator=source, dtype=torch.float64) ** 6 * 0.1
    times = torch.randint(1, 4, (60,), generator=source)
    priors, numbers = torch.tensor([0.4, 0.6]), dict(sigma=0.99, delta=0.01, lipschitz=1.0)
    repeated = best_error_bound(worst.repeat_interleave(times), torch.eye(2), priors, **numbers)
    law = (times / times.sum()).double()
    weighted = best_error_bound(worst, torch.eye(2), priors, **numbers, weights=law[None])
    assert weighted.terms == pytest.approx(repeated.terms, abs=1e-12)
    flat = torch.full((60,), 1 / 60, dtype=torch.float64)
    both = best_error_bound(worst, torch.eye(2), priors, **numbers, weights=torch.stack([law, flat]))
    share = ((worst > both.terms["epsilon"]) * torch.stack([law, flat])).sum(dim=1).max().item()
    assert both.terms["r_epsilon"] == pytest.approx(share)


@pytest.mark.parametrize(
    ("views", "said"),
    [(None, "at the views of R_eps"), (4, "at 4 views an image"), (math.inf, "over all views")],
)
def test_the_text_names_the_views(views, said):
    bound = error_bound(torch.eye(3), torch.ones(3) / 3, **FREE, views=views)
    assert str(bound) == f"Err <= 0 {said} (informative: better than the trivial 0.6667)"


def test_where_no_epsilon_satisfies_the_conditions_the_best_bound_is_vacuous():
    bound = best_error_bound(
        torch.full((4,), 1.9), torch.eye(2), torch.ones(2) / 2, sigma=1.0, delta=0.0, lipschitz=1.0
    )
    assert (bound.holds, bound.word) == (False, "vacuous")


def test_single_precision_centres_give_the_same_bound():
    source = torch.Generator().manual_seed(2)
    centres = torch.randn(5, 8, dtype=torch.float64, generator=source)
    one, two = (error_bound(c, torch.ones(5) / 5, **FREE).terms for c in (centres, centres.float()))
    assert one == pytest.approx(two, abs=1e-5)


def test_the_risk_gap_bound_holds_on_1000_random_problems_in_first_power():
    reached = 0.0
    for seed in range(1000):
        source = torch.Generator().manual_seed(seed)
        one, two = torch.randn(2, 12, 3, dtype=torch.float64, generator=source)
        two = one + two * 10.0 ** -(seed % 4)
        y = torch.randn(12, dtype=torch.float64, generator=source)
        heads = torch.randn(15, 3, dtype=torch.float64, generator=source)
        risk_one, risk_two = ((x @ heads.T - y[:, None]).abs().mean(dim=0) for x in (one, two))
        a, b = int(risk_one.argmin()), int(risk_two.argmin())
        gap = (risk_one[b] - risk_one[a]).item()
        bound = risk_gap_bound(
            (one - two).square().sum(dim=1).mean().item(),
            loss_lipschitz=1.0,
            norm_one=heads[a].norm().item(),
            norm_two=heads[b].norm().item(),
        )
        assert gap <= bound.value + 1e-12
        reached = max(reached, gap / bound.value)
    assert reached > 0.01


def test_a_risk_gap_says_something_only_where_views_are_closer_than_the_embeddings_are_long():
    numbers = dict(loss_lipschitz=1.0, norm_one=1.0, norm_two=1.0)
    words = [risk_gap_bound(l_ar, **numbers).word for l_ar in (0.99, 1.0, 2.0)]
    assert words == ["informative", "vacuous", "vacuous"]
    assert risk_gap_bound(0.5, **numbers, largest_loss=1.0).word == "vacuous"
    assert risk_gap_bound(0.5, **numbers, unrelated=0.4).word == "vacuous"
    assert [risk_gap_bound(0.5, **numbers, images=n).word for n in (20, 2000)] == ["vacuous", "informative"]


def test_the_trivial_risk_gap_holds_on_random_heads_and_unit_embeddings():
    source = torch.Generator().manual_seed(3)
    reached = 0.0
    for _ in range(300):
        f = torch.nn.functional.normalize(torch.randn(9, 2, dtype=torch.float64, generator=source), dim=1)
        y = 2.0 * torch.randint(2, (9,), generator=source) - 1
        heads = torch.randn(2, 2, dtype=torch.float64, generator=source)
        risk = torch.nn.functional.softplus(-y[:, None] * (f @ heads.T)).mean(dim=0)
        norms = heads.norm(dim=1).tolist()
        trivial = risk_gap_bound(4.0, loss_lipschitz=1.0, norm_one=norms[0], norm_two=norms[1]).trivial
        assert (risk[1] - risk[0]).abs().item() <= trivial
        reached = max(reached, (risk[1] - risk[0]).abs().item() / trivial)
    assert reached > 0.3


def test_the_squared_form_of_the_risk_gap_is_false():
    example = squared_form_fails(0.1)
    bound = risk_gap_bound(0.01, loss_lipschitz=1.0, norm_one=1.0, norm_two=10.0)
    assert example.squared < example.gap <= example.first_power
    assert bound.value == pytest.approx(example.first_power)


def test_bad_numbers_are_refused_with_their_names():
    with pytest.raises(InputError, match=r"sigma is 1\.2"):
        error_bound(torch.eye(2), torch.ones(2) / 2, **FREE | {"sigma": 1.2})
    with pytest.raises(InputError, match="at least two classes, each above zero"):
        rho(torch.tensor([1.0, 0.0]), **FREE)
    with pytest.raises(InputError, match="3 centres and 2 priors"):
        error_bound(torch.eye(3), torch.ones(2) / 2, **FREE)
    with pytest.raises(InputError, match="worst has 0 distances"):
        best_error_bound(torch.zeros(0), torch.eye(2), torch.ones(2) / 2, sigma=1.0, delta=0.0, lipschitz=1.0)
    with pytest.raises(InputError, match="finite rows of at least two classes"):
        largest_other(torch.full((2, 2), math.nan))
