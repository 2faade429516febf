"""Sentences of the papers' theory as tests: what is said in words there, on numbers for which it must be so."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from contrascope.evaluation.centres import NearestCentre
from contrascope.evaluation.probe import LinearProbe
from contrascope.losses.contrastive import decoupled, info_nce_queue, nt_xent
from contrascope.losses.spectral import linear_contrastive, spectral
from contrascope.losses.vicreg import vicreg_paper
from contrascope.theory.bounds.error_bounds import error_bound, thresholds
from contrascope.theory.factors.centre_error import nearest_centre_error


def rows(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# "a linear classifier is at least as good as G_f" (Huang et al. 2023, remark after theorem 1)


def test_g_f_is_a_linear_classifier_with_the_centres_as_rows():
    h, y = rows(60, 5), torch.arange(60) % 4
    model = NearestCentre().fit(h, y)
    centres = model.centres_.double()
    logits = h @ centres.T - centres.square().sum(dim=1) / 2
    assert np.array_equal(model.predict(h), logits.argmax(dim=1).numpy())


def test_a_fitted_linear_classifier_beats_g_f_where_classes_are_stretched():
    """Two classes that a line parts without error, though each spreads far along it."""
    spread = torch.tensor([1.0, 30.0], dtype=torch.float64)
    h = rows(400, 2).clamp(-2, 2) * spread + torch.tensor(
        [[3.0, 25.0], [-3.0, -25.0]], dtype=torch.float64
    ).repeat(200, 1)
    y = torch.arange(400) % 2
    of_centres = nearest_centre_error(h[None], y).error.value
    of_line = 1 - float(LinearProbe(grid=(10.0,)).fit(h, y).score(h, y))
    assert of_line == 0.0
    assert of_centres > 0.05


# "sigma = 1 and delta = 0 with perfect alignment: the threshold is exactly 1" (section 3)


def test_with_perfect_concentration_and_alignment_the_threshold_is_the_squared_radius():
    centres = torch.eye(3, dtype=torch.float64)
    for norm in (1.0, 2.0):
        assert thresholds(torch.zeros(3), norm * centres, norm=norm).tolist() == [norm**2] * 3
    priors = torch.full((3,), 1 / 3, dtype=torch.float64)
    perfect = {"sigma": 1.0, "delta": 0.0, "lipschitz": 5.0, "epsilon": 0.0, "r_epsilon": 0.0}
    bound = error_bound(centres, priors, **perfect)
    assert bound.holds
    assert bound.value == 0.0
    assert bound.terms["threshold"] == 1.0


def test_any_two_different_centres_pass_that_threshold_and_equal_ones_do_not():
    near = normalize(torch.tensor([[1.0, 0.0], [1.0, 1e-3]], dtype=torch.float64), dim=1)
    assert near[0] @ near[1] < thresholds(torch.zeros(2), near)[0]
    assert not near[0] @ near[0] < thresholds(torch.zeros(2), near[:1].repeat(2, 1))[0]


# Arora et al. 2019 (arXiv:1902.09229), lemma 4.3: positives from one latent class


def arora(f, y, *, positive):
    """Unsupervised loss with logistic loss in bits, and the loss of the mean classifier on pairs of classes.

    f: [views n dim]; `positive` is "class" (any two images of one class) or "views" (two views of one image).
    """
    classes = [f[0][y == k] for k in y.unique()]
    means = torch.stack([one.mean(dim=0) for one in classes])
    share = 1 / len(classes)

    def bits(margin):
        return torch.log1p(torch.exp(-margin)) / math.log(2)

    unsupervised, supervised = 0.0, 0.0
    for k, anchors in enumerate(classes):
        partner = anchors if positive == "class" else f[1][y == k]
        products = anchors @ partner.T
        for other, negatives in enumerate(classes):
            apart = anchors @ negatives.T
            if positive == "class":
                loss = bits(products[:, :, None] - apart[:, None, :]).mean()
            else:
                loss = bits(products.diagonal()[:, None] - apart).mean()
            unsupervised += share**2 * loss.item()
            if other != k:
                supervised += share**2 * bits(anchors @ (means[k] - means[other])).mean().item()
    collision = share
    return unsupervised, supervised / (1 - collision), collision


@pytest.mark.parametrize("seed", range(20))
def test_with_positives_of_one_class_the_unsupervised_loss_bounds_the_supervised_one(seed):
    f, y = 2 * rows(2, 24, 4, seed=seed), torch.arange(24) % 3
    unsupervised, supervised, collision = arora(f, y, positive="class")
    assert supervised <= (unsupervised - collision) / (1 - collision) + 1e-12


def test_with_positives_that_are_views_the_same_bound_fails():
    """Perfect alignment and images spread evenly: the loss is small, and classes mean nothing."""
    f = 3 * torch.eye(40, dtype=torch.float64).expand(2, -1, -1)
    y = torch.arange(40) % 2
    unsupervised, supervised, collision = arora(f, y, positive="views")
    assert supervised > (unsupervised - collision) / (1 - collision) + 0.5


# Garrido et al. 2023 (arXiv:2206.02574): contrastive and non-contrastive criteria, theorem 3.3


def criteria(z):
    """Squared off-diagonal products of images (columns of z.T) and of dimensions."""
    of_images, of_dimensions = z @ z.T, z.T @ z
    return tuple((one - torch.diag(one.diagonal())).square().sum() for one in (of_images, of_dimensions))


def test_both_criteria_are_equal_up_to_the_fourth_powers_of_norms():
    z = rows(12, 5)
    contrastive, covariance = criteria(z)
    images, dimensions = (z.square().sum(dim=axis).square().sum() for axis in (1, 0))
    assert (contrastive + images).item() == pytest.approx((covariance + dimensions).item())


def test_doubly_normalised_the_gap_is_a_constant_of_the_two_numbers():
    n, dim = 30, 6
    z = rows(n, dim)
    for _ in range(2000):  # unit images, and dimensions of equal length
        z = normalize(z, dim=0) * math.sqrt(n / dim)
        z = normalize(z, dim=1)
    contrastive, covariance = criteria(z)
    assert (covariance - contrastive).item() == pytest.approx(n - n**2 / dim, rel=1e-6)


def test_our_losses_hold_these_two_criteria():
    z = rows(12, 5)
    z = z - z.mean(dim=0)
    contrastive, covariance = criteria(z)
    both = z.expand(2, -1, -1)
    long = 1e6  # so that nothing is clipped
    spread = spectral(both, mu=long).spread * long * 12 * 11
    assert spread.item() == pytest.approx(contrastive.item())
    redundancy = vicreg_paper(both, invariance=0.0, variance=0.0, covariance=1.0).spread
    assert redundancy.item() == pytest.approx(2 * covariance.item() / 11**2 / 5)


# Tao et al. 2021 (arXiv:2112.05141): the gradients of contrastive losses in one form, -z+ and a sum over negatives


def slope(loss, z):
    """Gradient of a loss in the first anchor alone, others fixed: free of the projection of unit length."""
    anchor = z[0, 0].clone().requires_grad_()
    rest = torch.cat([anchor[None], z[0, 1:]])[None]
    (found,) = torch.autograd.grad(loss(torch.cat([rest, z[1:]])), anchor)
    return found


def tangent(vector, at):
    return vector - (vector @ at) * at


def test_info_nce_pulls_by_the_positive_and_pushes_by_a_softmax():
    z, queue, temperature = normalize(rows(2, 1, 6), dim=2), normalize(rows(9, 6, seed=1), dim=1), 0.3
    query, key = z[0, 0], z[1, 0]
    share = torch.cat([key[None], queue]) @ query / temperature
    share = share.softmax(dim=0)
    expected = (-key + share @ torch.cat([key[None], queue])) / temperature

    def loss(both):
        return info_nce_queue(both, z, queue=queue, temperature=temperature).total

    found = 2 * slope(loss, z)  # the loss is the mean of both directions
    assert torch.allclose(found, tangent(expected, query))


def test_the_spectral_loss_has_the_same_form_with_products_for_weights():
    z = normalize(rows(2, 5, 6), dim=2)
    query, key, others = z[0, 0], z[1, 0], z[1, 1:]
    expected = 2 * (-key + (others @ query) @ others / 4)
    found = 5 * slope(lambda both: spectral(both, mu=4.0).total * 4.0, z)
    assert torch.allclose(found, expected)


# limits of the temperature


def test_at_infinite_temperature_nt_xent_turns_as_the_linear_contrastive_loss():
    z = normalize(rows(2, 8, 4), dim=2)
    hot = 1e6

    def gradient(loss):
        free = z.clone().requires_grad_()
        (found,) = torch.autograd.grad(loss(free), free)
        return found

    ours = gradient(lambda both: decoupled(both, temperature=hot).total * hot)
    count = 16  # embeddings, of which each meets those of the 7 other images
    means = gradient(
        lambda both: (
            linear_contrastive(both, centring=0.0).total
            + (count**2 * both.mean(dim=(0, 1)).square().sum() - both.sum(dim=0).square().sum())
            / (count * (count - 2))
        )
    )
    flat = ours - (ours * z).sum(dim=2, keepdim=True) * z
    assert torch.allclose(flat, means - (means * z).sum(dim=2, keepdim=True) * z, atol=1e-5)


def test_at_temperature_zero_only_the_nearest_negative_counts():
    z = normalize(rows(2, 8, 4), dim=2)
    cold = 1e-4
    flat = z.flatten(0, 1)
    products = flat @ flat.T
    image = torch.arange(8).repeat(2)
    products[image[:, None] == image[None]] = -torch.inf
    positives = (z[0] * z[1]).sum(dim=1).repeat(2)
    expected = (products.amax(dim=1) - positives).mean()
    assert (cold * decoupled(z, temperature=cold).total).item() == pytest.approx(expected.item(), abs=2e-3)
    hinge = (products.amax(dim=1) - positives).clamp_min(0).mean()
    assert (cold * nt_xent(z, temperature=cold).total).item() == pytest.approx(hinge.item(), abs=2e-3)
