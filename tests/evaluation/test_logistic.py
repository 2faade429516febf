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


def test_what_is_known_from_other_penalties_saves_passes_over_the_data():
    rows, y = drawn(count=600, dim=40, classes=5)
    grid = [10 ** (-2 + step / 4) for step in range(12)]

    def looks(*, forget):
        path = LogisticPath(rows, y, 5, standardise=True)
        for inverse_penalty in grid:
            if "curvature" in forget:
                path._curvature.forget()
            if "solutions" in forget:
                path._solved = []
            assert path.solve(inverse_penalty, tolerance=1e-5, max_iter=500)
        return path.looks

    whole = looks(forget=())
    assert whole < 0.95 * looks(forget=("curvature",))
    assert whole < 0.95 * looks(forget=("solutions",))
    assert whole < 0.7 * looks(forget=("curvature", "solutions"))


def test_a_solution_that_still_holds_costs_no_pass_over_the_data():
    rows, y = drawn()
    path = LogisticPath(rows, y, 3, standardise=True)
    solved(path, 1e9, tolerance=1e-6)
    looks, before = path.looks, path.coefficients()
    for inverse_penalty in (1e9, 1e10, 1e11):
        assert path.solve(inverse_penalty, tolerance=1e-6, max_iter=500)
    assert path.looks == looks
    assert torch.equal(path.coefficients()[0], before[0])


@pytest.mark.parametrize("tolerance", [1e-2, 1e-3])
def test_the_objective_is_about_half_the_squared_tolerance_above_its_minimum(tolerance):
    rows, y = drawn(count=200, dim=6, classes=3)

    def objective(coef, intercept, inverse_penalty):
        loss = torch.nn.functional.cross_entropy(rows @ coef.T + intercept, y)
        return (loss + coef.square().sum() / 2 / (inverse_penalty * len(rows))).item()

    path, best = (LogisticPath(rows, y, 3, standardise=False) for _ in range(2))
    for inverse_penalty in GRID:
        assert path.solve(inverse_penalty, tolerance=tolerance, max_iter=500)
        least = objective(*solved(best, inverse_penalty, tolerance=1e-6), inverse_penalty)
        assert -1e-12 < objective(*path.coefficients(), inverse_penalty) - least < 2.5 * tolerance**2


def test_a_path_that_starts_at_its_solution_looks_at_the_data_once():
    rows, y = drawn(count=300, classes=4)
    first, again = (LogisticPath(rows, y, 4, standardise=True) for _ in range(2))
    coef, intercept = solved(first, 10.0)
    again.start_at(coef, intercept)
    found = solved(again, 10.0, tolerance=1e-7)
    assert again.looks == 1 < first.looks
    torch.testing.assert_close(found, (coef, intercept))


def test_starting_coefficients_come_back_as_they_were():
    rows, y = drawn()
    path = LogisticPath(rows, y, 3, standardise=True)
    coef = torch.randn(3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    coef -= coef.mean(dim=0)
    intercept = torch.tensor([0.5, -1.0, 0.5], dtype=torch.float64)
    path.start_at(coef, intercept)
    torch.testing.assert_close(path.coefficients(), (coef, intercept))


def test_directions_without_variance_move_nothing():
    rows, y = drawn(dtype=torch.float32)
    wide = torch.cat([rows, rows[:, :1], torch.full((len(rows), 1), 7.0)], dim=1)
    path = LogisticPath(wide, y, 3, standardise=False)
    coef, _ = solved(path, 1e6, tolerance=1e-4)
    plain, _ = solved(LogisticPath(rows, y, 3, standardise=False), 1e6, tolerance=1e-4)
    assert coef[:, -1].abs().max().item() < 1e-5
    torch.testing.assert_close(coef[:, 0] + coef[:, 5], plain[:, 0], atol=2e-2, rtol=2e-2)


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


@pytest.mark.parametrize("rank", [1, 5, 11])
def test_rows_in_their_span_keep_lengths_and_products(rank):
    source = torch.Generator().manual_seed(rank)
    rows = torch.randn(12, rank, dtype=torch.float64, generator=source) @ torch.randn(
        rank, 40, dtype=torch.float64, generator=source
    )
    few, basis = logistic.in_row_space(rows)
    torch.testing.assert_close(few @ few.T, rows @ rows.T)
    torch.testing.assert_close(basis.T @ basis, torch.eye(12, dtype=torch.float64))
    torch.testing.assert_close(few @ basis.T, rows)
    assert logistic.in_row_space(rows.T)[1] is None
