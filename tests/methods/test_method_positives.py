"""Every method under every word of `positives`: value, state, what is the plain method to the bit, refusals."""

import copy

import pytest
import torch
from method_cases import CHOICES, JOINT, clustered_views, small_method, small_settings
from torch.nn import functional as F

from contrascope.errors import InputError
from contrascope.losses import SoftWorst
from contrascope.losses.barlow_twins import barlow_twins
from contrascope.losses.contrastive import info_nce_queue, nt_xent
from contrascope.losses.cosine import byol, negative_cosine
from contrascope.losses.registry import LOSSES
from contrascope.losses.uniformity import alignment_uniformity
from contrascope.losses.vicreg import vicreg
from contrascope.methods.registry import METHODS
from contrascope.methods.settings import discover
from contrascope.settings import from_json, to_json

each_method = pytest.mark.parametrize("name", JOINT)
each_choice = pytest.mark.parametrize("word", CHOICES)


def chosen(word):
    return SoftWorst(temperature=CHOICES[word]["positives_temperature"]) if word == "soft-worst" else word


def by_hand(name, method, views, positives):
    z = torch.stack([method.projector(method.encoder(view)) for view in views])
    if name == "simclr":
        return nt_xent(z, temperature=0.5, positives=positives)
    if name == "barlow_twins":
        return barlow_twins(z, std="unbiased", positives=positives)
    if name == "vicreg":
        return vicreg(z, positives=positives)
    if name == "plain":
        return alignment_uniformity(z, positives=positives)
    if name == "simsiam":
        p = torch.stack([method.predictor(view) for view in z])
        return negative_cosine(p, z.detach(), positives=positives)
    keys = torch.stack([method.target_projector(method.target_encoder(view)) for view in views])
    if name == "moco":
        return info_nce_queue(z, keys, queue=method.queue, temperature=0.1, positives=positives)
    return byol(torch.stack([method.predictor(view) for view in z]), keys, positives=positives)


@pytest.mark.parametrize("name", ["simclr", "barlow_twins", "vicreg", "plain", "simsiam", "moco", "byol"])
@each_choice
def test_the_value_is_that_of_the_loss_called_by_hand_and_the_gradient_arrives(name, word):
    if word not in discover()[name].positives:
        return
    views = clustered_views(views=4)
    method = small_method(name, splits=0, **CHOICES[word])
    expected = by_hand(name, copy.deepcopy(method), views[:2] if word == "first" else views, chosen(word))
    terms = method(views).terms
    torch.testing.assert_close(terms.align, expected.align)
    torch.testing.assert_close(terms.spread, expected.spread)
    terms.total.backward()
    assert max(p.grad.abs().max() for p in method.encoder.parameters()) > 1e-6
    method.after_step(0.5)


@each_method
def test_first_is_training_with_two_views_to_the_bit(name):
    plain, first = small_method(name), small_method(name, positives="first")
    for step in range(3):
        views = clustered_views(views=4, seed=step)
        totals = []
        for method, seen in ((plain, views[:2]), (first, views)):
            method.zero_grad()
            total = method(seen).terms.total
            total.backward()
            with torch.no_grad():
                for parameter in method.parameters():
                    if parameter.grad is not None:
                        parameter -= 0.1 * parameter.grad
            method.after_step(step / 3)
            totals.append(total.item())
        assert totals[0] == totals[1]
    for key, value in plain.state_dict().items():
        assert torch.equal(first.state_dict()[key], value), key


@each_method
def test_more_views_than_two_count_under_worst(name):
    views = clustered_views(views=3)
    before = small_method(name, positives="worst")(views).terms.total.item()
    views[2] = views[2].flip(-1)
    assert small_method(name, positives="worst")(views).terms.total.item() != pytest.approx(before, rel=1e-4)


@each_method
@pytest.mark.parametrize("word", ["average", "worst-symmetric", "soft-worst"])
def test_permuting_all_views_changes_no_symmetric_form(name, word):
    if word not in discover()[name].positives:
        return
    views = clustered_views(views=4)
    one, other = (small_method(name, splits=0, **CHOICES[word]) for _ in range(2))
    expected = one(views).terms.total
    torch.testing.assert_close(other(views[[2, 0, 3, 1]]).terms.total, expected, rtol=1e-5, atol=1e-5)


def test_moco_pairs_queries_with_keys_and_enqueues_one_key_an_image_under_worst():
    method = small_method("moco", splits=0, positives="worst", temperature=0.3, queue_size=40)
    with torch.no_grad():
        method.target_encoder.conv.weight.mul_(-1)
    views = clustered_views(views=3)
    frozen = copy.deepcopy(method)
    q = F.normalize(torch.stack([frozen.projector(frozen.encoder(view)) for view in views]), dim=-1)
    k = F.normalize(torch.stack([frozen.target_projector(frozen.target_encoder(v)) for v in views]), dim=-1)
    pairs = [(a, b) for a in range(3) for b in range(3) if a != b]
    positive = torch.stack([(q[a] * k[b]).sum(-1) for a, b in pairs]).amin(0)
    logits = torch.cat([positive[:, None], q[0] @ method.queue.T], dim=1) / 0.3
    expected = F.cross_entropy(logits, torch.zeros(16, dtype=torch.int64))
    torch.testing.assert_close(method(views).terms.total, expected)
    start = method.queue.clone()
    method.after_step(0.0)
    assert method.pointer.item() == 16
    torch.testing.assert_close(method.queue[:16], k[1])
    assert torch.equal(method.queue[16:], start[16:])


@each_method
def test_the_setting_survives_its_json(name):
    if "soft-worst" in discover()[name].positives:
        kept = small_settings(name, **CHOICES["soft-worst"])
        assert from_json(METHODS[name], to_json(kept)) == kept
    older = to_json(small_settings(name))
    del older["positives_temperature"]  # a run from before the setting
    assert from_json(METHODS[name], older) == small_settings(name)


@each_method
def test_settings_that_do_not_go_together_are_refused_before_training(name):
    with pytest.raises(InputError, match="needs a temperature"):
        small_method(name, positives="soft-worst")
    with pytest.raises(InputError, match="only soft-worst has one"):
        small_method(name, positives_temperature=1.0)
    wrong = to_json(small_settings(name)) | {"positives": "wurst"}
    with pytest.raises(InputError, match=r"positives is 'wurst'; expected one of 'first', 'average'"):
        from_json(METHODS[name], wrong)
    for word in set(CHOICES) - set(discover()[name].positives):
        with pytest.raises(InputError, match=f"{name} cannot take positives '{word}': its .*. Use 'first'"):
            small_method(name, **CHOICES[word])


@each_method
@each_choice
def test_a_registration_promises_what_the_loss_takes(name, word):
    method = small_method(name)
    loss = LOSSES[method.settings.loss if name == "plain" else method.loss_name]
    try:
        loss.refuse_positives(chosen(word))
    except InputError:
        assert word not in discover()[name].positives
    else:
        assert word in discover()[name].positives
