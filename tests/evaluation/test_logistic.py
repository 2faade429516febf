import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from contrascope.evaluation import logistic
from contrascope.evaluation.logistic import LogisticPath

GRID = [10.0**power for power in (-6, -4, -2, -1, 0, 1, 2)]


def drawn(seed=0, count=60, dim=5, classes=3, dtype=torch.float64):
    source = torch.Generator().manual_seed(seed)
    y = torch.arange(count) % classes
    scale = torch.logspace(-1, 1, dim, dtype=torch.float64)
    rows = (torch.randn(count, dim, dtype=torch.float64, generator=source) + 0.7 * torch.eye(dim)[y]) * scale
    return (rows + 3).to(dtype), y


def solved(path, inverse_penalty, *, tolerance=1e-8):
    assert path.solve(inverse_penalty, tolerance=tolerance, max_iter=2000)
    return path.coefficients()


@settings(derandomize=True, deadline=None, max_examples=4)
@given(seed=st.integers(0, 1000), classes=st.integers(2, 5), standardise=st.booleans())
def test_a_path_reaches_what_each_penalty_reaches_alone(seed, classes, standardise):
    rows, y = drawn(seed, classes=classes)
    path = LogisticPath(rows, y, classes, standardise=standardise)
    for inverse_penalty in GRID:
        coef, intercept = solved(path, inverse_penalty)
        alone = solved(LogisticPath(rows, y, classes, standardise=standardise), inverse_penalty)
        torch.testing.assert_close(coef, alone[0], atol=2e-6, rtol=1e-5)
        torch.testing.assert_close(intercept, alone[1], atol=5e-5, rtol=1e-5)


def test_the_path_without_standardising_is_scikit_learns():
    rows, y = drawn()
    path = LogisticPath(rows, y, 3, standardise=False)
    for inverse_penalty in GRID[1:]:
        coef, intercept = solved(path, inverse_penalty)
        theirs = LogisticRegression(C=inverse_penalty, tol=1e-10, max_iter=100_000, solver="newton-cg")
        theirs.fit(rows.numpy(), y.numpy())
        torch.testing.assert_close(coef, torch.from_numpy(theirs.coef_), atol=1e-5, rtol=1e-5)
        shift = torch.from_numpy(theirs.intercept_)
        torch.testing.assert_close(intercept, shift - shift.mean(), atol=1e-4, rtol=1e-5)


def test_what_was_learnt_at_one_penalty_saves_steps_at_the_next():
    rows, y = drawn(count=600, dim=40, classes=5)
    grid = [10 ** (-2 + step / 4) for step in range(12)]

    def steps(*, forget):
        path = LogisticPath(rows, y, 5, standardise=True)
        for inverse_penalty in grid:
            if forget:
                path._memory = None
            assert path.solve(inverse_penalty, tolerance=1e-6, max_iter=500)
        return path.iterations

    assert steps(forget=False) < 0.85 * steps(forget=True)


def test_recalled_pairs_are_those_of_the_new_objective():
    rows, y = drawn()
    path = LogisticPath(rows, y, 3, standardise=True)
    path.solve(0.1, tolerance=1e-8, max_iter=6)
    memory, state = path._memory, {}
    assert memory is not None
    penalty, scale = 0.25 * memory.penalty, torch.rand(6, dtype=torch.float64) + 0.5
    assert memory.recall(state, scale, penalty)
    step, change = state["old_stps"][-1].view(3, 6) * scale, state["old_dirs"][-1].view(3, 6) / scale
    old, again = memory.pairs[-1][0].view(3, 6) * memory.scale, memory.pairs[-1][1].view(3, 6) / memory.scale
    torch.testing.assert_close(step, old)
    expected = again.clone()
    expected[:, :-1] += (penalty - memory.penalty) * old[:, :-1]
    torch.testing.assert_close(change, expected)
    assert state["ro"][-1].item() == pytest.approx(1 / (step * change).sum().item())


def test_float32_comes_near_float64(monkeypatch):
    rows, y = drawn(count=400, dtype=torch.float32)
    wide = LogisticPath(rows, y, 3, standardise=True)
    assert wide.rows.dtype == torch.float64
    monkeypatch.setattr(logistic, "DOUBLE_BELOW", 0)
    narrow = LogisticPath(rows, y, 3, standardise=True)
    assert narrow.rows.dtype == torch.float32
    for inverse_penalty in GRID:
        coef, _ = solved(narrow, inverse_penalty, tolerance=1e-6)
        torch.testing.assert_close(
            coef, solved(wide, inverse_penalty, tolerance=1e-6)[0], atol=2e-4, rtol=2e-3
        )


def test_a_step_limit_is_told():
    rows, y = drawn()
    path = LogisticPath(rows, y, 3, standardise=True)
    assert not path.solve(1e4, tolerance=1e-12, max_iter=3)
    assert path.iterations == 3
