import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from contrascope.evaluation.centres import NearestCentre
from contrascope.evaluation.knn import KNNClassifier
from contrascope.evaluation.probe import LinearProbe

ESTIMATORS = [
    KNNClassifier(k=3, temperature=0.1),
    NearestCentre(),
    LinearProbe(grid=(0.1, 10.0)),
]


TYPE_CHECKED = (
    "the tests' type checker refuses settings of a wrong type before __init__ stores them; "
    "test_settings_of_any_type_are_stored_outside_the_type_checker runs this check without it"
)
EXPECTED_FAILURES = {"check_do_not_raise_errors_in_init_or_set_params": TYPE_CHECKED}


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=lambda estimator: EXPECTED_FAILURES)
def test_scikit_learns_contract_is_kept(estimator, check):
    check(estimator)


def test_settings_of_any_type_are_stored_outside_the_type_checker():
    code = """
from sklearn.utils.estimator_checks import check_do_not_raise_errors_in_init_or_set_params as check
from contrascope.evaluation import KNNClassifier, LinearProbe, NearestCentre
for estimator in (KNNClassifier(k=3, temperature=0.1), NearestCentre(), LinearProbe()):
    check(type(estimator).__name__, estimator)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr


def drawn():
    source = torch.Generator().manual_seed(0)
    y = torch.arange(30) % 3
    return torch.randn(30, 4, generator=source) + 2 * torch.eye(4)[y], y


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_tensors_and_arrays_give_the_same(estimator):
    h, y = drawn()
    ours, theirs = clone(estimator).fit(h, y), clone(estimator).fit(h.numpy(), y.numpy())
    assert np.array_equal(ours.predict(h), theirs.predict(h.numpy()))
    assert ours.predict(h.bfloat16()).shape == (30,)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_the_second_fit_forgets_the_first(estimator):
    h, y = drawn()
    twice = clone(estimator).fit(h[:, :2], y + 7).fit(h, y)
    assert np.array_equal(twice.predict(h), clone(estimator).fit(h, y).predict(h))


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_settings_are_stored_unchanged(estimator):
    before = estimator.get_params()
    fitted = clone(estimator).fit(*drawn())
    assert fitted.get_params() == before
