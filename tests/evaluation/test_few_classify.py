"""A classifier from few labels: what it says of itself is not learnt from what it is said of."""

import pytest
import torch

from contrascope.errors import InputError
from contrascope.evaluation.few.classify import GRID, choose, fit, folds_of, learn, share_below
from contrascope.evaluation.few.cross_validation import calibration_error, cross_validated


def blobs(count, classes, *, noise, seed=0, dim=6):
    source = torch.Generator().manual_seed(seed)
    codes = torch.arange(count) % classes
    centres = torch.randn(classes, dim, generator=torch.Generator().manual_seed(99))
    return centres[codes] + noise * torch.randn(count, dim, generator=source), codes


def test_labels_at_random_are_guessed_by_chance():
    """A fold that leaks would be seen here at once."""
    source = torch.Generator().manual_seed(0)
    h, codes = torch.randn(200, 40, generator=source), torch.arange(200) % 2
    found = cross_validated(learn(h, codes, 2), codes, decline=0.1)
    assert found.accuracy.low < 0.5 < found.accuracy.high
    assert found.calibration_error < 0.12


def test_copies_of_a_picture_stay_in_one_fold():
    """Each row twice, labels at random: whoever learns the one knows the other."""
    source = torch.Generator().manual_seed(0)
    h = torch.randn(60, 40, generator=source).repeat(2, 1)
    codes = torch.randint(2, (60,), generator=source).repeat(2)
    groups = torch.arange(60).repeat(2)
    apart = cross_validated(learn(h, codes, 2), codes, decline=0.1)
    together = cross_validated(learn(h, codes, 2, groups=groups), codes, decline=0.1)
    assert apart.accuracy.value > 0.75
    assert together.accuracy.value < 0.65
    fold = folds_of(codes, groups)
    assert torch.equal(fold[:60], fold[60:])


def test_folds_spread_every_class():
    codes = torch.tensor([0] * 20 + [1] * 10 + [2] * 5)
    fold = folds_of(codes, seed=3)
    for code, count in ((0, 4), (1, 2), (2, 1)):
        assert fold[codes == code].bincount(minlength=5).tolist() == [count] * 5
    assert not torch.equal(fold, folds_of(codes, seed=4))


@pytest.mark.slow
def test_the_interval_covers_the_accuracy_on_new_images():
    """Seeds drawn once: 95 % intervals, each from 60 labels, against 3,000 new rows."""
    covered = []
    new, truth = blobs(3000, 3, noise=1.2, seed=1000)
    for seed in range(24):
        h, codes = blobs(60, 3, noise=1.2, seed=seed)
        found = learn(h, codes, 3)
        accuracy = (found.probabilities(new).argmax(dim=1) == truth).double().mean().item()
        part = cross_validated(found, codes, decline=0.1).accuracy
        covered.append(part.low <= accuracy <= part.high)
    assert sum(covered) >= 21


def test_confidence_is_the_share_of_right_guesses_on_new_images():
    h, codes = blobs(150, 3, noise=1.2)
    found = learn(h, codes, 3)
    new, truth = blobs(3000, 3, noise=1.2, seed=7)
    chances = found.probabilities(new).max(dim=1)
    assert calibration_error(chances.values, chances.indices == truth) < 0.06
    raw = found.fitted.logits(torch.nn.functional.normalize(new)).softmax(dim=1).max(dim=1)
    assert 0.5 < (chances.indices == truth).double().mean() < 0.99
    assert torch.equal(raw.indices, chances.indices)


def test_the_temperature_undoes_what_multiplied_the_logits():
    source = torch.Generator().manual_seed(0)
    logits = 1.5 * torch.randn(4000, 3, generator=source)
    codes = torch.multinomial(logits.softmax(dim=1), 1, generator=source)[:, 0]
    useless = torch.zeros_like(logits)
    for factor in (0.2, 1.0, 6.0):
        found = choose(torch.stack([useless, factor * logits]), codes)
        assert found.place == 1
        assert found.temperature == pytest.approx(factor, rel=0.12)


def test_an_unknown_class_is_mostly_not_answered_and_known_ones_are():
    h, codes = blobs(90, 3, noise=0.3)
    found = learn(h, codes, 3)
    source = torch.Generator().manual_seed(5)
    stranger = -blobs(1, 1, noise=0)[0] + 0.3 * torch.randn(200, 6, generator=source)
    new, _ = blobs(300, 3, noise=0.3, seed=8)

    def answered(rows, decline):
        chances = found.probabilities(rows).max(dim=1).values
        return found.answered(chances, found.cosine(rows), decline=decline).double().mean().item()

    assert answered(new, 0.1) > 0.8
    assert answered(stranger, 0.1) < 0.1
    assert answered(new, 0.3) < answered(new, 0.1) < answered(new, 0.0) + 1e-9
    told = cross_validated(found, codes, decline=0.1)
    assert told.answered.value == pytest.approx(0.9, abs=0.03)
    assert told.unlabelled is not None
    assert told.unlabelled.value > 0.7


def test_a_class_of_one_is_counted_and_wrong_while_left_out():
    h, codes = blobs(40, 2, noise=0.1)
    h, codes = torch.cat([h, torch.ones(1, 6)]), torch.cat([codes, torch.tensor([2])])
    found = learn(h, codes, 3)
    told = cross_validated(found, codes, decline=0.1)
    assert told.alone == 1
    assert told.accuracy.value == pytest.approx(40 / 41)
    assert found.probabilities(torch.ones(1, 6)).argmax().item() == 2


def test_classes_that_a_fit_did_not_see_get_no_probability():
    h, codes = blobs(20, 2, noise=0.1)
    for one in fit(h, 2 * codes, 3, GRID[2:4]):
        chances = one.logits(h).softmax(dim=1)
        assert torch.equal(chances[:, 1], torch.zeros(20))
        assert torch.equal(chances.argmax(dim=1), 2 * codes)


def test_calibration_error_by_hand():
    confidence = torch.tensor([0.6] * 20 + [0.9] * 20)
    right = torch.tensor([True] * 10 + [False] * 10 + [True] * 20)
    assert calibration_error(confidence, right) == pytest.approx((0.1 + 0.1) / 2, abs=1e-6)
    assert calibration_error(confidence[:30], right[:30]) == pytest.approx(abs(0.7 - 20 / 30), abs=1e-6)


def test_shares_are_those_of_smaller_values():
    assert share_below(torch.tensor([3.0, 1.0, 2.0, 2.0]), torch.tensor([2.0])).item() == 1.5 / 4


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        ([0] * 20, "all 20 labelled images are of one class"),
        ([0, 1] * 4, "expected at least 10"),
        (list(range(12)), "no two of one class"),
    ],
)
def test_labels_that_allow_no_test_are_refused(codes, words):
    h = torch.randn(len(codes), 3, generator=torch.Generator().manual_seed(0))
    with pytest.raises(InputError, match=words):
        learn(h, torch.tensor(codes), 12)


def test_rows_that_are_no_numbers_are_refused():
    h, codes = blobs(20, 2, noise=0.1)
    h[3, 1] = float("nan")
    with pytest.raises(InputError, match="row 3"):
        learn(h, codes, 2)
