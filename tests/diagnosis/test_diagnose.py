import numpy as np
import pytest
import torch

import contrascope
from contrascope.diagnosis.diagnosis import diagnose
from contrascope.errors import InputError


def clusters(n: int = 200, dim: int = 16, views: int = 2, classes: int = 4, noise: float = 0.3):
    source = torch.Generator().manual_seed(0)
    centres = torch.randn(classes, dim, generator=source)
    y = torch.arange(n) % classes
    images = centres[y] + torch.randn(n, dim, generator=source)
    return images + noise * torch.randn(views, n, dim, generator=source), y


def test_one_view_names_what_needs_views_and_guesses_nothing():
    h, _ = clusters(views=1)
    found = diagnose(h[0], draws=0)
    assert "alignment" in found.needs_views
    assert found.signals.h is not None
    assert found.signals.h.views is None
    assert contrascope.diagnose(h[0], draws=0).verdict == found.verdict


def test_two_views_need_nothing_more():
    h, _ = clusters()
    found = diagnose(h, draws=20)
    assert found.needs_views == ()
    assert found.signals.h is not None
    views = found.signals.h.views
    assert views is not None
    assert views.retrieval.low <= views.retrieval.value <= views.retrieval.high
    assert views.retrieval.value > 0.9


def test_labels_stand_beside_the_verdict_and_never_change_it():
    h, y = clusters()
    shuffled = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(1))]
    plain, true, wrong = (diagnose(h, labels=labels, draws=0) for labels in (None, y, shuffled))
    assert plain.verdict == true.verdict == wrong.verdict
    assert plain.signals == true.signals == wrong.signals
    assert "h label" not in plain.factors
    assert true.factors["h label"].error.value < 0.05 < wrong.factors["h label"].error.value
    assert true.factors["h pseudo-classes"].pseudo


def test_a_plain_array_that_has_not_collapsed_is_sound_and_cannot_be_called_learning():
    h, _ = clusters()
    found = diagnose(h, draws=0).verdict
    assert (found.sound.word, found.learning.word) == ("sound", "cannot be told")
    assert found.useful.word == "cannot be told without labels"
    assert found.ok
    assert "no random encoder" in " ".join(found.learning.evidence)
    one_view = diagnose(h[0], draws=0).verdict.learning
    assert (one_view.word, one_view.reason) == ("cannot be told", "one view of each image")


def test_beside_a_reference_an_array_is_learning_or_not():
    h, _ = clusters()
    blind = 9 * torch.randn(2, 200, 16, generator=torch.Generator().manual_seed(7))
    assert diagnose(h, reference=blind, draws=50).verdict.learning.word == "learning"
    assert diagnose(h, reference=h, draws=50).verdict.learning.word != "learning"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda n: torch.ones(n, 8), ["few distinct rows"]),
        (lambda n: torch.ones(n, 8) + 1e-4 * torch.randn(n, 8), ["a constant offset"]),
        (
            lambda n: torch.ones(n, 8) * (1 + 1e-4 * torch.randn(n, 1)) + 1e-6 * torch.randn(n, 8),
            ["complete collapse", "cluster collapse"],
        ),
        (
            lambda n: torch.linspace(-1, 1, n)[:, None] * torch.ones(n, 8) + 1e-3 * torch.randn(n, 8),
            ["dimensional collapse", "cluster collapse"],
        ),
        (lambda n: torch.eye(8)[torch.arange(n) % 4], ["few distinct rows"]),
        (lambda n: torch.eye(8)[torch.arange(n) % 4] + 1e-3 * torch.randn(n, 8), ["cluster collapse"]),
    ],
    ids=["constant", "noise about a constant", "almost constant", "a line", "four", "about four points"],
)
def test_collapsed_arrays_are_found_with_one_view(make, words):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        found = diagnose(make(300), draws=0).verdict
    assert not found.ok
    assert found.sound.evidence
    assert found.sound.reason in words
    assert found.learning.word == "cannot be told"


def test_values_that_are_not_finite_are_a_numerical_fault_and_no_error():
    h, y = clusters()
    h[0, 3, 2] = torch.nan
    found = diagnose(h, labels=y, draws=0)
    assert found.verdict.sound.reason == "numerical fault"
    assert "1 value" in found.verdict.sound.evidence[0]
    assert found.signals.h is None
    assert found.factors == {}


def test_one_class_and_a_class_with_one_image_are_decided():
    h, y = clusters()
    assert "h label" not in diagnose(h, labels=torch.zeros_like(y), draws=0).factors
    lonely = y.clone()
    lonely[0] = 9
    assert diagnose(h, labels=lonely, draws=0).factors["h label"].classes == 5


def test_fewer_images_than_dimensions_and_duplicates_give_finite_numbers():
    h, _ = clusters(n=20, dim=64)
    assert diagnose(h, draws=0).signals.h is not None
    doubled = torch.cat((h, h), dim=1)
    found = diagnose(doubled, draws=0).signals.h
    assert found is not None
    assert found.views is not None
    assert found.views.retrieval.value <= 0.5


class OfAnotherLibrary:
    """An array as JAX's: no sequence, no subclass, numpy reads it; it takes no dtype."""

    def __init__(self, values):
        self.values = np.asarray(values)

    def __array__(self, dtype=None, copy=None):
        return self.values if dtype is None else self.values.astype(dtype)


@pytest.mark.parametrize(
    "held",
    [
        lambda rows: rows.double(),
        lambda rows: rows.half().float(),
        lambda rows: rows.double().numpy(),
        lambda rows: rows.numpy().astype(">f8"),
        lambda rows: rows.numpy().astype(np.longdouble),
        lambda rows: np.asfortranarray(rows.numpy()),
        lambda rows: rows.tolist(),
        lambda rows: tuple(rows.numpy()),
        lambda rows: list(rows),
        lambda rows: OfAnotherLibrary(rows.double()),
        lambda rows: rows.clone().requires_grad_(),
    ],
)
def test_arrays_of_any_library_give_one_answer(held):
    h, _ = clusters(n=48, dim=8)
    rows = h.half().float()  # as fine as every one of them can hold
    other = rows.flip(-1)
    plain = contrascope.diagnose(rows, rows, reference=other, reference_z=rows, draws=0)
    mine, beside = held(rows), held(other)
    found = contrascope.diagnose(mine, mine, reference=beside, reference_z=mine, draws=0)
    assert found.signals == plain.signals
    assert found.verdict == plain.verdict


@pytest.mark.parametrize(
    "held", [np.asarray, OfAnotherLibrary, list, lambda rows: np.asarray(rows).astype(">i8")]
)
def test_labels_come_from_any_library_too(held):
    h, y = clusters(n=48, dim=8)
    found = contrascope.diagnose(h, labels=held(y.numpy()), draws=0).factors["h label"]
    assert found.classes == len(y.unique())


def test_half_precision_of_numpy_is_measured_as_it_is():
    h, _ = clusters(n=48, dim=8)
    half = contrascope.diagnose(h.numpy().astype(np.float16), draws=0)
    assert half.signals == contrascope.diagnose(h.half().float(), draws=0).signals
    with pytest.raises(InputError, match=r"h has dtype complex64"):
        contrascope.diagnose(h.numpy().astype(np.complex64))
    with pytest.raises(InputError, match="labels 'label' have dtype <U1"):
        contrascope.diagnose(h, labels=["a"] * h.shape[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"h": torch.ones(3)}, "n x dim or views x n x dim"),
        ({"h": torch.ones(2, 3, dtype=torch.int64)}, "expected real numbers"),
        ({"h": torch.rand(2, 30, 4), "z": torch.rand(30, 4)}, "both come from the same images"),
        ({"h": torch.rand(2, 30, 4), "labels": torch.zeros(29, dtype=torch.int64)}, "one integer an image"),
    ],
)
def test_wrong_input_is_refused_with_shapes(arguments, message):
    with pytest.raises(InputError, match=message):
        diagnose(**arguments, draws=0)
