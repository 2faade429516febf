"""Two processes of our loop train as one: several optimisers, groups of views, labels, and batches in parts."""

import pytest
import torch
import two_processes


@pytest.fixture(scope="module")
def found(tmp_path_factory, by_two_processes):
    return by_two_processes(two_processes.__file__, tmp_path_factory.mktemp("two"))


@pytest.mark.parametrize("case", two_processes.CASES)
def test_the_weights_of_two_processes_are_those_of_one(case, found, tmp_path):
    alone = two_processes.trained(case, tmp_path)
    for key, value in alone.items():
        torch.testing.assert_close(found[f"{case}/{key}"], value, rtol=1e-9, atol=1e-9, msg=key)
