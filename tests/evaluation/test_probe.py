import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from contrascope.errors import InputError
from contrascope.evaluation.logistic import LogisticPath
from contrascope.evaluation.probe import LinearProbe, held_out_mask


def drawn(count=120, dim=6, classes=3, seed=0):
    source = torch.Generator().manual_seed(seed)
    y = torch.arange(count) % classes
    spread = torch.logspace(-2, 2, dim, dtype=torch.float64)
    return (
        torch.randn(count, dim, dtype=torch.float64, generator=source) + torch.eye(dim)[y]
    ) * spread + 5, y


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("inverse_penalty", [1e-3, 1.0, 100.0])
def test_the_optimum_is_scikit_learns(classes, inverse_penalty):
    h, y = drawn(classes=classes)
    scaler = StandardScaler()
    theirs = LogisticRegression(C=inverse_penalty, tol=1e-10, max_iter=10_000)
    both = make_pipeline(scaler, theirs).fit(h.numpy(), y.numpy())
    ours = LinearProbe(grid=(inverse_penalty,), tolerance=1e-9).fit(h, y)
    np.testing.assert_allclose(ours.predict_proba(h), both.predict_proba(h.numpy()), atol=1e-6)
    coef = (ours.coef_[1:] - ours.coef_[:1] if classes == 2 else ours.coef_).numpy() * scaler.scale_
    np.testing.assert_allclose(coef, theirs.coef_, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("standardise", [True, False])
@pytest.mark.parametrize("inverse_penalty", [1e-3, 1.0])
def test_with_fewer_rows_than_features_the_optimum_is_scikit_learns(standardise, inverse_penalty):
    h, y = drawn(count=30, dim=200)
    h = h / h.std() if not standardise else h
    h[:, 7], h[:, 9] = 3.0, h[:, 8]  # a constant feature and one that is there twice
    theirs = LogisticRegression(C=inverse_penalty, tol=1e-12, max_iter=100_000)
    both = make_pipeline(StandardScaler(), theirs) if standardise else make_pipeline(theirs)
    both.fit(h.numpy(), y.numpy())
    ours = LinearProbe(grid=(inverse_penalty,), standardise=standardise, tolerance=1e-10).fit(h, y)
    np.testing.assert_allclose(ours.predict_proba(h), both.predict_proba(h.numpy()), atol=1e-6)
    new = h + torch.randn(h.shape, dtype=h.dtype, generator=torch.Generator().manual_seed(1))
    np.testing.assert_allclose(ours.predict_proba(new), both.predict_proba(new.numpy()), atol=1e-6)


def test_without_standardising_the_optimum_is_scikit_learns_on_the_plain_rows():
    h, y = drawn(dim=4)
    theirs = LogisticRegression(C=0.1, tol=1e-10, max_iter=50_000, solver="newton-cg").fit(
        h.numpy(), y.numpy()
    )
    ours = LinearProbe(grid=(0.1,), standardise=False, tolerance=1e-9).fit(h, y)
    np.testing.assert_allclose(ours.predict_proba(h), theirs.predict_proba(h.numpy()), atol=1e-5)


def test_digits_in_float32_agree_with_scikit_learn_over_the_path():
    h, y = load_digits(return_X_y=True)
    h, y = h[:600].astype(np.float32), y[:600]
    path = LogisticPath(torch.from_numpy(h), torch.from_numpy(y), 10, standardise=True)
    for inverse_penalty in (1e-3, 1e-1, 10.0):
        assert path.solve(inverse_penalty, tolerance=1e-6, max_iter=500)
        coef, intercept = path.coefficients()
        ours = (torch.from_numpy(h) @ coef.T + intercept).softmax(dim=1).numpy()
        wide = h.astype(np.float64)
        theirs = make_pipeline(
            StandardScaler(), LogisticRegression(C=inverse_penalty, tol=1e-8, max_iter=5000)
        )
        np.testing.assert_allclose(ours, theirs.fit(wide, y).predict_proba(wide), atol=2e-3)


def test_the_gradient_is_that_of_autograd():
    h, y = drawn(count=20, dim=3)
    path = LogisticPath(h, y, 3, standardise=True)
    source = torch.Generator().manual_seed(1)
    weight = torch.randn(3, 3, dtype=torch.float64, generator=source).requires_grad_(True)
    bias = torch.randn(3, dtype=torch.float64, generator=source).requires_grad_(True)
    loss = torch.nn.functional.cross_entropy(path.rows @ weight.T + bias, y) + 0.35 * weight.square().sum()
    loss.backward()
    at = path._look(torch.cat([weight, bias[:, None]], dim=1).detach())
    value, slope = path._objective(at, 0.7), path._slope(at, 0.7)
    slope, slope_bias = slope[:, :-1], slope[:, -1]
    assert value == pytest.approx(loss.item(), abs=1e-12)
    torch.testing.assert_close(slope, weight.grad)
    torch.testing.assert_close(slope_bias, bias.grad)


def test_the_penalty_is_selected_on_the_held_out_part():
    h, y = drawn(seed=3)
    grid = (1e-4, 1e-2, 1.0)
    probe = LinearProbe(grid=grid[::-1], held_out=0.25, seed=5).fit(h, y)
    out = held_out_mask(y, torch.arange(len(y)), 3, share=0.25, seed=5)
    accuracy = {c: LinearProbe(grid=(c,)).fit(h[~out], y[~out]).score(h[out], y[out]) for c in grid}
    assert probe.held_out_accuracy_ == pytest.approx(accuracy)
    assert probe.inverse_penalty_ == max(grid, key=lambda c: (accuracy[c], -c))
    alone = LinearProbe(grid=(probe.inverse_penalty_,)).fit(h, y)
    torch.testing.assert_close(probe.coef_, alone.coef_, atol=1e-4, rtol=1e-4)


def test_of_equally_good_penalties_the_smallest_inverse_is_chosen():
    h, y = torch.tensor([[0.0], [0.1], [9.0], [9.1]] * 3), torch.tensor([0, 0, 1, 1] * 3)
    probe = LinearProbe(grid=(100.0, 1.0, 10.0)).fit(h, y)
    assert set(probe.held_out_accuracy_.values()) == {1.0}
    assert probe.inverse_penalty_ == 1.0


@settings(derandomize=True, deadline=None, max_examples=15)
@given(seed=st.integers(0, 1000), views=st.integers(1, 3))
def test_views_of_one_image_are_held_out_together(seed, views):
    y = torch.tensor([0] * 10 + [1] * 5 + [2]).repeat(views)
    ids = torch.arange(16).repeat(views)
    out = held_out_mask(y, ids, 3, share=0.2, seed=seed).view(views, 16)
    assert (out == out[:1]).all()
    assert [int(out[0, :10].sum()), int(out[0, 10:15].sum()), int(out[0, 15])] == [2, 1, 0]


def test_constant_features_are_harmless():
    h, y = drawn()
    with_constant = torch.cat([h, torch.full((len(h), 1), 1e6, dtype=torch.float64)], dim=1)
    plain = LinearProbe(grid=(1.0,)).fit(h, y).predict_proba(h)
    np.testing.assert_allclose(
        LinearProbe(grid=(1.0,)).fit(with_constant, y).predict_proba(with_constant), plain, atol=1e-6
    )


def test_stopping_early_is_a_warning():
    h, y = drawn()
    with pytest.warns(ConvergenceWarning, match="stopped after max_iter=1 at C=100; raise max_iter"):
        LinearProbe(grid=(100.0,), max_iter=1).fit(h, y)


@pytest.mark.parametrize(
    ("settings_", "y", "message"),
    [
        ({}, torch.zeros(4), "needs at least 2 classes; the labels hold 1 class"),
        ({"grid": (0.0, 1.0)}, torch.tensor([0, 1, 0, 1]), "expected inverse penalties C above 0"),
        ({"grid": ()}, torch.tensor([0, 1, 0, 1]), "at least one"),
        ({"held_out": 1.0}, torch.tensor([0, 1, 0, 1]), "held_out=1.0; expected a share"),
        ({"held_out": 0.1}, torch.tensor([0, 1, 0, 1]), "no class has enough of the 4 rows"),
    ],
)
def test_a_probe_refuses(settings_, y, message):
    with pytest.raises(InputError, match=message):
        LinearProbe(**settings_).fit(torch.arange(8.0).view(4, 2), y.long())
