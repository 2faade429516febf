"""Divergence bounds on 1,000 random embeddings each, by hand, and where the papers' forms are vacuous."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from contrascope.errors import InputError
from contrascope.theory.bounds.divergence_bounds import (
    LARGEST_EPSILON,
    centre_cap,
    correlation_bound,
    correlation_divergence,
    divergence_bound,
    usable_inequality,
    within_class_bound,
)
from contrascope.theory.bounds.limits import least_common_product
from contrascope.theory.factors.alignment import image_alignment, unit_views, worst_pair
from contrascope.theory.factors.decompose import cross_correlation, info_nce_split
from contrascope.theory.factors.divergence import class_centres


def simplex(k):
    rows = torch.eye(k, dtype=torch.float64) - 1 / k
    return rows / rows.norm(dim=1, keepdim=True)


def instance(seed):
    """Unit embeddings, labels with every class present: from collapsed classes to pure noise."""
    source = torch.Generator().manual_seed(seed)
    k, views, dim = 2 + seed % 2, 2 + seed % 3 // 2, 2 + seed % 4
    y = torch.cat([torch.arange(k), torch.randint(k, (5,), generator=source)])

    def normal(*shape):
        return torch.randn(*shape, dtype=torch.float64, generator=source)

    noise = (0.0, 0.1, 0.5, 2.0)[seed % 4]
    h = normal(k, dim)[y] + noise * normal(len(y), dim) + noise * normal(views, len(y), dim) * (seed % 5) / 4
    return unit_views(h), y


@pytest.fixture(scope="module")
def measured():
    rows = []
    for seed in range(1000):
        h, y = instance(seed)
        priors = y.bincount().double() / len(y)
        centres = torch.stack([h[:, y == k].mean(dim=(0, 1)) for k in range(len(priors))])
        different = ~torch.eye(len(h), dtype=torch.bool)
        square = (h[:, None] - h[None]).square().sum(dim=3)[different]
        align = torch.stack([square[:, y == k].mean() for k in range(len(priors))])
        p = torch.einsum("and,bnd->abn", h, h)[:, :, :, None, None]
        q = torch.einsum("and,cmd->ancm", h, h)[:, None]
        l_2 = torch.logaddexp(p, q)[different].mean().item()
        rows.append((h, y, priors, centres, align, l_2))
    return rows


def test_the_instances_are_measured_as_the_library_measures_them(measured):
    h, y, _, centres, align, l_2 = measured[14]
    assert l_2 == pytest.approx(info_nce_split(h, negatives="independent", every_view=True).l_2.value)
    torch.testing.assert_close(class_centres(h, y)[0], centres)
    assert image_alignment(h)[y == 0].mean().item() == pytest.approx(align[0].item())


def pairs(priors):
    return [(k, m) for k in range(len(priors)) for m in range(len(priors)) if k != m]


def test_theorem_3_with_its_explicit_tau_holds_on_1000_random_embeddings(measured):
    for seed, (h, _, priors, centres, _, l_2) in enumerate(measured):
        epsilon = seed % 11 / 10 * LARGEST_EPSILON
        r_eps = (worst_pair(h) > epsilon).double().mean().item()
        for k, m in pairs(priors):
            bound = divergence_bound(
                l_2, priors[k].item(), priors[m].item(), epsilon=epsilon, r_epsilon=r_eps
            )
            product = (centres[k] @ centres[m]).item()
            assert epsilon <= LARGEST_EPSILON
            assert product <= bound.terms["both_orders"] <= bound.value


def test_theorem_3_is_5_24_for_two_and_131_3_for_ten_classes_with_perfect_alignment():
    least = math.log(math.e + 1)  # perfect alignment, mean product of independent images 0
    two, ten = (divergence_bound(least, 1 / k, 1 / k, epsilon=0.0, r_epsilon=0.0) for k in (2, 10))
    assert two.value == pytest.approx(math.log((math.e + 1) ** 4 - math.e)) == pytest.approx(5.239, abs=1e-3)
    assert ten.value == pytest.approx(131.3, abs=0.05)
    assert (two.word, ten.word) == ("vacuous", "vacuous")


def test_theorem_3_can_be_below_4_5_where_views_are_not_aligned_and_is_vacuous_all_the_same():
    least = math.log1p(math.exp(1 - LARGEST_EPSILON))
    bound = divergence_bound(least, 0.5, 0.5, epsilon=LARGEST_EPSILON, r_epsilon=0.0)
    assert bound.holds
    assert bound.value == pytest.approx(1.866, abs=1e-3)
    assert bound.word == "vacuous"


@given(
    l_2=st.floats(-0.3, 1.69),
    share=st.floats(0.01, 0.5),
    epsilon=st.floats(0, 2),
    r_epsilon=st.floats(0, 1),
)
def test_theorem_3_is_vacuous_whatever_the_numbers(l_2, share, epsilon, r_epsilon):
    assert divergence_bound(l_2, share, share, epsilon=epsilon, r_epsilon=r_epsilon).vacuous


def test_theorem_3_is_not_claimed_beyond_its_range_of_epsilon():
    bound = divergence_bound(1.2, 0.5, 0.5, epsilon=1.5, r_epsilon=0.0)
    assert pytest.approx(1.4587, abs=1e-4) == LARGEST_EPSILON
    assert not bound.holds


def test_the_usable_inequality_holds_on_1000_random_embeddings_and_is_nearly_tight(measured):
    gaps = []
    for _, _, priors, centres, align, l_2 in measured:
        bound = usable_inequality(l_2, priors, align, centres)
        gaps.append(bound.terms["slack"])
        assert bound.value <= l_2 + 1e-10
    assert min(gaps) < 1e-10  # collapsed classes: equality
    assert 0.01 < max(gaps) < 0.2


def test_the_centre_cap_holds_on_1000_random_embeddings(measured):
    informative = 0
    for _, _, priors, centres, align, l_2 in measured:
        squares = centres.square().sum(dim=1)
        products = (centres @ centres.T).fill_diagonal_(-2)
        pair = divmod(int(products.argmax()), len(priors))
        bound = centre_cap(l_2, priors, align, squares, pair)
        assert bound.holds
        assert products.max().item() <= bound.value + 1e-7
        informative += bound.word == "informative"
    assert informative > 100


@pytest.mark.parametrize("k", [2, 3, 10])
def test_the_centre_cap_is_reached_by_the_simplex(k):
    rows, zeros = simplex(k), torch.zeros(k, dtype=torch.float64)
    priors = torch.full((k,), 1 / k, dtype=torch.float64)
    l_2 = usable_inequality(0.0, priors, zeros, rows).value
    bound = centre_cap(l_2, priors, zeros, torch.ones(k, dtype=torch.float64), (0, 1))
    assert bound.value == pytest.approx(-1 / (k - 1), abs=1e-3)
    assert bound.word == "informative"


def test_without_classes_the_usable_inequality_says_its_trivial_value():
    """Centres that are all one: nothing is added, whatever the alignment."""
    centres, priors = torch.tensor([[0.6, 0.0]]).expand(3, 2), torch.tensor([0.5, 0.3, 0.2])
    bound = usable_inequality(1.2, priors, torch.full((3,), 0.4), centres)
    assert (
        bound.value == pytest.approx(bound.trivial) == pytest.approx(math.log(math.exp(0.8) + math.exp(0.36)))
    )


def test_the_trivial_value_of_the_usable_inequality_is_never_above_it(measured):
    for _, _, priors, centres, align, l_2 in measured:
        bound = usable_inequality(l_2, priors, align, centres)
        assert bound.trivial <= bound.value + 1e-12 or bound.trivial == pytest.approx(
            math.log1p(math.exp(-1))
        )


def test_l_2_comes_as_near_to_0_313_as_antipodal_views_of_many_directions_do():
    """p = -1, and products of different images 0; only the image itself, one of 400, has q = -1, too."""
    h = torch.eye(400, dtype=torch.float64)
    l_2 = info_nce_split(torch.stack([h, -h]), negatives="different").l_2.value
    assert l_2 == pytest.approx(math.log1p(math.exp(-1)), abs=1e-12)


def test_the_centre_cap_of_a_sample_is_vacuous_where_chance_could_have_made_it():
    one, none = torch.ones(2), torch.zeros(2)
    words = [
        centre_cap(1.4101, one / 2, none, one, (0, 1), counts=torch.tensor([n, n])).word for n in (3, 200)
    ]
    assert words == ["vacuous", "informative"]
    rows = torch.nn.functional.normalize(
        torch.randn(400, 2, 30, 40, generator=torch.Generator().manual_seed(0)), dim=3
    )
    first, second = rows.double().mean(dim=2).unbind(dim=1)
    below = [
        (a @ b).item() < least_common_product(torch.stack([a @ a, b @ b]), torch.tensor([30, 30]))
        for a, b in zip(first, second, strict=True)
    ]
    assert sum(below) <= 20


def test_the_centre_cap_fails_where_l_2_is_too_small_for_the_norms():
    one = torch.ones(2)
    bound = centre_cap(1.3, one / 2, 0 * one, one, (0, 1))
    assert (bound.holds, bound.word) == (False, "vacuous")


def test_theorem_4_holds_on_1000_random_embeddings_with_constant_one(measured):
    for h, y, priors, *_ in measured:
        f = cross_correlation(h)
        centres = (class_centres(h, y)[0] - f.mean) / f.std * f.active
        dim, classes = len(f.mean), len(priors)
        l_2 = (f.matrix - torch.eye(dim)).square().sum().item()
        tau = (f.matrix - (centres.T * priors) @ centres).square().sum().item()
        for k, m in pairs(priors):
            sizes = dict(dim=dim, classes=classes)
            one = correlation_bound(l_2, tau, priors[k].item(), priors[m].item(), **sizes)
            two = correlation_bound(l_2, tau, priors[k].item(), priors[m].item(), **sizes, constant=2.0)
            product = abs((centres[k] @ centres[m]).item())
            assert one.holds
            assert product <= one.terms["triangle"] + 1e-9
            assert one.terms["triangle"] <= one.value + 1e-9
            assert two.value == pytest.approx(math.sqrt(2) * one.value)


def test_theorem_4_is_reached_by_two_antipodal_classes_in_one_dimension_up_to_its_diagonal():
    """F = 1, L_2 = tau = 0: the bound keeps K - d = 1 of the Gram matrix and leaves its diagonal out."""
    h = torch.tensor([[1.0], [-1.0]]).expand(2, 2, 1)
    bound = correlation_divergence(h, torch.tensor([3, 8]))
    assert bound.value == pytest.approx(math.sqrt(0.5 / 0.25))
    assert bound.terms["product"] == -1.0


def test_d_is_no_bound_of_the_products_of_rare_classes_and_the_trivial_value_is():
    """Two classes of 3 images in 600, far out on the same side: a product of 744 in 8 dimensions."""
    source = torch.Generator().manual_seed(0)
    y = torch.zeros(600, dtype=torch.int64)
    y[:3], y[3:6] = 1, 2
    x = torch.randn(600, 8, dtype=torch.float64, generator=source)
    x[:6] += 40
    bound = correlation_divergence(
        x + 0.02 * torch.randn(2, 600, 8, dtype=torch.float64, generator=source), y
    )
    most = 8 / 2 * (0.995 / 0.005 - 1)
    assert 8 < 700 < bound.terms["product"] <= bound.terms["lengths"] <= most == pytest.approx(792)
    assert bound.word == "vacuous"


@pytest.mark.parametrize(("p_k", "p_l"), [(0.3, 0.2), (0.05, 0.6), (0.25, 0.25)])
def test_the_trivial_product_is_reached_by_parallel_centres(p_k, p_l):
    """One dimension, centred, E f^2 = 1: the best of all pairs of values, by a grid."""
    rest = 1 - p_k - p_l
    turn = torch.linspace(0, math.pi / 2, 20_001, dtype=torch.float64)
    a, b = turn.cos(), turn.sin()
    scale = p_k * a**2 + p_l * b**2 + (p_k * a + p_l * b) ** 2 / rest
    bound = correlation_bound(5.0, 0.0, p_k, p_l, dim=1, classes=3, lengths=1e9)
    assert (a * b / scale).max().item() == pytest.approx(bound.trivial, rel=1e-6)


def test_theorem_4_says_nothing_of_two_classes(measured):
    for h, y, priors, *_ in measured[:200]:
        if len(priors) == 2:
            assert correlation_divergence(h, y).terms["product"] <= 1e-12
            assert correlation_divergence(h, y).vacuous


@pytest.mark.parametrize(("k", "word"), [(3, "vacuous"), (5, "informative")])
def test_theorem_4_is_informative_of_collapsed_classes_from_four_on(k, word):
    """A regular simplex in k - 1 dimensions: F = I, so the value is k sqrt(1 / 2), against |mu|^2 = k - 1."""
    rows = torch.linalg.svd(simplex(k)).U[:, : k - 1]
    bound = correlation_divergence(rows.repeat(20, 1).expand(2, -1, -1), torch.arange(k).repeat(20))
    assert bound.value == pytest.approx(k * math.sqrt(0.5))
    assert bound.terms["lengths"] == pytest.approx(k - 1)
    assert bound.terms["product"] == pytest.approx(-1.0)
    assert bound.word == word


def test_collapsed_classes_cannot_bring_the_cross_correlation_loss_to_zero():
    """With tau = 0 the condition reads L_2 >= (d - K) / 2."""
    assert not correlation_bound(0.0, 0.0, 0.5, 0.5, dim=6, classes=2).holds
    assert correlation_bound(2.0, 0.0, 0.5, 0.5, dim=6, classes=2).value == 0.0


def test_the_measured_form_agrees_with_the_numbers_and_names_the_largest_pair(measured):
    h, y, priors, *_ = measured[7]
    bound = correlation_divergence(h, y)
    f = cross_correlation(h)
    centres = (class_centres(h, y)[0] - f.mean) / f.std
    largest = max((centres[k] @ centres[m]).item() for k, m in pairs(priors))
    assert bound.terms["product"] == pytest.approx(largest, abs=1e-12)
    assert bound.terms["product"] <= bound.value


def test_the_exact_tau_is_the_within_class_covariance_for_independent_views():
    """Enough views: F over different views tends to F over independent ones; equal views make it exact."""
    h = unit_views(torch.randn(1, 12, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    h, y = h.expand(3, 12, 3), torch.arange(12) % 3
    f = cross_correlation(h)
    rows = (h[0] - f.mean) / f.std
    within = sum(torch.cov(rows[y == k].T, correction=0) * 4 / 12 for k in range(3))
    assert correlation_divergence(h, y).terms["tau"] == pytest.approx(within.square().sum().item(), abs=1e-12)


def test_the_bound_of_tau_holds_on_1000_random_embeddings(measured):
    tightest = math.inf
    for seed, (h, y, priors, *_) in enumerate(measured):
        dim = h.shape[2]
        rows = h * math.sqrt(dim)
        mean = rows.mean(dim=0)
        within = sum(
            p * torch.cov(mean[y == k].T, correction=0).reshape(dim, dim) for k, p in enumerate(priors)
        )
        worst = worst_pair(rows)
        epsilon = worst.quantile(seed % 5 / 4).item()
        near, delta = 1.0, 0.0
        for k in range(len(priors)):
            part = rows[:, y == k][:, : max(1, int((y == k).sum()) - seed % 2)]
            near = min(near, part.shape[1] / int((y == k).sum()))
            gaps = torch.cdist(part.transpose(0, 1).flatten(0, 1), part.transpose(0, 1).flatten(0, 1))
            views = len(part)
            delta = max(delta, gaps.view(-1, views, part.shape[1], views).amin(dim=(1, 3)).max().item())
        bound = within_class_bound(
            lipschitz=1.0,
            delta=delta,
            epsilon=epsilon,
            sigma=near,
            r_epsilon=(worst > epsilon).double().mean().item(),
            dim=dim,
        )
        assert within.square().sum().item() <= bound.value + 1e-9
        tightest = min(tightest, bound.value)
    assert tightest < 1e-9


@pytest.mark.parametrize(("p_k", "p_l"), [(0.0, 0.5), (0.7, 0.7), (math.nan, 0.1)])
def test_impossible_class_probabilities_are_refused(p_k, p_l):
    with pytest.raises(InputError, match="expected two class probabilities"):
        divergence_bound(1.2, p_k, p_l, epsilon=0.0, r_epsilon=0.0)


def test_other_bad_input_is_refused():
    one = torch.ones(2)
    with pytest.raises(InputError, match="two different classes"):
        centre_cap(1.4, one / 2, one, one, (1, 1))
    with pytest.raises(InputError, match=r"constant is 3\.0"):
        correlation_bound(0.0, 0.0, 0.5, 0.5, dim=2, classes=2, constant=3.0)
    with pytest.raises(InputError, match=r"l_2 is -1\.0"):
        divergence_bound(-1.0, 0.5, 0.5, epsilon=0.0, r_epsilon=0.0)
    with pytest.raises(InputError, match="name 1 class"):
        correlation_divergence(torch.randn(2, 3, 2), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(InputError, match="expected finite ones"):
        usable_inequality(1.4, one / 2, one, torch.full((2, 2), math.nan))
