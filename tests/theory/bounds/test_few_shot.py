"""The few-shot bound on held-out rows against all draws of labelled rows, one by one."""

import itertools
import math

import pytest
import torch

from contrascope.errors import InputError
from contrascope.theory.bounds.few_shot import held_out_few_shot
from contrascope.theory.bounds.halves import class_halves


def instance(seed, k=2, views=1):
    source = torch.Generator().manual_seed(seed)
    y = torch.arange(5 * k) % k
    h = 1.5 * torch.randn(k, 3, generator=source, dtype=torch.float64)[y]
    return h + (0.2 + 0.4 * (seed % 3)) * torch.randn(
        views, len(y), 3, generator=source, dtype=torch.float64
    ), y


def every_draw(h, y, shots):
    """Value and error of exact enumeration: all labelled rows with replacement, all judged rows; mean of both folds."""
    k = int(y.max()) + 1
    halves = class_halves(y, k)
    bounds, errors = [], []
    for fold in (0, 1):
        made = [h[:, part[~halves.judged(c, fold)]].flatten(0, 1) for c, part in enumerate(halves.images)]
        judged = [h[:, part[halves.judged(c, fold)]].flatten(0, 1) for c, part in enumerate(halves.images)]
        draws = [
            torch.stack(
                [rows[list(one)].mean(dim=0) for one in itertools.product(range(len(rows)), repeat=shots)]
            )
            for rows in made
        ]
        for i in range(k):
            square = [(judged[i][:, None] - c).square().sum(dim=2) for c in draws]  # [rows draws]
            total = wrong = 0.0
            for j in range(k):
                if j == i:
                    continue
                margin = square[j][:, :, None] - square[i][:, None]
                mean, variance = margin.mean().item(), margin.var(correction=0).item()
                cantelli = variance / (variance + mean**2) if mean > 0 else 1.0
                spread = 2 * (judged[i] - made[i].mean(dim=0)).square().sum(dim=1).mean().sqrt()
                own, other = (
                    (rows.var(dim=0, correction=0).sum() / shots).sqrt() for rows in (made[i], made[j])
                )
                apart = (made[i].mean(dim=0) - made[j].mean(dim=0)).norm()
                total += min(cantelli, ((spread + own + other) / apart).square().item())
                wrong += (margin <= 0).double().mean().item()
            bounds.append(min(1.0, total))
            errors.append(wrong)
    return sum(bounds) / len(bounds), sum(errors) / len(errors)


@pytest.mark.parametrize("shots", [1, 2])
@pytest.mark.parametrize(("k", "views"), [(2, 1), (2, 2), (3, 1)])
def test_its_moments_are_those_of_all_draws(shots, k, views):
    for seed in range(6):
        h, y = instance(seed, k, views)
        value, error = every_draw(h, y, shots)
        found = held_out_few_shot(h, y, shots=shots).value
        assert found == pytest.approx(value, abs=1e-9)
        assert error <= found + 1e-12 or k > 2


def test_with_all_rows_of_a_half_only_the_judged_rows_spread():
    h, y = instance(1)
    many, exact = (held_out_few_shot(h, y, shots=shots) for shots in (10**7, None))
    assert many.value == pytest.approx(exact.value, rel=1e-4)
    assert exact.terms["error"] <= exact.value


def test_coin_flips_in_many_directions_are_vacuous_though_their_own_rows_look_easy():
    source = torch.Generator().manual_seed(0)
    h = torch.nn.functional.normalize(torch.randn(1, 20, 300, generator=source, dtype=torch.float64), dim=2)
    for shots in (1, 5, None):
        assert held_out_few_shot(h, torch.arange(20) % 2, shots=shots).vacuous


def test_constant_features_and_single_images_are_vacuous():
    for h, y in ((torch.ones(2, 12, 3), torch.arange(12) % 2), (torch.eye(3)[None], torch.arange(3))):
        assert held_out_few_shot(h, y, shots=1).value == 1.0


def test_single_precision_rotation_scale_and_shift_change_nothing():
    h, y = instance(2, views=2)
    source = torch.Generator().manual_seed(1)
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=source)).Q
    base = held_out_few_shot(h, y, shots=2).value
    assert held_out_few_shot(5 * h @ turn + 3, y, shots=2).value == pytest.approx(base, abs=1e-9)
    assert held_out_few_shot(h.float(), y, shots=2).value == pytest.approx(base, abs=1e-4)


def test_small_classes_make_the_limit_wide():
    y = torch.arange(204) < 200
    h = torch.eye(2, dtype=torch.float64)[y.long()][None]
    bound = held_out_few_shot(h, y.long(), shots=1)
    assert bound.value == 0.0
    assert bound.limit == pytest.approx(1 - 0.05 ** (1 / 4))
    assert (
        str(bound)
        == "Err <= 0 at 1 view an image (vacuous: 0.5271 on new images, no better than the trivial 0.5)"
    )


@pytest.mark.parametrize(
    ("h", "shots", "message"),
    [
        (torch.ones(1, 4, 2), 0, "shots=0; expected at least 1"),
        (torch.full((1, 4, 2), math.nan), 1, "non-finite"),
        (torch.ones(1, 3, 2), 1, "4 labels for 3 images"),
    ],
)
def test_bad_input_is_refused(h, shots, message):
    with pytest.raises(InputError, match=message):
        held_out_few_shot(h, torch.tensor([0, 1, 0, 1]), shots=shots)
