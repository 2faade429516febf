"""Losses of the methods against the loss called by hand, and the momentum copies against arithmetic."""

import copy

import pytest
import torch
from method_cases import clustered_views, small_method

from contrascope.errors import InputError
from contrascope.losses.barlow_twins import barlow_twins
from contrascope.losses.contrastive import nt_xent
from contrascope.losses.cosine import byol, negative_cosine
from contrascope.losses.vicreg import vicreg
from contrascope.methods.registry import METHODS
from contrascope.methods.target import cosine_to_one


def by_hand(name, method, views):
    z = torch.stack([method.projector(method.encoder(view)) for view in views])
    if name == "simclr":
        return nt_xent(z, temperature=0.3)
    if name == "barlow_twins":
        return barlow_twins(z, std="biased", redundancy=0.02)
    if name == "vicreg":
        return vicreg(z, invariance=3.0, variance=2.0, covariance=0.5)
    p = torch.stack([method.predictor(view) for view in z])
    if name == "simsiam":
        return negative_cosine(p, z)
    return byol(p, torch.stack([method.target_projector(method.target_encoder(view)) for view in views]))


SETTINGS = {
    "simclr": {"temperature": 0.3},
    "barlow_twins": {"std": "biased", "redundancy": 0.02},
    "vicreg": {"invariance": 3.0, "variance": 2.0, "covariance": 0.5},
    "simsiam": {},
    "byol": {},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_the_value_is_that_of_the_loss_called_by_hand(name):
    changes = SETTINGS[name]
    method = small_method(name, **changes)
    if name == "byol":
        with torch.no_grad():
            for parameter in method.target_encoder.parameters():
                parameter += 0.3
    expected = by_hand(name, copy.deepcopy(method), clustered_views())
    terms = method(clustered_views()).terms
    torch.testing.assert_close(terms.align, expected.align)
    torch.testing.assert_close(terms.spread, expected.spread)


@pytest.mark.parametrize(
    ("name", "progress", "decay"), [("moco", 0.5, 0.75), ("byol", 0.0, 0.75), ("byol", 0.5, 0.875)]
)
def test_the_target_follows_by_its_decay(name, progress, decay):
    method = small_method(name, ema_decay=0.75)
    pairs = [
        *zip(method.target_encoder.parameters(), method.encoder.parameters(), strict=True),
        *zip(method.target_projector.parameters(), method.projector.parameters(), strict=True),
    ]
    with torch.no_grad():
        for target, online in pairs:
            target.fill_(8.0)
            online.fill_(16.0)
    method.after_step(progress)
    for target, online in pairs:
        assert (target == 8 * decay + 16 * (1 - decay)).all()
        assert (online == 16).all()


def test_byols_target_stands_still_at_the_end():
    assert cosine_to_one(0.9, 1.0) == 1.0
    assert cosine_to_one(0.9, 0.25) == pytest.approx(1 - 0.1 * (2**-0.5 + 1) / 2)


@pytest.mark.parametrize("name", ["moco", "byol"])
def test_a_decay_beyond_one_is_refused(name):
    with pytest.raises(InputError, match=r"ema_decay must lie in \[0, 1\]; got 1.5"):
        small_method(name, ema_decay=1.5)


def test_defaults_are_the_settings_of_the_papers():
    moco, simclr, barlow = METHODS["moco"](), METHODS["simclr"](), METHODS["barlow_twins"]()
    assert (moco.temperature, moco.queue_size, moco.ema_decay, moco.splits) == (0.1, 4096, 0.99, 8)
    assert (simclr.temperature, simclr.projector.hidden, simclr.projector.out) == (0.5, (512,), 128)
    assert (barlow.redundancy, barlow.projector.batch_norm_out) == (0.005, True)


def test_simsiams_gradient_is_that_of_a_fixed_target():
    views, method = clustered_views(), small_method("simsiam")
    fixed = copy.deepcopy(method)(views).z
    reference = copy.deepcopy(method)
    z = torch.stack([reference.projector(reference.encoder(view)) for view in views])
    negative_cosine(torch.stack([reference.predictor(view) for view in z]), fixed).total.backward()
    method(views).terms.total.backward()
    for ours, theirs in zip(method.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)
