"""Two processes train every method of sentences as one does: loss, gradients and weights."""

import pytest
import torch
import two_text_processes


@pytest.fixture(scope="module")
def found(tmp_path_factory, by_two_processes):
    return by_two_processes(two_text_processes.__file__, tmp_path_factory.mktemp("two"))


@pytest.mark.parametrize("case", two_text_processes.CASES)
def test_loss_gradients_and_weights_of_two_processes_are_those_of_one(case, found, tmp_path):
    alone = two_text_processes.trained(case, tmp_path)
    kinds = {name.partition(".")[0] for name in alone}
    assert kinds == {"state", "grad", "loss", "align", "spread"}
    assert len(alone["loss"]) == 3
    for key, value in alone.items():
        tolerance = (
            1e-9 if key.startswith(("state", "grad")) else 1e-6
        )  # a row of the log has six digits or so
        torch.testing.assert_close(found[f"{case}/{key}"], value, rtol=tolerance, atol=tolerance, msg=key)
    assert max(value.abs().max() for key, value in alone.items() if key.startswith("grad")) > 1e-3
