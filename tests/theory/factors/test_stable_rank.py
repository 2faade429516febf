import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.theory.factors.spectrum import effective_rank, participation_ratio
from contrascope.theory.factors.stable_rank import stable_rank

values = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=20)


@settings(derandomize=True, deadline=None)
@given(values, st.floats(1e-3, 1e3))
def test_it_lies_between_one_and_the_other_ranks_and_has_no_unit(found, scale):
    eigenvalues = torch.tensor(found, dtype=torch.float64)
    rank = stable_rank(eigenvalues)
    assert rank * (1 + 1e-12) >= 1
    assert rank <= effective_rank(eigenvalues) * (1 + 1e-9)
    assert rank <= len(found) * (1 + 1e-12)
    assert stable_rank(scale * eigenvalues) == pytest.approx(rank, rel=1e-12)


def test_by_hand():
    assert stable_rank(torch.tensor([3.0, 1.0])) == pytest.approx(4 / 3)
    assert stable_rank(torch.ones(7)) == 7
    assert stable_rank(torch.zeros(3)) == 0


def test_one_wide_direction_lowers_it_more_than_the_participation_ratio():
    wide = torch.tensor([100.0, *[1.0] * 50])
    assert stable_rank(wide) == pytest.approx(1.5)
    assert participation_ratio(wide) == pytest.approx(150**2 / (100**2 + 50))


def test_the_diagnosis_has_it():
    from contrascope.diagnosis.signals import layer_signals

    rows = torch.randn(2, 200, 6, generator=torch.Generator().manual_seed(0))
    rows[..., 0] *= 10
    first = rows[0].double()
    eigenvalues = torch.linalg.eigvalsh((first - first.mean(0)).T @ (first - first.mean(0)) / 200)
    expected = float(eigenvalues.sum() / eigenvalues.max())
    assert layer_signals(rows, draws=0).stable_rank == pytest.approx(expected, rel=1e-6)
