"""A cause names a setting that was looked at and is out of its usual range, or says that none is."""

from dataclasses import replace

import pytest
from signal_cases import GOOD, WELL, N, gains, gaussian, layer, signals, views_of

from contrascope.diagnosis.answers import judge
from contrascope.diagnosis.causes import DECAYS, RATES, Known, collapse_cause, learning_cause
from contrascope.encoders.settings import ProjectorSettings
from contrascope.methods.cluster.swav_settings import SwAVSettings
from contrascope.methods.hints import COLD, FAST, FEW_NEGATIVES, HOT
from contrascope.methods.joint.barlow_twins_settings import BarlowTwinsSettings
from contrascope.methods.joint.nnclr_settings import NNCLRSettings
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.methods.joint.sup_con_settings import SupervisedContrastSettings
from contrascope.methods.joint.t_simclr_settings import TSimCLRSettings
from contrascope.methods.joint.vicreg_settings import VICRegSettings
from contrascope.methods.momentum.byol_settings import BYOLSettings
from contrascope.methods.momentum.dino_settings import DINOSettings
from contrascope.methods.momentum.mean_shift_settings import MeanShiftSettings
from contrascope.methods.momentum.moco_settings import MoCoSettings
from contrascope.methods.momentum.t_moco_settings import TMoCoSettings
from contrascope.methods.predict.simsiam_settings import SimSiamSettings
from contrascope.methods.pretext.mae_settings import MAESettings
from contrascope.methods.settings import discover

COLLAPSE, LEARNING = "complete collapse", "not learning"
SIGNALS = signals(z=GOOD)
PLAIN = ProjectorSettings(hidden=())
USUAL = [info.settings() for info in discover().values()]


def cause(word, known, found=SIGNALS):
    return learning_cause(found, known) if word == LEARNING else collapse_cause(word, found, known)


OFF = [
    (SimCLRSettings(temperature=50.0), COLLAPSE, "temperature 50 flattens"),
    (SimCLRSettings(temperature=50.0), LEARNING, "temperature 50 flattens"),
    (SimCLRSettings(temperature=0.001), COLLAPSE, "temperature 0.001 lets only"),
    (MoCoSettings(temperature=0.001), COLLAPSE, "temperature 0.001"),
    (MoCoSettings(queue_size=16), COLLAPSE, "queue holds 16 keys"),
    (MoCoSettings(ema_decay=1.0), LEARNING, "never moves"),
    (BYOLSettings(ema_decay=0.5), COLLAPSE, "follows too fast"),
    (BYOLSettings(ema_decay=1.0), LEARNING, "never moves"),
    (BYOLSettings(predictor=PLAIN), COLLAPSE, "predictor is a linear map"),
    (SimSiamSettings(predictor=PLAIN), COLLAPSE, "predictor is a linear map"),
    (SimSiamSettings(projector=ProjectorSettings()), COLLAPSE, "no batch norm"),
    (VICRegSettings(variance=0.0), COLLAPSE, "variance weight 0"),
    (VICRegSettings(covariance=0.0), COLLAPSE, "covariance weight 0"),
    (VICRegSettings(invariance=0.1), LEARNING, "invariance weight 0.1"),
    (BarlowTwinsSettings(redundancy=0.0), COLLAPSE, "redundancy weight 0"),
    (BarlowTwinsSettings(redundancy=10.0), LEARNING, "redundancy weight 10"),
    (TSimCLRSettings(temperature=50.0), COLLAPSE, "temperature 50"),
    (NNCLRSettings(queue_size=16), LEARNING, "queue holds 16 embeddings"),
    (SupervisedContrastSettings(temperature=50.0), LEARNING, "temperature 50 flattens"),
    (MeanShiftSettings(neighbours=2000), LEARNING, "2000 neighbours of a queue"),
    (TMoCoSettings(temperature=50.0), COLLAPSE, "temperature 50"),
    (TMoCoSettings(projector=PLAIN), COLLAPSE, "no batch norm"),
    (SwAVSettings(epsilon=0.5), COLLAPSE, "epsilon 0.5"),
    (SwAVSettings(prototypes=4), COLLAPSE, "There are 4 prototypes"),
    (SwAVSettings(freeze=1.0), LEARNING, "frozen all the time"),
    (DINOSettings(teacher_temperature=0.5), COLLAPSE, "temperature 0.5 makes its codes nearly even"),
    (DINOSettings(centre_decay=1.0), COLLAPSE, "centre_decay 1"),
    (DINOSettings(ema_decay=1.0), LEARNING, "never moves"),
    (MAESettings(mask_ratio=0.1), COLLAPSE, "copied from their neighbours"),
    (MAESettings(mask_ratio=0.99), LEARNING, "nothing is left"),
    (MAESettings(spread=5.0), LEARNING, "weight 5"),
]


@pytest.mark.parametrize(("method", "word", "words"), OFF)
def test_a_setting_out_of_its_range_is_the_cause(method, word, words):
    found = cause(word, Known(method=method))
    assert words in found.cause
    assert found.next


@pytest.mark.parametrize("word", [COLLAPSE, "cluster collapse", "dimensional collapse", LEARNING])
@pytest.mark.parametrize("method", USUAL, ids=lambda method: type(method).__name__)
def test_usual_settings_are_never_the_cause_and_are_listed_as_looked_at(method, word):
    known = Known(method=method, optimiser="adamw", rate=1e-3, decay=1e-4)
    found = cause(word, known)
    assert "no setting that can cause it is out of its usual range" in found.cause
    assert "learning rate 0.001, weight decay 0.0001" in found.cause
    for one in method.suspects(word, {"h.dim": 24.0, "z.dim": 24.0, "equal_views": 0.0}):
        assert f"{one.setting} {one.value}" in found.cause


@pytest.mark.parametrize(("method", "word", "words"), OFF)
def test_the_same_setting_is_not_named_where_it_is_usual(method, word, words):
    assert words not in cause(word, Known(method=type(method)())).cause


@pytest.mark.parametrize("optimiser", RATES)
def test_a_learning_rate_far_off_is_the_cause(optimiser):
    low, high = RATES[optimiser]
    method = SimCLRSettings()
    far = Known(method=method, optimiser=optimiser, rate=10 * high)
    assert "far above" in cause(COLLAPSE, far).cause
    tiny = Known(method=method, optimiser=optimiser, rate=low / 10)
    assert "too small to move" in cause(LEARNING, tiny).cause
    assert "usual range" in cause(COLLAPSE, tiny).cause  # too small a rate collapses nothing
    for rate in (low, high):
        assert "usual range" in cause(COLLAPSE, replace(far, rate=rate)).cause
    heavy = Known(method=method, optimiser=optimiser, decay=2 * DECAYS[optimiser])
    assert "weight decay" in cause(COLLAPSE, heavy).cause
    assert "shrinks" in cause(COLLAPSE, heavy).cause


def test_the_methods_own_setting_comes_before_the_optimiser():
    known = Known(method=SimCLRSettings(temperature=50.0), optimiser="adamw", rate=100.0)
    assert "temperature" in cause(COLLAPSE, known).cause


def test_an_optimiser_that_is_not_known_is_not_accused():
    known = Known(method=SimCLRSettings(), optimiser="adagrad", rate=100.0, decay=100.0)
    assert "usual range" in cause(COLLAPSE, known).cause


def test_nothing_is_blamed_where_the_settings_are_not_at_hand():
    for word in (COLLAPSE, LEARNING):
        found = cause(word, Known())
        assert "not at hand" in found.cause
        assert found.next


def test_a_policy_that_changes_nothing_is_named_before_the_method():
    known = Known(method=SimCLRSettings(temperature=50.0))
    still = replace(SIGNALS, equal_views=1.0)
    assert "changes nothing on 100 %" in learning_cause(still, known).cause
    assert "temperature" in learning_cause(replace(SIGNALS, equal_views=0.5), known).cause


def test_a_narrow_projector_is_named_as_the_cause():
    narrow = signals(z=views_of(gaussian(N, 1), 0.1), reference=layer(GOOD))
    found = judge(narrow, known=Known(method=SimCLRSettings(projector=ProjectorSettings(out=1)))).sound
    assert found.word == "unsound"
    assert "1 numbers" in found.cause
    assert found.next == "Widen the projector."


def test_weights_at_their_initial_values_have_a_cause_of_their_own():
    assert "never loaded" in Known().untrained
    assert "frozen" in Known(method=SimCLRSettings()).untrained
    tiny = Known(method=SimCLRSettings(), optimiser="adamw", rate=1e-9)
    assert "1e-09 is too small" in tiny.untrained


def test_ranges_hold_what_papers_use():
    assert all(COLD <= temperature <= HOT for temperature in (0.05, 0.07, 0.1, 0.2, 0.5, 1.0))
    assert FEW_NEGATIVES < 4096
    assert FAST < 0.99


def test_the_verdict_is_the_same_whatever_is_known_of_the_training():
    for found in (
        signals(),
        signals(faults=replace(WELL, dead_units=0.9)),
        signals(learning=gains(0.0, 0.0)),
    ):
        plain = judge(found)
        for method in USUAL:
            told = judge(found, known=Known(method=method, optimiser="sgd", rate=100.0))
            assert (told.sound.word, told.sound.reason) == (plain.sound.word, plain.sound.reason)
            assert told.learning.word == plain.learning.word
