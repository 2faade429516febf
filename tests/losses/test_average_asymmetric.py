"""The average over pairs with the denominators of Algorithm 1: by hand, in loops, and where it meets `worst`."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.losses import LOSSES
from contrascope.losses.barlow_twins import barlow_twins
from contrascope.losses.contrastive import info_nce_queue, nt_xent
from contrascope.losses.vicreg import vicreg

ASYMMETRIC = "average-asymmetric"
few = settings(derandomize=True, deadline=None, max_examples=8)


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def evaluate(name, z, target=None, **changed):
    chosen = dict(LOSSES[name].example) | changed
    if "queue" in set(LOSSES[name].required) - set(changed):
        chosen["queue"] = normal(99, 5, z.shape[-1])
    return LOSSES[name].fn(z, target, **chosen)


def cosine(x, y):
    return (x @ y / x.norm() / y.norm()).item()


def algorithm_1(z, tau, *, of):
    """Line by line, in loops: `of` makes one positive of the cosines of an image's pairs of views."""
    views, n, _ = z.shape
    total = 0.0
    for i in range(n):
        positive = of([cosine(z[a, i], z[b, i]) for a, b in itertools.combinations(range(views), 2)])
        negatives = [cosine(z[0, i], z[0, j]) for j in range(n) if j != i]
        negatives += [cosine(z[0, i], z[1, j]) for j in range(n)]
        total -= math.log(math.exp(positive / tau) / sum(math.exp(s / tau) for s in negatives))
    return total / n


@pytest.mark.parametrize("views", [2, 3, 4])
@pytest.mark.parametrize("tau", [0.1, 0.5])
def test_it_is_algorithm_1_with_the_mean_in_place_of_the_least(views, tau):
    z = normal(views, views, 5, 3)
    for word, of in ((ASYMMETRIC, lambda found: sum(found) / len(found)), ("worst", min)):
        actual = nt_xent(z, temperature=tau, positives=word).total.item()
        assert actual == pytest.approx(algorithm_1(z, tau, of=of), abs=1e-10), word


def test_by_hand_three_views_of_two_images():
    """Angles 0, 60 and 180 degrees of image 1, three times 90 of image 2; temperature 1."""
    half, root = 0.5, math.sqrt(0.75)
    z = torch.tensor([[[1, 0], [0, 1]], [[half, root], [0, 1]], [[-1, 0], [0, 1]]], dtype=torch.float64)
    terms = nt_xent(z, temperature=1.0, positives=ASYMMETRIC)
    mean = (half - half - 1) / 3  # cosines of 60, 120 and 180 degrees
    torch.testing.assert_close(terms.align, torch.tensor([-mean, -1.0], dtype=torch.float64))
    first = math.log(2 * math.exp(0) + math.exp(half))  # both views of image 2, view 2 of image 1
    second = math.log(math.exp(0) + math.exp(root) + math.exp(1))
    assert terms.spread.item() == pytest.approx((first + second) / 2)


@pytest.mark.parametrize("name", [name for name, info in LOSSES.items() if not info.per_dimension])
@few
@given(seed=st.integers(0, 2**31 - 1), views=st.integers(2, 5), with_target=st.booleans())
def test_alignment_is_that_of_average_and_spread_that_of_worst(name, seed, views, with_target):
    z = normal(seed, views, 5, 3)
    target = normal(seed + 1, views, 5, 3) if with_target else None
    found = {word: evaluate(name, z, target, positives=word) for word in ("average", ASYMMETRIC, "worst")}
    one = found[ASYMMETRIC]
    torch.testing.assert_close(one.align, found["average"].align, rtol=0, atol=0)
    if name in (
        "info_nce",
        "info_nce_queue",
        "t_moco",
    ):  # its denominator holds the positive of the numerator
        assert one.spread >= found["worst"].spread - 1e-12  # the mean product is at least the least one
    elif name.startswith("vicreg"):  # `worst` takes them of the two views that are farthest apart
        first_two = evaluate(name, z[:2], None if target is None else target[:2])
        torch.testing.assert_close(one.spread, first_two.spread, rtol=0, atol=0)
    else:
        torch.testing.assert_close(one.spread, found["worst"].spread, rtol=0, atol=0)


@pytest.mark.parametrize("name", LOSSES)
@few
@given(seed=st.integers(0, 2**31 - 1), views=st.integers(2, 5))
def test_where_all_pairs_of_an_image_are_equal_it_is_worst(name, seed, views):
    """Each view of an image is the image's vector, in dimensions that all images share, and one of its own."""
    shared = normal(seed, 1, 6, 3).expand(views, -1, -1)
    own = torch.zeros(views, 6, views, dtype=torch.float64)
    if not LOSSES[
        name
    ].per_dimension:  # there equal pairs are equal views: a standardised dimension has no length
        own[range(views), :, range(views)] = 0.7
    z = torch.cat([shared, own], dim=-1)
    # old keys that look at what the views share, so that the pairs stay equal where neighbours are looked for
    queue = torch.cat([normal(99, 5, 3), torch.zeros(5, views, dtype=torch.float64)], dim=-1)
    more = {"queue": queue} if "queue" in LOSSES[name].required else {}
    one, worst = (evaluate(name, z, positives=word, **more) for word in (ASYMMETRIC, "worst"))
    torch.testing.assert_close(one.align, worst.align, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(one.spread, worst.spread, rtol=1e-9, atol=1e-12)


def test_moco_has_the_mean_product_above_and_below():
    q, k, queue, tau = normal(3, 3, 4, 3), normal(4, 3, 4, 3), normal(5, 6, 3), 0.3
    total = 0.0
    for i in range(4):
        crossed = [cosine(q[a, i], k[b, i]) for a in range(3) for b in range(3) if a != b]
        positive = math.exp(sum(crossed) / len(crossed) / tau)
        total -= math.log(positive / (positive + sum(math.exp(cosine(q[0, i], old) / tau) for old in queue)))
    terms = info_nce_queue(q, k, queue=queue, temperature=tau, positives=ASYMMETRIC)
    assert terms.total.item() == pytest.approx(total / 4, abs=1e-10)


def test_statistics_of_batches_are_of_the_first_two_views():
    z = normal(6, 4, 7, 3)
    for loss, chosen in ((vicreg, {}), (barlow_twins, {"std": "biased"})):
        one = loss(z, positives=ASYMMETRIC, **chosen)
        pairs = [loss(z[[a, b]], **chosen).align for a, b in itertools.combinations(range(4), 2)]
        torch.testing.assert_close(one.align, torch.stack(pairs).mean(0))
        torch.testing.assert_close(one.spread, loss(z[:2], **chosen).spread)


def test_later_views_count_in_the_alignment_alone_and_in_any_order():
    z = normal(7, 4, 5, 3).requires_grad_()
    terms = nt_xent(z, temperature=0.4, positives=ASYMMETRIC)
    (align,) = torch.autograd.grad(terms.align.sum(), z, retain_graph=True)
    (spread,) = torch.autograd.grad(terms.spread, z)
    assert (align.abs().amax(-1) > 0).all()
    assert (spread.abs().amax(-1) > 0).all(1).tolist() == [True, True, False, False]
    other = nt_xent(z[[0, 1, 3, 2]], temperature=0.4, positives=ASYMMETRIC)
    torch.testing.assert_close(other.total, terms.total)
