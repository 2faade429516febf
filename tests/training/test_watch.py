import pytest
import torch

from contrascope import records
from contrascope.training.watch import LossWatch, NonFiniteLossError

NAN, INF = float("nan"), float("inf")


def test_finite_losses_pass(tmp_path):
    watch = LossWatch(tmp_path, torch.device("cpu"))
    watch.see(1, torch.tensor([1.0, -2.0]))
    watch.check()


@pytest.mark.parametrize(
    ("bad", "words"),
    [([NAN, 0.0], "its align half"), ([0.0, -INF], "its spread half"), ([INF, NAN], "align and spread")],
)
def test_the_first_bad_step_and_half_are_told_though_later_ones_are_bad_too(tmp_path, bad, words):
    watch = LossWatch(tmp_path, torch.device("cpu"))
    watch.see(4, torch.tensor([1.0, 1.0]))
    watch.see(5, torch.tensor(bad))
    watch.see(6, torch.tensor([NAN, NAN]))
    watch.see(7, torch.tensor([1.0, 1.0]))
    with pytest.raises(NonFiniteLossError, match=f"since step 5 .*{words}.*No checkpoint .*lower --optim.lr"):
        watch.check()


def test_the_first_step_has_another_cause_and_the_last_checkpoint_is_named(tmp_path):
    with records.new_checkpoint(tmp_path, 12) as folder:
        (folder / "x").write_text("x")
    watch = LossWatch(tmp_path, torch.device("cpu"))
    watch.see(1, torch.tensor([NAN, 1.0]))
    with pytest.raises(NonFiniteLossError, match=r"step-00000012\. It was so from the first step"):
        watch.check()
