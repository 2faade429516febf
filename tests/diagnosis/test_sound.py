"""Is it sound? Every check fires on what it is for, and is silent on what only looks like it."""

import re
from dataclasses import fields, replace

import pytest
import torch
from signal_cases import (
    DIM,
    GOOD,
    MOVED,
    RANDOM,
    TWIN,
    WELL,
    N,
    flat,
    gaussian,
    layer,
    one_way,
    points,
    signals,
    views_of,
)

from contrascope.diagnosis.answers import WITHOUT_LABELS, judge
from contrascope.diagnosis.causes import Known
from contrascope.diagnosis.checks.expected_input import InputFit
from contrascope.diagnosis.checks.identity import identity_share
from contrascope.diagnosis.checks.weights import InitialWeights
from contrascope.diagnosis.signals import Faults, layer_signals
from contrascope.diagnosis.sound import CHECKS, CUTS, SoundCuts, is_sound

NOTHING = Known()
BGR = InputFit(given=0.8, best="channels in reverse order (BGR)", least=0.02)
UNFIT = InputFit(given=2.0, best="as given", least=2.0)
UNTOUCHED = InitialWeights(norms=2, untouched=("a", "b"), tensors=3, same_law=0)
DRAWN = InitialWeights(norms=0, untouched=(), tensors=3, same_law=3)
PART = InitialWeights(norms=7, untouched=("a", "b", "c", "d", "e"), tensors=3, same_law=0)
FAULTS = {
    "stopped": (replace(WELL, stopped="the loss is nan since step 3"), "numerical fault", "since step 3"),
    "three values": (replace(WELL, non_finite=3), "numerical fault", "3 values are NaN"),
    "one value": (replace(WELL, non_finite=1), "numerical fault", "1 value is NaN"),
    "norms": (replace(WELL, initial=UNTOUCHED), "weights at their initial values", "all 2 normalisation"),
    "law": (replace(WELL, initial=DRAWN), "weights at their initial values", "all 3 large weights"),
    "part": (replace(WELL, initial=PART), "weights that were not loaded", "5 of 7 .* a, b, c, d and more"),
    "input": (replace(WELL, input=BGR), "another input than it was trained with", "reverse order"),
    "batch": (replace(WELL, batch=0.7), "rows depend on their batch", "moves by 0.7"),
    "batch norm": (
        replace(WELL, input=UNFIT, batch_norm_gap=1.2),
        "batch norm does not fit the data",
        "1.20 apart",
    ),
    "dead units": (replace(WELL, dead_units=0.7), "dead units", "70 % of the encoder's outputs"),
    "copies": (replace(WELL, copies=0.9), "near copies among the images", "90 % of the images"),
}
UNRELATED = torch.stack((gaussian(4 * N, DIM), gaussian(4 * N, DIM, seed=8)))
COLLAPSED = 1 + views_of(1e-3 * gaussian(N, 1) @ gaussian(1, DIM, seed=3), 1e-6)
"""One direction varies about a constant."""
SHAPES = {
    "few distinct rows": (gaussian(5, DIM)[torch.arange(N) % 5].repeat(2, 1, 1), "few distinct rows"),
    "few points": (points(5), "cluster collapse"),
    "one way": (one_way(1e-5), "a constant offset"),
    "one way and no other": (COLLAPSED, "complete collapse"),
    "a constant": (torch.ones(2, N, DIM), "few distinct rows"),
    "two directions": (flat(2), "dimensional collapse"),
}


def sound(found, cuts=CUTS, known=NOTHING):
    return is_sound(found, known, cuts)


def test_what_nothing_is_wrong_with_is_sound_and_says_what_was_looked_at():
    found = sound(signals(z=GOOD))
    assert (found.word, found.reason, found.cause) == ("sound", "", "")
    for words in (
        "All values are finite",
        "100 % of the outputs alive",
        "effective rank",
        "batch",
        "misfit 0.01",
    ):
        assert words in found.evidence[0]
    of_arrays = sound(signals(faults=Faults())).evidence[0]
    assert "misfit" not in of_arrays
    assert "batch" not in of_arrays


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_with_its_number_and_what_to_do(name):
    faults, reason, words = FAULTS[name]
    found = sound(signals(None if faults.non_finite else GOOD, faults=faults))
    assert (found.word, found.reason) == ("unsound", reason)
    assert len(found.evidence) == 1
    assert re.search(words, found.evidence[0])
    assert found.cause
    assert found.next


@pytest.mark.parametrize(
    "changes",
    [
        {"dead_units": 0.4},
        {"distinct": 0.6},
        {"copies": 0.4},
        {"batch": 0.05},  # half precision
        {"batch": None, "input": None, "initial": None, "batch_norm_gap": None},  # arrays
        {"batch_norm_gap": 1.2},  # a network whose features hang on rounding, but whose statistics fit
        {"input": UNFIT, "batch_norm_gap": 0.1},  # other images, to which the features do not react
        {"input": replace(BGR, least=0.7)},  # no other input fits much better
        {"input": InputFit(given=0.008, best="-1 to 1", least=0.0001)},  # both fit
        {"initial": replace(MOVED, same_law=4)},  # norms moved, and weights hardly
        {"initial": InitialWeights(norms=0, untouched=(), tensors=3, same_law=2)},
        {"initial": InitialWeights(norms=0, untouched=(), tensors=0, same_law=0)},
    ],
)
def test_less_than_a_fault_is_none(changes):
    assert sound(signals(faults=replace(WELL, **changes))).word == "sound"


def test_outputs_that_are_all_constant_are_a_collapse_and_not_dead_units():
    found = sound(signals(torch.ones(2, N, DIM), faults=replace(WELL, dead_units=1.0, distinct=1 / N)))
    assert "dead units" not in found.reason
    assert found.word == "unsound"


@pytest.mark.parametrize("name", SHAPES)
def test_a_collapsed_encoder_is_named_beside_a_twin_that_is_not(name):
    rows, reason = SHAPES[name]
    distinct = 5 / N if reason == "few distinct rows" else 1.0
    found = sound(signals(rows, faults=replace(WELL, distinct=distinct)))
    assert (found.word, found.reason) == ("unsound", reason)
    assert found.next


@pytest.mark.parametrize("place", ["encoder", "projector"])
@pytest.mark.parametrize(
    ("rows", "reason"), [(COLLAPSED, "complete collapse"), (flat(2), "dimensional collapse")]
)
def test_both_layers_are_looked_at_and_the_layer_is_named(place, rows, reason):
    h, z = (rows, GOOD) if place == "encoder" else (GOOD, rows)
    found = sound(signals(h, z))
    assert found.reason == reason
    assert any(f"the {place}" in sentence for sentence in found.evidence)
    assert not any(("projector" if place == "encoder" else "encoder") in one for one in found.evidence)


def test_a_projector_may_forget_more_directions_than_an_encoder():
    ten = flat(10)
    kept = layer(ten).rankme_centred / TWIN.rankme_centred
    assert CUTS.projector_directions < kept < CUTS.directions
    assert sound(signals(GOOD, ten)).word == "sound"
    assert sound(signals(ten)).reason == "dimensional collapse"


def test_a_few_directions_are_no_collapse_where_random_weights_have_no_more():
    assert sound(signals(flat(4), reference=layer(flat(4)))).word == "sound"


def test_little_variance_is_no_collapse_where_random_weights_have_as_little():
    narrow = one_way(1e-2)
    assert layer(narrow).spread < CUTS.spread
    assert sound(signals(narrow, reference=layer(narrow))).word == "sound"
    assert sound(signals(narrow)).reason == "a constant offset"


def test_an_arc_and_a_circle_are_no_few_points():
    for reach in (torch.pi, 2 * torch.pi):
        turn = torch.linspace(0, reach, N)
        plane = torch.linalg.qr(gaussian(DIM, 2)).Q.T
        rows = views_of(torch.stack((turn.cos(), turn.sin()), dim=1) @ plane, 1e-3)
        assert 0.94 < layer(rows).modes < CUTS.modes
        assert sound(signals(rows, reference=layer(rows))).word == "sound"


def test_eight_images_are_too_few_to_be_called_few_points():
    few = GOOD[:, :8]
    assert "points" not in str(sound(signals(few)).evidence)


def test_views_of_arrays_that_do_not_belong_together_are_found():
    arrays = replace(WELL, batch=None, input=None, initial=None)
    found = sound(signals(UNRELATED, faults=arrays))
    assert found.reason == "views that do not belong together"
    assert sound(signals(UNRELATED[:1], faults=arrays)).word == "sound"
    assert sound(signals(RANDOM, faults=arrays)).word == "sound"
    assert sound(signals(UNRELATED)).word == "sound"  # a network made both views itself


ALL = replace(
    WELL,
    stopped="by hand",
    initial=UNTOUCHED,
    input=InputFit(given=2.0, best="0 to 255", least=0.1),
    batch=0.7,
    batch_norm_gap=1.2,
    dead_units=0.7,
    copies=0.9,
)
IN_ORDER = (
    ({"stopped": None}, "numerical fault"),
    ({"initial": MOVED}, "weights at their initial values"),
    ({"input": replace(UNFIT, given=2.0)}, "another input than it was trained with"),
    ({"batch": 0.0}, "rows depend on their batch"),
    ({"batch_norm_gap": 0.0}, "batch norm does not fit the data"),
    ({"dead_units": 0.0}, "dead units"),
    ({"copies": 0.0}, "near copies among the images"),
)


def test_the_first_finding_names_the_answer_and_all_are_evidence():
    faults, told = ALL, []
    for change, reason in IN_ORDER:
        found = sound(signals(faults=faults))
        assert found.reason == reason
        assert len(found.evidence) == len(IN_ORDER) - len(told)
        told.append(found.evidence[0])
        faults = replace(faults, **change)
    assert len(set(told)) == len(IN_ORDER)
    assert sound(signals(faults=faults)).word == "sound"


def test_shapes_stand_between_dead_units_and_copies():
    both = replace(WELL, dead_units=0.7, copies=0.9)
    found = sound(signals(flat(2), faults=both))
    assert found.reason == "dead units"
    told = zip(("constant", "directions", "have a copy"), found.evidence, strict=True)
    assert all(words in sentence for words, sentence in told)
    assert sound(signals(flat(2), faults=replace(both, dead_units=0.0))).reason == "dimensional collapse"
    assert len(CHECKS) == 11


def test_lost_directions_are_seen_beside_the_twin_though_the_wide_ones_outweigh_them():
    four = signals(flat(4))
    found = sound(four)
    assert layer(flat(4)).effective_rank > CUTS.rank
    assert found.reason == "dimensional collapse"
    assert re.search(r"the encoder uses [34]\.\d, at random weights 23", found.evidence[0])
    assert sound(replace(four, learning=None)).word == "sound"  # a Gaussian law is no twin


LOOSER = {
    "dead_units": (0.8, FAULTS["dead units"][0], GOOD),
    "distinct": (0.0, replace(WELL, distinct=0.1), GOOD),
    "misfit": (3.0, FAULTS["batch norm"][0], GOOD),
    "batch_norm_gap": (2.0, FAULTS["batch norm"][0], GOOD),
    "better_input": (0.001, FAULTS["input"][0], GOOD),
    "input_misfit": (0.9, FAULTS["input"][0], GOOD),
    "batch": (0.8, FAULTS["batch"][0], GOOD),
    "spread": (0.0, WELL, one_way(1e-3)),
    "directions": (0.0, WELL, flat(4)),
    "rank": (1.0, WELL, flat(2)),
    "rank_share": (0.0, WELL, flat(2)),
    "modes": (1.0, WELL, points(8, 0.02)),
    "copies": (0.95, FAULTS["copies"][0], GOOD),
    "independent": (-1.0, replace(WELL, batch=None), UNRELATED),
    "projector_directions": (0.0, WELL, None),
}


@pytest.mark.parametrize("name", [one.name for one in fields(SoundCuts)])
def test_every_cut_decides_something(name):
    looser, faults, rows = LOOSER[name]
    found = signals(GOOD, flat(2), faults=faults) if rows is None else signals(rows, faults=faults)
    if name in ("rank", "rank_share"):  # the lost directions would be seen beside the twin's too
        found = replace(found, learning=None)
    if name == "modes":
        found = replace(found, reference_h=layer(flat(6)))
    assert sound(found).word == "unsound"
    assert sound(found, replace(CUTS, **{name: looser})).word == "sound"


def test_the_three_answers_stand_side_by_side():
    well, broken = judge(signals()), judge(signals(flat(2)))
    assert (well.ok, broken.ok) == (True, False)
    assert (well.sound.word, well.learning.word) == ("sound", "learning")
    assert (broken.sound.word, broken.learning.word) == ("unsound", "cannot be told")
    assert well.useful == broken.useful == WITHOUT_LABELS
    assert str(broken).splitlines()[0] == "Is it sound? unsound: dimensional collapse"
    assert str(well).splitlines()[2] == "Is it useful for your classes? cannot be told without labels"


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
