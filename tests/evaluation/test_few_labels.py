import math

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contrascope.errors import InputError
from contrascope.evaluation.few.choose import spread_images
from contrascope.evaluation.few.compare import BOUNDARY, few_labels
from contrascope.evaluation.few.pixels import small_pixels
from contrascope.evaluation.few.precision import POWER, mean_difference, neighbour_precision
from contrascope.evaluation.few.words import useful


def drawn(seed):
    return torch.Generator().manual_seed(seed)


def world(n, seed, *, noise=2.0, other=2.0, classes=10, shared=0.7):
    """Two representations of images about class centres; the images are of unlike difficulty in both alike."""
    centres = torch.randn(classes, 8, generator=drawn(99), dtype=torch.float64)
    source = drawn(seed)
    y = torch.randint(classes, (n,), generator=source)
    hard = 2 * torch.rand(n, 1, generator=source, dtype=torch.float64)
    base, one, two = (torch.randn(n, 8, generator=source, dtype=torch.float64) for _ in range(3))
    rest = math.sqrt(1 - shared**2)
    first = centres[y] + noise * hard * (shared * base + rest * one)
    second = centres[y] + other * hard * (shared * base + rest * two)
    return first, second, y


def slow_scores(h, y):
    found = []
    for i in range(len(h)):
        cosine = [
            float(h[i] @ h[j] / (h[i].norm() * h[j].norm())) if j != i else -math.inf for j in range(len(h))
        ]
        order = sorted(range(len(h)), key=lambda j: -cosine[j])[:-1]
        weights = [(rank + 1) ** -POWER for rank in range(len(order))]
        found.append(sum(w for w, j in zip(weights, order, strict=True) if y[j] == y[i]) / sum(weights))
    return torch.tensor(found, dtype=torch.float64)


def test_the_score_is_that_of_slow_loops_over_all():
    h, _, y = world(45, 0)
    torch.testing.assert_close(neighbour_precision(h, y).score, slow_scores(h, y))


def test_what_a_neighbour_gives_is_what_is_lost_without_it():
    h, _, y = world(30, 1)
    w = torch.arange(1, 30, dtype=torch.float64) ** -POWER
    found = neighbour_precision(h, y)
    for out in (0, 7, 29):
        kept = torch.tensor([row for row in range(30) if row != out])
        without = (
            slow_scores(h[kept], y[kept]) * w[:28].sum() / w.sum()
        )  # by the weights that all of them had
        torch.testing.assert_close(found.score[kept] - found.given[kept, out], without)


@pytest.mark.parametrize(("n", "classes"), [(50, 3), (50, 40), (150, 10)])
def test_the_error_is_how_far_the_gain_varies_over_other_images(n, classes):
    found = []
    for seed in range(200):
        h, other, y = world(n, seed, other=2.4, classes=classes)
        found.append(mean_difference(neighbour_precision(h, y), neighbour_precision(other, y)))
    gains, errors = torch.tensor(found, dtype=torch.float64).T
    assert 0.85 <= errors.square().mean().sqrt() / gains.std() <= 1.15


def test_right_is_the_class_with_most_weight():
    h = torch.tensor([[1.0, 0.0], [1.0, 0.1], [1.0, 0.2], [0.0, 1.0]], dtype=torch.float64)
    found = neighbour_precision(h, torch.tensor([0, 1, 1, 0]))
    assert found.right.tolist() == [
        0.0,
        1.0,
        1.0,
        0.0,
    ]  # 1 against 1/2 + 1/3 where the nearest is of the own class


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 100.0))
@example(87, 1.0)
def test_rotation_scale_order_and_names_of_classes_do_not_matter(seed, scale):
    h, other, y = world(60, seed)
    rotation = torch.linalg.qr(torch.randn(8, 8, generator=drawn(seed), dtype=torch.float64)).Q
    order = torch.randperm(60, generator=drawn(seed))
    plain = few_labels(h, y, twin=other, pixels=None)
    turned = few_labels(scale * h @ rotation, 7 - y, twin=other, pixels=None)
    mixed = few_labels(h[order], y[order], twin=other[order], pixels=None)
    assert plain.twin.gain.value == pytest.approx(turned.twin.gain.value, abs=1e-4)
    # of two images whose cosines are equal to 1e-6 the earlier one comes first, as in the example
    assert plain.twin.gain.value == pytest.approx(mixed.twin.gain.value, abs=1e-4)


@pytest.mark.parametrize("n", [50, 150])
def test_the_interval_covers_the_gain_of_other_images(n):
    gains, covered = [], []
    for seed in range(200):
        h, other, y = world(n, seed, other=2.4)
        gains.append(few_labels(h, y, twin=other, pixels=None).twin)
    truth = sum(one.gain.value for one in gains) / len(gains)
    covered = [one.gain.low <= truth <= one.gain.high for one in gains]
    assert 0.91 <= sum(covered) / len(covered) <= 1.0


def test_chance_goes_to_the_wrong_side_in_five_percent_of_six_looks():
    count, source = 400_000, drawn(0)
    total, held = torch.zeros(count), 0
    beyond = torch.zeros(count, dtype=torch.bool)
    for look in range(6):
        more = 1 if look == 0 else held
        total += math.sqrt(more) * torch.randn(count, generator=source, dtype=torch.float32)
        held += more
        beyond |= total / math.sqrt(held) > BOUNDARY
    assert float(beyond.float().mean()) == pytest.approx(0.05, abs=0.0015)


def test_equal_representations_are_rarely_told_apart_over_four_looks():
    wrong = 0
    for seed in range(100):
        h, other, y = world(320, seed)
        wrong += any(
            few_labels(h[:n], y[:n], twin=other[:n], pixels=None).answer != "label more"
            for n in (40, 80, 160, 320)
        )
    assert wrong <= 14  # two sides, four of six looks


def test_better_than_both_is_yes_and_worse_than_pixels_is_no():
    good, bad, y = world(200, 0, noise=0.3, other=4.0)
    assert few_labels(good, y, twin=bad, pixels=bad).answer == "yes"
    assert few_labels(good, y, twin=bad, pixels=good).answer == "yes"
    assert few_labels(bad, y, twin=good, pixels=bad).answer == "no"
    middle, _, _ = world(200, 0, noise=1.0)
    assert few_labels(middle, y, twin=bad, pixels=good).answer == "no"
    assert "raw pixels do better" in useful(few_labels(middle, y, twin=bad, pixels=good)).next


def test_an_open_question_says_about_how_many_labels_decide():
    h, other, y = world(60, 3, other=2.1)
    found = few_labels(h, y, twin=other, pixels=None)
    needed = 60 * (BOUNDARY * found.twin.error / found.twin.gain.value) ** 2
    assert found.answer == "label more"
    assert found.more is not None
    assert needed <= found.more <= 1.2 * needed + 40
    assert "Not compared with raw pixels." in useful(found).evidence
    assert few_labels(h, y, twin=h, pixels=None).more is None


def test_collapsed_features_are_worse_whatever_their_rounding_holds():
    good, _, y = world(200, 0, noise=0.3)
    nearly = 1.0 + 1e-8 * good
    assert few_labels(nearly, y, twin=good, pixels=None).answer == "no"
    assert neighbour_precision(nearly, y).score.mean() < 0.2
    assert few_labels(torch.ones(200, 4, dtype=torch.float64), y, twin=good, pixels=None).answer == "no"


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (torch.arange(10) % 2, "at least 40"),
        (torch.zeros(50, dtype=torch.int64), "of one class"),
        (torch.arange(50), "no two of one class"),
    ],
)
def test_labels_that_allow_no_comparison_are_refused(y, said):
    h = torch.randn(len(y), 3, generator=drawn(0), dtype=torch.float32)
    with pytest.raises(InputError, match=said):
        few_labels(h, y, twin=h, pixels=None)


def test_of_very_many_labelled_images_some_are_compared(monkeypatch):
    monkeypatch.setattr("contrascope.evaluation.few.compare.MOST", 50)
    h, other, y = world(200, 0)
    assert few_labels(h, y, twin=other, pixels=None).labels == 50


def test_rows_without_labels_and_values_that_are_not_finite_are_refused():
    h, y = torch.randn(50, 3, generator=drawn(0), dtype=torch.float32), torch.arange(50) % 2
    with pytest.raises(InputError, match="49 rows for 50 labels"):
        few_labels(h[:49], y, twin=h, pixels=None)
    with pytest.raises(InputError):
        few_labels(h / 0, y, twin=h, pixels=None)


def test_chosen_images_are_different_spread_and_begin_alike():
    h = torch.randn(5, 2, generator=drawn(0), dtype=torch.float32).repeat_interleave(20, dim=0)
    ids = spread_images(h, 40)
    assert len(set(ids.tolist())) == 40
    assert set((ids[:5] // 20).tolist()) == set(range(5))
    assert spread_images(h, 10).tolist() == ids[:10].tolist()
    with pytest.raises(InputError, match="expected 1 to 100"):
        spread_images(h, 101)


def test_small_pixels_of_bytes_and_of_floats_agree():
    images = torch.randint(256, (3, 3, 16, 16), generator=drawn(0), dtype=torch.uint8)
    torch.testing.assert_close(small_pixels(images), small_pixels(images.float() / 255))
