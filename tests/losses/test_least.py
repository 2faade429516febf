"""No loss falls below its least value by rounding, and none takes a temperature that divides nothing."""

import itertools
import math

import pytest
import torch

from contrascope.errors import InputError
from contrascope.losses import LOSSES
from contrascope.losses.pairs import SoftWorst
from contrascope.losses.terms import LossTerms
from contrascope.methods.any_loss import find_loss
from contrascope.methods.build import build_method
from contrascope.methods.settings import method_settings

BOUNDED = sorted(name for name, info in LOSSES.items() if info.traits.least is not None)
POSITIVES = ("first", "average", "average-asymmetric", "worst", "worst-symmetric", SoftWorst(temperature=0.5))
WITH_TEMPERATURE = sorted(name for name, info in LOSSES.items() if "temperature" in info.required)
WRONG = (0.0, -0.0, -1.0, float("nan"), float("inf"), -float("inf"), 1e-40, 1e-46, 5e-324, 1e-11)


def well_fitted(seed, *, views, batch, dim, noise, dtype):
    """Views of an image nearly equal, images far apart: the loss is nearly at its least value."""
    source = torch.Generator().manual_seed(seed)
    centres = 3 * torch.randn(batch, dim, generator=source, dtype=torch.float64)
    return (centres + noise * torch.randn(views, batch, dim, generator=source, dtype=torch.float64)).to(dtype)


def settings_of(name, z, temperature):
    chosen = dict(LOSSES[name].example)
    if "temperature" in chosen:
        chosen["temperature"] = temperature
    if "queue" in LOSSES[name].required:
        chosen["queue"] = -z[0, :1].float().expand(4, -1)
    return chosen


def test_the_bounded_losses_are_these():
    assert BOUNDED == [
        "barlow_twins",
        "byol",
        "info_nce",
        "info_nce_queue",
        "mean_shift",
        "negative_cosine",
        "nnclr",
        "nt_xent",
        "t_moco",
        "t_simclr",
        "unit_distance",
        "vicreg",
        "vicreg_paper",
    ]


@pytest.mark.parametrize("name", BOUNDED)
def test_no_loss_is_below_its_least_value(name):
    least, shapes = LOSSES[name].traits.least, [(2, 2, 3), (2, 7, 64), (3, 33, 16), (4, 5, 2)]
    kinds = itertools.product(shapes, POSITIVES, (1e-3, 0.07, 0.5), (0.0, 1e-3))
    for seed, ((views, batch, dim), positives, temperature, noise) in enumerate(kinds):
        if name == "barlow_twins" and isinstance(positives, SoftWorst):
            continue
        for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.float16):
            z = well_fitted(seed, views=views, batch=batch, dim=dim, noise=noise, dtype=dtype)
            chosen = settings_of(name, z, temperature)
            for target in (None, z.clone()):
                total = LOSSES[name].fn(z, target, positives=positives, **chosen).total
                assert total.item() >= least, (name, views, batch, dim, positives, temperature, noise, dtype)


def test_what_is_added_has_no_gradient_and_stays_rounding():
    align = torch.full((3,), -10.0, requires_grad=True)
    spread = torch.tensor(10.0 - 2e-6, requires_grad=True)
    terms = LossTerms(align=align, spread=spread).at_least(0.0)
    assert terms.total.item() == 0.0
    assert 0 < (terms.spread - spread).item() < 1e-5
    terms.total.backward()
    assert spread.grad.item() == 1.0
    torch.testing.assert_close(align.grad, torch.full((3,), 1 / 3))
    high = LossTerms(align=align, spread=spread + 1).at_least(0.0)
    assert torch.equal(high.spread, spread + 1)


def test_a_loss_well_above_its_least_value_is_as_it_was():
    z = well_fitted(1, views=2, batch=9, dim=4, noise=2.0, dtype=torch.float64)
    unit = z / z.norm(dim=-1, keepdim=True)
    both = unit.flatten(0, 1)
    logits = (both @ both.T / 0.5).fill_diagonal_(-math.inf)
    own = torch.arange(18).roll(9)
    expected = torch.nn.functional.cross_entropy(logits, own)
    torch.testing.assert_close(LOSSES["nt_xent"].fn(z, temperature=0.5).total, expected)


@pytest.mark.parametrize("name", WITH_TEMPERATURE)
@pytest.mark.parametrize("value", WRONG, ids=str)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_every_loss_refuses_a_temperature_that_divides_nothing(name, value, dtype):
    z = well_fitted(0, views=2, batch=4, dim=3, noise=0.1, dtype=dtype)
    with pytest.raises(
        InputError, match=r"temperature is .*; expected (a finite number above zero|at least 1e-10)"
    ):
        LOSSES[name].fn(z, **settings_of(name, z, value))


class Flat(torch.nn.Module):
    """An encoder without weights worth the name."""

    dim = 4

    def forward(self, images):
        return images.flatten(1)


@pytest.mark.parametrize("name", ["simclr", "moco", "t_simclr", "nnclr", "t_moco", "sup_con"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), 1e-40])
def test_every_method_refuses_it_before_training(name, value):
    settings = type(method_settings(name))(temperature=value)
    with pytest.raises(InputError, match="temperature is"):
        settings.check()
    with pytest.raises(InputError, match="temperature is"):
        build_method(settings, Flat())


@pytest.mark.parametrize("value", [0.0, -2.0, 1e-40])
def test_plain_and_soft_worst_refuse_it_before_training(value):
    with pytest.raises(InputError, match="temperature is"):
        find_loss("decoupled", {"temperature": value}, positives="average")
    plain = type(method_settings("plain"))
    with pytest.raises(InputError, match="temperature is"):
        plain(loss="nt_xent", loss_settings=(f"temperature={value}",)).check()
    with pytest.raises(InputError, match="temperature of soft-worst is"):
        type(method_settings("simclr"))(positives="soft-worst", positives_temperature=value).check()


def test_small_temperatures_that_divide_are_taken():
    z = well_fitted(0, views=2, batch=4, dim=3, noise=0.1, dtype=torch.float32)
    for name in WITH_TEMPERATURE:
        for value in (1e-10, 1e-4, 1e4):
            assert LOSSES[name].fn(z, **settings_of(name, z, value)).total.isfinite()
