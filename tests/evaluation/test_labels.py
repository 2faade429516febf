"""Labels that allow no score, or not for all images, are named, and cost no other column of the table."""

import unicodedata
import warnings

import pytest
import torch

from contrascope.errors import LabelWarning
from contrascope.evaluation.evaluate import compare
from contrascope.evaluation.labels import LabelFacts, label_facts
from contrascope.evaluation.protocol import Protocol
from contrascope.features.features import Features

PROTOCOL = Protocol(k=3, probe_grid=(0.1, 1.0), shots=(1, 5), draws=5, bootstrap=20)
EVERY = {"knn", "nearest_centre", "linear", "few_labels_1", "few_labels_5"}


def features(codes, *, seed=0):
    y = torch.tensor(codes)
    h = torch.eye(8)[y % 8] + 0.05 * torch.randn(len(y), 8, generator=torch.Generator().manual_seed(seed))
    return Features(h=h[None], y={"label": y}, ids=torch.arange(len(y)))


def scores_of(train, test, *, names=(), protocol=PROTOCOL):
    """Rows by score, and what was warned of."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        rows = compare({"x": (features(train), features(test, seed=1))}, protocol, class_names=names)
    said = " ".join(str(one.message) for one in heard if one.category is LabelWarning)
    return {row["name"]: row for row in rows}, said


def undefined(rows):
    return {name for name, row in rows.items() if row["value"] is None}


def test_equal_classes_are_scored_without_a_word():
    rows, said = scores_of([0, 1] * 20, [0, 1] * 10)
    assert not said
    assert set(rows) == EVERY
    assert all(row["value"] > 0.9 and row["not_defined"] == row["note"] == "" for row in rows.values())


def test_a_test_class_that_training_lacks_is_named_and_counts_as_wrong():
    rows, said = scores_of([0, 1] * 20, [0, 1, 3, 3] * 5, names=("ant", "bee", "cat", "dog"))
    assert rows["knn"]["value"] == pytest.approx(0.5)
    assert "10 of 20 test images are of class 'dog', which training lacks" in said
    assert "50.0 % is the most" in said
    assert all(row["note"] in said for row in rows.values())


@pytest.mark.parametrize(
    ("train", "test", "named"),
    [
        ([0, 1] * 20, [2, 3] * 5, "no test image is of a class that training has"),
        ([1] * 30, [0, 1] * 5, "needs two classes; the training images are all of class 'bee'"),
        ([2] * 30, [2] * 5, "needs two classes; the training images are all of class 'cat'"),
    ],
)
def test_labels_that_allow_no_score_leave_no_number_and_say_why(train, test, named):
    rows, said = scores_of(train, test, names=("ant", "bee", "cat", "dog"))
    assert undefined(rows) == EVERY
    assert named in said
    assert all(named in row["not_defined"] and row["low"] is row["high"] is None for row in rows.values())


@pytest.mark.parametrize(
    ("train", "missing", "named"),
    [
        ([0] * 20 + [1] * 4, {"few_labels_5"}, "class 'bee' has 4 training images, and 5 are asked for"),
        ([0] * 20 + [1], {"few_labels_5"}, "class 'bee' has 1 training image, and 5 are asked for"),
        ([0, 1, 2] * 2, {"few_labels_5", "linear"}, "(2 more classes have too few)"),
        ([0, 1, 2], {"few_labels_5", "linear"}, "no class has enough training images to hold out 20%"),
    ],
)
def test_a_class_smaller_than_the_shots_costs_that_column_alone(train, missing, named):
    rows, said = scores_of(train, [0, 1] * 6, names=("ant", "bee", "cat"))
    assert undefined(rows) == missing
    assert named in said
    assert all(rows[name]["value"] >= 0.5 for name in EVERY - missing)


def test_test_images_without_labels_are_named():
    train, test = features([0, 1] * 10), features([0, 1])
    bare = Features(h=test.h, ids=test.ids)
    with pytest.warns(LabelWarning, match="not defined: the test images have no labels"):
        rows = compare({"x": (train, bare)}, PROTOCOL)
    assert {row["value"] for row in rows} == {None}


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        ("caf\u00e9", unicodedata.normalize("NFD", "caf\u00e9"), "one word in two Unicode forms"),
        ("\ud55c\uae00", unicodedata.normalize("NFD", "\ud55c\uae00"), "one word in two Unicode forms"),
        ("\u212bngstr\u00f6m", "\u00c5ngstr\u00f6m", "one word in two Unicode forms"),
        ("dog", "Dog", "two spellings of one word"),
        ("dog", "dog ", "two spellings of one word"),
        ("dog", "\uff44\uff4f\uff47", "two spellings of one word"),
        ("dog", "do\u200bg", "two spellings of one word"),
        ("stra\u00dfe", "STRASSE", "two spellings of one word"),
    ],
)
def test_two_spellings_of_one_class_are_named(one, other, words):
    """Training has one of them, the test the other: never a silent 0 %."""
    names = ("ant", one, other)
    rows, said = scores_of([0, 1] * 10, [0, 2] * 10, names=names)
    assert rows["knn"]["value"] == pytest.approx(0.5)
    assert words in said
    assert ascii(one) in said and ascii(other) in said  # noqa: PT018 - both or nothing


def test_classes_that_only_look_alike_and_are_both_learnt_are_left_in_peace():
    assert label_facts(torch.tensor([0, 1]), torch.tensor([0, 1]), ("a", "A")).note == ""
    assert (
        "two Unicode forms"
        in label_facts(torch.tensor([0, 1]), torch.tensor([0, 1]), ("e\u0301", "\u00e9")).note
    )


def test_many_unknown_classes_are_counted_and_five_named():
    facts = LabelFacts(train={0: 5, 1: 5}, test={0: 1, **dict.fromkeys(range(2, 12), 1)})
    assert "classes 2, 3, 4, 5, 6 and 5 more" in facts.note


def test_one_penalty_needs_nothing_held_out():
    rows, _ = scores_of([0, 1], [0, 1] * 3, protocol=Protocol(k=1, probes=("linear",), probe_grid=(1.0,)))
    assert rows["linear"]["value"] >= 0.5
