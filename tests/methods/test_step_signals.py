"""Numbers of a step that tell a collapse from learning, and their way into the log."""

import math
from dataclasses import replace

import pytest
import torch

from contrascope import records
from contrascope.jobs.train import train
from contrascope.methods.step_signals import code_signals, log_condition, unit_std
from contrascope.records.row_words import row_word
from contrascope.runs.recipes import find_recipe


def test_codes_on_one_prototype_and_even_codes_are_told_apart():
    one = torch.zeros(2, 8, 4)
    one[..., 0] = 1
    scores = torch.randn(3, 8, 4, generator=torch.Generator().manual_seed(0))
    found = code_signals(scores, one, temperature=1.0)
    assert (found["code_evenness"].item(), found["code_entropy"].item()) == (0, 0)
    assert found["used_prototypes"].item() == 0.25
    even = torch.full((2, 8, 4), 0.25)
    found = code_signals(torch.zeros(2, 8, 4), even, temperature=1.0)
    assert [found[name].item() for name in ("code_evenness", "code_entropy", "divergence")] == pytest.approx(
        [1, 1, 0]
    )


def test_the_divergence_is_the_cross_entropy_less_the_entropy():
    generator = torch.Generator().manual_seed(1)
    scores = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
    codes = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64).softmax(-1)
    slow = []
    for view in range(2):
        for image in range(5):
            p = (scores[view, image] / 0.5).softmax(-1)
            slow.append(
                sum(q * math.log(q / p) for q, p in zip(codes[view, image].tolist(), p.tolist(), strict=True))
            )
    assert code_signals(scores, codes, temperature=0.5)["divergence"].item() == pytest.approx(sum(slow) / 10)


def test_equal_rows_have_no_deviation_and_uniform_rows_nearly_one():
    rows = torch.randn(4096, 16, generator=torch.Generator().manual_seed(0))
    assert unit_std(rows).item() == pytest.approx(1, abs=0.01)
    assert unit_std(rows[:1].expand(8, -1)).item() == pytest.approx(0, abs=1e-6)


def test_the_condition_of_stretched_rows():
    square = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], dtype=torch.float64)
    assert log_condition(square * torch.tensor([1.0, 1e-3])).item() == pytest.approx(6)
    assert log_condition(square * torch.tensor([1.0, 0.0])).item() == math.inf


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("swav", "used_prototypes"),
        ("dino", "code_evenness"),
        ("nnclr", "distinct_neighbours"),
        ("w-mse", "log_condition"),
        ("t-simclr", "length"),
        ("byol", "target_std"),
        ("mean-shift", "target_std"),
        ("simsiam", "target_std"),
        ("rotation", "accuracy"),
        ("bigan", "generated_variance"),
    ],
)
def test_a_run_logs_what_its_method_says_of_itself(tmp_path, method, name):
    settings = find_recipe(f"digits-{method}").make()
    training = replace(settings.training, epochs=1, log_every=1)
    monitor = replace(settings.monitor, times=0)
    train(replace(settings, training=training, monitor=monitor), tmp_path / "run")
    rows = [row for row in records.read_metrics(tmp_path / "run" / records.METRICS) if row["kind"] == "step"]
    assert rows
    assert all(math.isfinite(row[f"method_{name}"]) for row in rows)
    said = {key for row in rows for key in row if key.startswith("method_")}
    assert all(row_word(key) is not None for key in said)
