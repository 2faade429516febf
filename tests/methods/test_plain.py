"""`plain`: any loss by name or import path, with settings of its own."""

import pytest
import torch
from method_cases import SmallEncoder, clustered_views, small_settings

from contrascope.errors import InputError
from contrascope.imports import allow
from contrascope.losses import LOSSES
from contrascope.methods.build import build_method
from contrascope.methods.joint.plain_settings import PlainSettings
from contrascope.settings import from_json, to_json

NAMES = [name for name in LOSSES if "queue" not in LOSSES[name].required]


def plain(loss, *words, **changes):
    torch.manual_seed(0)
    return build_method(small_settings("plain", loss=loss, loss_settings=words, **changes), SmallEncoder())


def embedded(method, views):
    return torch.stack([method.projector(method.encoder(view)) for view in views])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("positives", ["average", "worst"])
def test_every_loss_is_trained_with_its_own_settings(name, positives):
    needed = LOSSES[name].example
    method = plain(name, *(f"{key}={value}" for key, value in needed.items()), positives=positives)
    views = clustered_views(views=3)
    terms = method(views).terms
    expected = LOSSES[name].fn(embedded(method, views), positives=positives, **needed)
    torch.testing.assert_close(terms.align, expected.align)
    torch.testing.assert_close(terms.spread, expected.spread)
    terms.total.backward()
    assert method.encoder.conv.weight.grad.abs().max() > 1e-6


def test_what_has_no_default_is_asked_for_by_name_before_training():
    with pytest.raises(InputError, match="modified_info_nce needs temperature and repulsion: ") as said:
        plain("modified_info_nce")
    assert "--method.loss-settings temperature=0.5 repulsion=1.0" in str(said.value)
    with pytest.raises(InputError, match="modified_info_nce needs repulsion"):
        plain("modified_info_nce", "temperature=0.5")


@pytest.mark.parametrize(
    ("loss", "words", "said"),
    [
        ("nt_xnt", (), "no loss 'nt_xnt'. Did you mean 'nt_xent'"),
        ("nt_xent", ("temprature=0.5",), "nt_xent has no setting 'temprature'. Did you mean 'temperature'"),
        ("negative_cosine", ("mu=1",), "has no setting 'mu'. It has none."),
        ("nt_xent", ("temperature",), "'temperature'; expected name=value"),
        ("nt_xent", ("temperature=0.5", "temperature=0.6"), "gives temperature twice"),
        ("nt_xent", ("temperature=-1",), "temperature is -1.0; expected a finite number above zero"),
        ("nt_xent", ("temperature=0.5", "positives=worst"), "no setting 'positives'"),
        ("info_nce_queue", ("temperature=0.5",), "needs a queue of old keys; use the method moco"),
        ("mean_shift", ("neighbours=3",), "needs a queue of old keys; use the method mean_shift"),
    ],
)
def test_wrong_settings_are_refused_with_the_nearest_right_one(loss, words, said):
    with pytest.raises(InputError, match=said):
        plain(loss, *words)(clustered_views())


def test_words_become_numbers_truth_and_names():
    settings = PlainSettings(loss_settings=("a=0.5", "b=1", "c=true", "d=biased", "e=1e-3"))
    assert settings.told == {"a": 0.5, "b": 1.0, "c": True, "d": "biased", "e": 1e-3}
    assert from_json(PlainSettings, to_json(settings)) == settings


def test_a_plain_number_is_alignment_of_all_images_and_no_spread():
    method = plain("own_methods:pulled", "margin=0.1", "weight=2")
    views = clustered_views()
    terms = method(views).terms
    from own_methods import pulled

    expected = pulled(embedded(method, views), weight=2.0, margin=0.1)
    torch.testing.assert_close(terms.total, expected)
    assert terms.spread.item() == 0
    assert terms.align.shape == (16,)
    terms.total.backward()
    assert method.encoder.conv.weight.grad.abs().max() > 1e-6


def test_a_loss_of_ones_own_is_only_looked_at_when_it_is_trained():
    read = from_json(
        PlainSettings,
        to_json(small_settings("plain", loss="own_methods:pulled", loss_settings=("margin=0.1",))),
    )
    method = build_method(read, SmallEncoder())
    method.encoder(clustered_views()[0])
    with pytest.raises(InputError, match="the loss 'own_methods:pulled' is code"):
        method.check_before_training()
    allow("own_methods:pulled")
    method(clustered_views())
    method = plain("no_such_module:loss")
    with pytest.raises(InputError, match="no module 'no_such_module'"):
        method(clustered_views())


def test_settings_of_ones_own_loss_are_checked_before_training():
    with pytest.raises(
        InputError, match=r"own_methods:pulled needs margin: --method\.loss-settings margin=VALUE"
    ):
        plain("own_methods:pulled").check_before_training()
    with pytest.raises(InputError, match=r"no setting 'wight'\. Did you mean 'weight'"):
        plain("own_methods:pulled", "margin=1", "wight=1").check_before_training()
    with pytest.raises(InputError, match="takes no `positives`"):
        plain("own_methods:pulled", "margin=1", positives="worst").check_before_training()
    with pytest.raises(InputError, match="is 3; expected a function"):
        plain("own_methods:number").check_before_training()
    with pytest.raises(InputError, match=r"returned shape \(16, 6\); expected LossTerms or one number"):
        plain("own_methods:not_one")(clustered_views())
    assert plain("own_methods:halves", "power=3", positives="worst").loss.settings == {"power": 3}
    assert plain("own_methods:halves").accumulation == "refused"
    assert plain("own_methods:halves").couples() is not None
    assert plain("own_methods:alone").couples() is None


def test_half_precision_reaches_ones_own_loss_as_float32():
    method = plain("own_methods:pulled", "margin=0.1")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert method(clustered_views()).terms.align.dtype == torch.float32
