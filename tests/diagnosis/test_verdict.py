from dataclasses import replace

import pytest
import torch

from contrascope.diagnosis.rules import RULES, Thresholds, identity_share
from contrascope.diagnosis.signals import Faults, Signals, layer_signals
from contrascope.diagnosis.verdict import judge
from contrascope.encoders.settings import ProjectorSettings
from contrascope.methods.joint.barlow_twins_settings import BarlowTwinsSettings
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.methods.joint.vicreg_settings import VICRegSettings
from contrascope.methods.momentum.byol_settings import BYOLSettings
from contrascope.methods.momentum.moco_settings import MoCoSettings
from contrascope.methods.predict.simsiam_settings import SimSiamSettings

N, DIM = 400, 24


def gaussian(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


STATISTICS = torch.rand(N, 5, generator=torch.Generator().manual_seed(9))


def layer(rows):
    return layer_signals(rows, statistics=STATISTICS, draws=100)


def views_of(images, noise, seed=1):
    return images + noise * gaussian(2, *images.shape, seed=seed)


@pytest.fixture(scope="module")
def reference():
    """A random encoder: views find their image now and then."""
    return layer(views_of(gaussian(N, DIM), 1.5))


def signals(h, reference, z=None, **changes):
    whole = Signals(
        h=None if h is None else layer(h),
        z=None if z is None else layer(z),
        reference_h=reference,
        reference_z=None if z is None else reference,
        reference="a random encoder of the same shape on the same views",
        equal_views=0.0,
        faults=Faults(batch_norm_gap=0.01),
    )
    return replace(whole, **changes)


GOOD = views_of(gaussian(N, DIM), 0.3)


def test_a_representation_that_beats_its_random_encoder_is_healthy(reference):
    found = judge(signals(GOOD, reference, z=GOOD))
    assert found.word == "healthy"
    assert found.ok
    assert found.cause == ""
    assert "the random encoder reaches" in found.evidence[0]


def one_way(noise):
    return torch.ones(2, N, DIM) + noise * gaussian(2, N, DIM)


@pytest.mark.parametrize("place", ["encoder", "projector"])
def test_rows_that_point_one_way_are_a_complete_collapse_in_either_layer(reference, place):
    flat = one_way(1e-3)
    h, z = (flat, GOOD) if place == "encoder" else (GOOD, flat)
    found = judge(signals(h, reference, z=z))
    assert found.word == "complete collapse"
    assert place in found.evidence[0]
    assert not found.ok


def test_a_random_encoder_with_little_spread_has_not_collapsed(reference):
    narrow = layer(one_way(1e-2))
    assert narrow.spread < 1e-3
    assert judge(signals(one_way(1e-2), narrow)).word == "not learning"


def test_two_directions_are_a_dimensional_collapse_unless_the_reference_has_no_more(reference):
    flat = views_of(gaussian(N, 2) @ gaussian(2, DIM, seed=3), 1e-3)
    assert judge(signals(flat, reference)).word == "dimensional collapse"
    assert judge(signals(flat, layer(flat))).word == "not learning"


def test_a_few_points_are_a_cluster_collapse(reference):
    points = gaussian(5, DIM)[torch.arange(N) % 5]
    found = judge(signals(views_of(points, 0.01), reference))
    assert found.word == "cluster collapse"
    assert "8 points" in found.evidence[0]


def test_an_encoder_that_reads_trivial_statistics_is_a_shortcut(reference):
    lift = torch.linalg.qr(torch.cat((STATISTICS, STATISTICS**2), dim=1) - 0.4).Q * N**0.5
    found = judge(signals(views_of(lift @ gaussian(10, DIM, seed=4), 0.02), reference))
    assert found.word == "over-invariant or shortcut"
    assert "sharpness" in found.evidence[0]


def test_trivial_statistics_are_no_shortcut_where_random_weights_had_more_of_them(reference):
    lift = torch.linalg.qr(torch.cat((STATISTICS, STATISTICS**2), dim=1) - 0.4).Q * N**0.5
    mixed = signals(views_of(lift @ gaussian(10, DIM, seed=4), 2.0), reference)
    assert judge(mixed).word == "over-invariant or shortcut"
    random = replace(mixed.h, shortcut=layer(views_of(lift @ gaussian(10, DIM, seed=4), 0.0)).shortcut)
    with_more = replace(random, views=reference.views, spread=reference.spread)
    assert judge(replace(mixed, reference_h=with_more)).word == "healthy"


def test_an_encoder_that_keeps_the_class_alone_has_learnt_though_no_view_finds_its_image(reference):
    classes = gaussian(12, DIM, seed=7)[torch.arange(N) % 12]
    found = judge(signals(views_of(classes, 0.4), reference))
    assert float(found.evidence[0].split(" for ")[1].split(" %")[0]) < 20
    assert found.word == "healthy"
    assert "between images" in found.evidence[1]


def test_the_identity_share_is_the_part_of_the_variance_between_images():
    rows = views_of(gaussian(4000, DIM, seed=3), 0.5)
    layer_of_rows = layer_signals(rows, draws=50)
    assert identity_share(layer_of_rows).value == pytest.approx(1 / (1 + 0.5**2), abs=0.02)
    alone = layer_signals(gaussian(2, 500, DIM), draws=50)
    found = identity_share(alone)
    assert found.low <= 0.01
    assert found.high >= -0.01
    assert identity_share(layer_signals(rows[:1], draws=0)) is None
    assert identity_share(layer_signals(torch.ones(2, 9, 3), draws=0)) is None


def test_an_encoder_like_its_random_twin_is_not_learning(reference):
    like_random = signals(views_of(gaussian(N, DIM, seed=5), 1.5, seed=6), reference)
    found = judge(like_random)
    assert found.word == "not learning"
    assert "not loaded" in found.cause  # no method is known: a foreign encoder
    assert "learning rate" in judge(like_random, method=SimCLRSettings(temperature=0.5)).cause


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (Faults(non_finite=3), "3 values are NaN"),
        (Faults(non_finite=1), "1 value is NaN"),
        (Faults(dead_units=0.7), "70 % of the encoder's outputs are constant"),
        (Faults(batch_norm_gap=1.2), "1.20 apart"),
        (Faults(stopped="the loss is nan since step 3"), "since step 3"),
    ],
)
def test_numerical_faults_come_first_and_are_named(reference, faults, words):
    found = judge(signals(None if faults.non_finite else GOOD, reference, faults=faults))
    assert found.word == "numerical fault"
    assert words in found.evidence[0]
    assert found.next


def test_without_a_reference_or_views_nothing_is_called_healthy(reference):
    assert judge(signals(GOOD, None)).word == "undecided"
    assert judge(signals(GOOD[:1], reference)).word == "undecided"


def test_every_threshold_moves_a_verdict(reference):
    flat = signals(views_of(gaussian(N, 2) @ gaussian(2, DIM, seed=3), 1e-3), reference)
    assert judge(flat, thresholds=Thresholds(rank=1.0)).word != "dimensional collapse"
    points = signals(views_of(gaussian(5, DIM)[torch.arange(N) % 5], 0.01), reference)
    assert judge(points, thresholds=Thresholds(modes=1.0)).word != "cluster collapse"
    assert len(RULES) == 7


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (SimCLRSettings(temperature=100.0), "temperature 100"),
        (MoCoSettings(temperature=0.001), "temperature 0.001"),
        (SimSiamSettings(), "stop-gradient"),
        (BYOLSettings(), "predictor"),
        (VICRegSettings(variance=0.0), "variance 0"),
        (BarlowTwinsSettings(redundancy=0.0), "redundancy weight 0"),
        (None, "keeps different images apart"),
    ],
)
def test_the_cause_is_worded_in_the_methods_own_settings(reference, method, words):
    found = judge(signals(one_way(1e-3), reference), method=method)
    assert words in found.cause
    assert found.next


def test_a_narrow_projector_is_named_as_the_cause(reference):
    narrow = views_of(gaussian(N, 1), 0.1)
    method = SimCLRSettings(projector=ProjectorSettings(out=1))
    found = judge(signals(GOOD, reference, z=narrow), method=method)
    assert found.word == "dimensional collapse"
    assert "1 numbers" in found.cause
    assert found.next == "Widen the projector."


def test_a_policy_that_changes_nothing_is_named_before_the_method(reference):
    found = judge(signals(one_way(1e-3), reference, equal_views=1.0), method=SimCLRSettings())
    assert "changes nothing on 100 %" in found.cause
