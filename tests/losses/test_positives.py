"""What every loss does with m views under each word of `positives`: loops, order, gradients, memory, refusals."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from contrascope.errors import InputError
from contrascope.losses import LOSSES, SoftWorst
from contrascope.losses.barlow_twins import barlow_twins
from contrascope.losses.contrastive import decoupled, info_nce_queue, modified_info_nce, nt_xent
from contrascope.losses.cosine import byol, negative_cosine
from contrascope.losses.vicreg import vicreg

PER_IMAGE = [name for name, info in LOSSES.items() if not info.per_dimension]
SYMMETRIC = ("average", "worst-symmetric", SoftWorst(temperature=0.5))
EVERY = ("first", "average-asymmetric", "worst", *SYMMETRIC)
few = settings(derandomize=True, deadline=None, max_examples=6)
drawn = given(seed=st.integers(0, 2**31 - 1), views=st.integers(2, 5), with_target=st.booleans())
each_loss = pytest.mark.parametrize("name", LOSSES)
each_choice = pytest.mark.parametrize("positives", EVERY, ids=str)


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def evaluate(name, online, target=None, **changed):
    chosen = dict(LOSSES[name].example) | changed
    if "queue" in LOSSES[name].required:
        chosen["queue"] = normal(99, 5, online.shape[-1]).to(online.dtype)
    return LOSSES[name].fn(online, target, **chosen)


def possible(name, positives):
    return not (LOSSES[name].per_dimension and isinstance(positives, SoftWorst))


def cosine(x, y):
    return (x @ y / x.norm() / y.norm()).item()


def published(z, tau):
    """Algorithm 1 of ArCL, line by line: equal views are among the pairs, view 2 of the image in the sum."""
    views, n, _ = z.shape
    total = 0.0
    for i in range(n):
        best = min(cosine(z[j, i], z[k, i]) for j in range(views) for k in range(views))
        negatives = [cosine(z[0, i], z[0, j]) for j in range(n) if j != i]
        negatives += [cosine(z[0, i], z[1, j]) for j in range(n)]
        total -= math.log(math.exp(best / tau) / sum(math.exp(s / tau) for s in negatives))
    return total / n


@pytest.mark.parametrize("views", [2, 3, 4])
@pytest.mark.parametrize("tau", [0.1, 0.5])
def test_worst_on_simclr_is_the_published_algorithm(views, tau):
    z = normal(views, views, 5, 3)
    actual = nt_xent(z, temperature=tau, positives="worst").total.item()
    assert actual == pytest.approx(published(z, tau), abs=1e-10)


def test_with_two_views_it_is_nt_xent_from_anchors_of_the_first():
    z = F.normalize(normal(0, 2, 6, 4), dim=-1)
    logits = torch.cat([z[0] @ z[1].T, (z[0] @ z[0].T).fill_diagonal_(-torch.inf)], dim=1) / 0.2
    expected = F.cross_entropy(logits, torch.arange(6))
    actual = nt_xent(z, temperature=0.2, positives="worst").total
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)
    assert actual.item() != pytest.approx(nt_xent(z, temperature=0.2).total.item(), abs=1e-3)


def test_worst_by_hand_three_views_of_two_images():
    """Angles 0, 60 and 180 degrees of image 1, three times 90 of image 2; temperature 1."""
    half, root = 0.5, math.sqrt(0.75)
    z = torch.tensor([[[1, 0], [0, 1]], [[half, root], [0, 1]], [[-1, 0], [0, 1]]], dtype=torch.float64)
    terms = nt_xent(z, temperature=1.0, positives="worst")
    torch.testing.assert_close(terms.align, torch.tensor([1.0, -1.0], dtype=torch.float64))
    first = math.log(2 * math.exp(0) + math.exp(half))  # both views of image 2, view 2 of image 1
    second = math.log(math.exp(0) + math.exp(root) + math.exp(1))
    assert terms.spread.item() == pytest.approx((first + second) / 2)


@pytest.mark.parametrize("views", [2, 4])
def test_worst_of_the_other_losses_with_negatives_equals_slow_loops(views):
    z, tau, n = normal(1, views, 5, 3), 0.4, 5
    queue = normal(2, 6, 3)
    worst = [
        min(cosine(z[a, i], z[b, i]) for a in range(views) for b in range(views) if a != b) for i in range(n)
    ]
    plain, square, moco = 0.0, 0.0, 0.0
    for i in range(n):
        terms = [math.exp(cosine(z[0, i], z[v, j]) / tau) for v in (0, 1) for j in range(n) if j != i]
        plain += (math.log(sum(terms)) - worst[i] / tau) / n
        square += (0.7 * math.log(sum(terms)) + 2 - 2 * worst[i]) / n
        old = [math.exp(cosine(z[0, i], key) / tau) for key in queue]
        positive = math.exp(worst[i] / tau)
        moco -= math.log(positive / (positive + sum(old))) / n
    chosen = {"temperature": tau, "positives": "worst"}
    assert decoupled(z, **chosen).total.item() == pytest.approx(plain, abs=1e-10)
    assert modified_info_nce(z, repulsion=0.7, **chosen).total.item() == pytest.approx(square, abs=1e-10)
    assert info_nce_queue(z, queue=queue, **chosen).total.item() == pytest.approx(moco, abs=1e-10)


def test_with_a_target_the_pairs_cross_the_branches():
    """Query a against key b for a != b: with two views already two pairs, of which the worse counts."""
    p, k, queue = normal(3, 2, 4, 3), normal(4, 2, 4, 3), normal(5, 6, 3)
    crossed = [min(cosine(p[0, i], k[1, i]), cosine(p[1, i], k[0, i])) for i in range(4)]
    expected = -torch.tensor(crossed, dtype=torch.float64)
    torch.testing.assert_close(negative_cosine(p, k, positives="worst").align, expected)
    torch.testing.assert_close(byol(p, k, positives="worst").align, 4 + 4 * expected)
    terms = info_nce_queue(p, k, queue=queue, temperature=0.3, positives="worst")
    torch.testing.assert_close(terms.align, expected / 0.3)
    scores = F.normalize(p[0], dim=1) @ F.normalize(queue, dim=1).T / 0.3
    scores = torch.cat([scores, -expected[:, None] / 0.3], dim=1)
    torch.testing.assert_close(terms.spread, scores.logsumexp(1).mean())


@pytest.mark.parametrize("name", ["spectral", "linear_contrastive", "alignment_uniformity"])
def test_the_spread_of_worst_is_that_of_the_first_two_views(name):
    z, target = normal(6, 4, 5, 3), normal(7, 4, 5, 3)
    worst = evaluate(name, z, positives="worst")
    pairs = [evaluate(name, z[[a, b]]).align for a, b in itertools.combinations(range(4), 2)]
    torch.testing.assert_close(worst.align, torch.stack(pairs).amax(0))
    torch.testing.assert_close(worst.spread, evaluate(name, z[:2]).spread)
    if name != "spectral":  # its anchors are online view 1, and the two directions differ with a target
        crossed = evaluate(name, z, target, positives="worst").spread
        torch.testing.assert_close(crossed, evaluate(name, z[:2], target[:2]).spread)


@pytest.mark.parametrize("name", PER_IMAGE)
@few
@drawn
def test_worst_is_at_least_soft_worst_is_at_least_average(name, seed, views, with_target):
    z = normal(seed, views, 5, 3)
    target = normal(seed + 1, views, 5, 3) if with_target else None
    found = {
        str(positives): evaluate(name, z, target, positives=positives)
        for positives in (
            "worst",
            "worst-symmetric",
            *(SoftWorst(temperature=t) for t in (0.1, 3.0)),
            "average",
        )
    }
    worst, symmetric, sharp, mild, average = (one.align for one in found.values())
    torch.testing.assert_close(worst, symmetric)
    slack = 1e-12 * (1 + worst.abs())
    assert (worst >= sharp).all()
    assert (sharp >= mild - slack).all()
    assert (mild >= average - slack).all()
    if views > 2 and not with_target:
        assert (worst > average + 1e-6).any()
    spreads = [one.spread for key, one in found.items() if key != "worst"]
    torch.testing.assert_close(torch.stack(spreads), spreads[0].expand(4))


@each_loss
@few
@drawn
def test_permuting_views_changes_nothing_but_which_pair_is_chosen(name, seed, views, with_target):
    z = normal(seed, views, 5, 3)
    target = normal(seed + 1, views, 5, 3) if with_target else None
    order = torch.randperm(views, generator=torch.Generator().manual_seed(seed))
    for positives in filter(lambda one: possible(name, one), SYMMETRIC):
        one = evaluate(name, z, target, positives=positives)
        other = evaluate(name, z[order], None if target is None else target[order], positives=positives)
        torch.testing.assert_close(other.align, one.align)
        torch.testing.assert_close(other.spread, one.spread)


@pytest.mark.parametrize("name", PER_IMAGE)
def test_the_published_form_has_first_two_views_and_any_order_of_the_rest(name):
    z = normal(8, 5, 6, 3)
    one = evaluate(name, z, positives="worst")
    torch.testing.assert_close(evaluate(name, z.flip(0), positives="worst").align, one.align)
    if not name.startswith("vicreg"):  # there the chosen views carry the spread, and the earlier goes first
        rest = evaluate(name, z[[0, 1, 4, 2, 3]], positives="worst")
        torch.testing.assert_close(rest.total, one.total)
    if name not in ("byol", "mean_shift", "negative_cosine", "unit_distance", "vicreg", "vicreg_paper"):
        assert evaluate(name, z.flip(0), positives="worst").spread.item() != pytest.approx(one.spread.item())


@pytest.mark.parametrize("name", PER_IMAGE)
@pytest.mark.parametrize("positives", ["worst", "worst-symmetric"])
def test_the_gradient_of_the_alignment_flows_through_the_chosen_pair_alone(name, positives):
    z = normal(9, 5, 6, 3).requires_grad_()
    align = evaluate(name, z, positives=positives).align
    (gradient,) = torch.autograd.grad(align.sum(), z)
    pairs = list(itertools.combinations(range(5), 2))
    by_pair = torch.stack(
        [evaluate(name, z.detach()[list(pair)], positives="worst").align for pair in pairs]
    )  # of two views the worse direction, where the two differ
    for i, chosen in enumerate(by_pair.argmax(0).tolist()):
        reached = gradient[:, i].abs().amax(1) > 0
        assert reached.nonzero().flatten().tolist() == list(pairs[chosen])


@each_loss
@each_choice
@pytest.mark.parametrize("with_target", [False, True], ids=["alone", "with target"])
def test_gradients_are_right(name, positives, with_target):
    if not possible(name, positives):
        return
    branches = [normal(seed, 3, 3, 2).requires_grad_() for seed in ((10, 11) if with_target else (10,))]
    assert torch.autograd.gradcheck(lambda *z: evaluate(name, *z, positives=positives).total, branches)


@each_loss
@each_choice
def test_float32_is_close_to_float64(name, positives):
    if not possible(name, positives):
        return
    z = normal(12, 4, 16, 8)
    exact, single = (evaluate(name, x, positives=positives).total for x in (z, z.float()))
    torch.testing.assert_close(single.double(), exact, rtol=5e-6, atol=5e-6)


@each_loss
def test_first_is_the_plain_loss_of_two_views(name):
    z, target = normal(13, 4, 5, 3), normal(14, 4, 5, 3)
    for other in (None, target):
        one = evaluate(name, z, other, positives="first")
        two = evaluate(name, z[:2], None if other is None else other[:2])
        assert torch.equal(one.align, two.align)
        assert torch.equal(one.spread, two.spread)


@pytest.mark.parametrize("temperature", [1e-9, 1e-3, 1.0, 1e3, 1e9])
def test_soft_worst_goes_from_the_worst_to_the_average_without_loss_of_digits(temperature):
    z = normal(15, 4, 6, 3)
    positives = SoftWorst(temperature=temperature)
    single = evaluate("vicreg", z.float(), positives=positives).align.double()
    pairs = torch.stack([evaluate("vicreg", z[[a, b]]).align for a in range(4) for b in range(4) if a != b])
    exact = (pairs - pairs.amax(0)).div(temperature).exp().mean(0).log() * temperature + pairs.amax(0)
    if temperature > 1e6:
        exact = pairs.mean(0)
    torch.testing.assert_close(single, exact, rtol=1e-5, atol=1e-5)


def farthest_by_hand(z):
    """The two views of each image that are farthest apart after each view is standardised, as two views."""
    standard = (z - z.mean(1, keepdim=True)) / z.std(1, correction=0, keepdim=True)
    pairs = list(itertools.combinations(range(len(z)), 2))
    chosen = []
    for i in range(z.shape[1]):
        gaps = [(standard[a, i] - standard[b, i]).norm().item() for a, b in pairs]
        chosen.append(z[list(pairs[gaps.index(max(gaps))]), i])
    return torch.stack(chosen, dim=1)


def test_barlow_twins_takes_the_two_views_that_are_farthest_apart():
    z = normal(16, 4, 7, 3) * torch.tensor([1.0, 1.0, 30.0])  # in raw units the last dimension would decide
    one = barlow_twins(z, std="biased", positives="worst")
    two = barlow_twins(farthest_by_hand(z), std="biased")
    torch.testing.assert_close(one.align, two.align)
    torch.testing.assert_close(one.spread, two.spread)


def test_barlow_twins_in_both_orders_is_one_correlation_of_twice_the_images():
    z = normal(17, 4, 7, 3)
    x, y = farthest_by_hand(z)
    both = torch.stack([torch.cat([x, y]), torch.cat([y, x])])
    one = barlow_twins(z, std="unbiased", positives="worst-symmetric", redundancy=0.3)
    two = barlow_twins(both, std="unbiased", redundancy=0.3)
    torch.testing.assert_close(one.total, two.total)
    assert one.align.shape == (7,)
    assert one.align.mean().item() == pytest.approx(two.align.mean().item())


def test_vicreg_takes_variance_and_covariance_of_the_farthest_views_or_of_all():
    z = normal(18, 4, 6, 3)
    pairs = list(itertools.combinations(range(4), 2))
    gaps = torch.stack([(z[a] - z[b]).norm(dim=1) for a, b in pairs]).argmax(0).tolist()
    chosen = torch.stack([z[list(pairs[pair]), i] for i, pair in enumerate(gaps)], dim=1)
    one, two = vicreg(z, positives="worst"), vicreg(chosen)
    torch.testing.assert_close(one.align, two.align)
    torch.testing.assert_close(one.spread, two.spread)
    symmetric = vicreg(z, positives="worst-symmetric")
    torch.testing.assert_close(symmetric.align, two.align)
    torch.testing.assert_close(symmetric.spread, vicreg(z).spread)


@pytest.mark.parametrize("name", ["barlow_twins", "vicreg", "vicreg_paper"])
def test_with_two_views_of_one_network_there_is_one_pair_and_nothing_changes(name):
    z = normal(19, 2, 6, 3)
    torch.testing.assert_close(evaluate(name, z, positives="worst").total, evaluate(name, z).total)


@each_loss
@each_choice
def test_no_tensor_holds_more_embeddings_than_there_are(name, positives, largest_tensor):
    """And what is kept for the backward pass grows with m, not with m^2."""
    if not possible(name, positives):
        return
    kept = {}
    for views in (4, 8):
        z = normal(20, views, 6, 64).requires_grad_()
        target = normal(21, views, 6, 64).requires_grad_()
        storages = {}

        def keep(tensor, storages=storages):
            storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with largest_tensor() as seen:
            with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
                total = evaluate(name, z, target, positives=positives).total
            total.backward()
        matrices = {"vicreg": 2 * views, "vicreg_paper": 2 * views, "barlow_twins": 1}.get(name, 0)
        rows = 2 if positives == "worst-symmetric" else 1
        assert seen.largest <= max(2 * rows * z.numel(), matrices * 64 * 64)
        kept[views] = sum(storages.values())
    assert kept[8] < 2.6 * kept[4]


def test_what_a_loss_cannot_take_is_refused_with_the_reason():
    z = normal(22, 3, 5, 2)
    with pytest.raises(InputError, match=r"barlow_twins cannot weigh .* one number per dimension"):
        barlow_twins(z, std="biased", positives=SoftWorst(temperature=1.0))
    with pytest.raises(InputError, match=r"unknown positives 'wors'\. Did you mean 'worst'\?"):
        nt_xent(z, temperature=1.0, positives="wors")
    with pytest.raises(InputError, match=r"a loss takes SoftWorst\(temperature=...\)"):
        nt_xent(z, temperature=1.0, positives="soft-worst")
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="expected a finite number above zero"):
            SoftWorst(temperature=wrong)
