import os
import signal

import pytest
import torch

from contrascope import records
from contrascope.errors import InputError
from contrascope.records.kinds import BestRecord
from contrascope.records.typed import read_record
from contrascope.training.interrupt import Interrupted, StoppedError
from contrascope.training.probe import Finding
from contrascope.training.watch import NonFiniteLossError


def rows(run):
    whole = records.read_metrics(run / records.METRICS)
    return [{key: value for key, value in row.items() if key != "images_per_second"} for row in whole]


def assert_same_weights(one, other):
    theirs = other.state_dict()
    for name, value in one.state_dict().items():
        assert torch.equal(value, theirs[name]), name


def stop_during(images, step, monkeypatch):
    """Ask for a stop by SIGTERM while batch number `step` (from 1) is at hand."""
    plain, seen = images.batches, [0]

    def batches(*args, **kwargs):
        for batch in plain(*args, **kwargs):
            seen[0] += 1
            if seen[0] == step:
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch

    monkeypatch.setattr(images, "batches", batches)


@pytest.mark.parametrize("step", [1, 4, 6])
@pytest.mark.parametrize(("name", "optim"), [("simclr", "sgd"), ("moco", "adamw"), ("simclr", "lars")])
def test_a_run_stopped_and_resumed_equals_the_undisturbed_one_bit_for_bit(
    tmp_path, start_fit, images, monkeypatch, step, name, optim
):
    whole = start_fit(tmp_path / "whole", method=name, optim=optim)
    with monkeypatch.context() as patch:
        stop_during(images, step, patch)
        with pytest.raises(Interrupted) as stopped:
            start_fit(tmp_path / "cut", method=name, optim=optim)
    assert stopped.value.step == step
    assert [row["step"] for row in rows(tmp_path / "cut")] == list(range(1, step + 1))
    resumed = start_fit(tmp_path / "cut", method=name, optim=optim)
    assert_same_weights(whole, resumed)
    assert rows(tmp_path / "cut") == rows(tmp_path / "whole")
    assert [row["step"] for row in rows(tmp_path / "cut")] == list(range(1, 13))


def test_rows_after_the_last_checkpoint_are_forgotten_on_resume(tmp_path, start_fit):
    start_fit(tmp_path / "whole", keep_last=9)
    start_fit(tmp_path / "cut", keep_last=9)
    for _, folder in records.checkpoint_folders(tmp_path / "cut")[1:]:
        records.remove_checkpoint(folder)
    with (tmp_path / "cut" / records.METRICS).open("ab") as file:
        file.write(b'{"kind": "step", "st')
    start_fit(tmp_path / "cut", keep_last=9)
    assert rows(tmp_path / "cut") == rows(tmp_path / "whole")


def test_what_a_probe_tells_is_recorded_and_the_network_goes_on_in_training_mode(tmp_path, start_fit):
    seen = []

    def probe(method, finished):
        seen.append(finished)
        method.eval()
        return Finding(row={"score": 0.5}) if finished % 2 == 0 else None

    method = start_fit(tmp_path, probes=(probe,), epochs=4)
    assert seen == [1, 2, 3, 4]
    probed = [row for row in rows(tmp_path) if row["kind"] == "probe"]
    assert probed == [{"kind": "probe", "step": 4 * e, "epoch": e, "score": 0.5} for e in (2, 4)]
    assert method.training


def scored(*scores):
    return lambda method, finished: Finding(score=scores[finished - 1])


def test_the_checkpoint_with_the_best_score_is_kept_beside_the_last(tmp_path, start_fit):
    start_fit(tmp_path, probes=(scored(0.1, 0.7, 0.7, 0.2, None, 0.3),), epochs=6, keep_last=1)
    assert [step for step, _ in records.checkpoint_folders(tmp_path)] == [8, 24]
    assert read_record(BestRecord, tmp_path / records.BEST).record == BestRecord(step=8, score=0.7)


def test_the_best_checkpoint_is_saved_where_none_was_due_and_survives_a_resume(tmp_path, start_fit):
    start_fit(tmp_path, probes=(scored(0.1, 0.7),), epochs=2, keep_last=1, checkpoint_every=1000)
    assert [step for step, _ in records.checkpoint_folders(tmp_path)] == [8]
    start_fit(tmp_path, probes=(scored(0.9, 0.9, 0.2, 0.3),), epochs=4, keep_last=1, checkpoint_every=1000)
    assert [step for step, _ in records.checkpoint_folders(tmp_path)] == [8, 16]
    assert read_record(BestRecord, tmp_path / records.BEST).record.step == 8


def test_a_probe_can_stop_the_run_which_is_saved_first(tmp_path, start_fit, capsys):
    def probe(method, finished):
        return Finding(alarm="complete collapse", stop=finished == 2)

    with pytest.raises(StoppedError, match=r"stopped at step 8: complete collapse\. Saved in"):
        start_fit(tmp_path, probes=(probe,))
    assert [step for step, _ in records.checkpoint_folders(tmp_path)][-1] == 8
    assert capsys.readouterr().err.count("ALARM: complete collapse") >= 1


def test_checkpoints_are_written_at_their_steps_and_at_the_end(tmp_path, start_fit):
    start_fit(tmp_path, checkpoint_every=5, keep_last=9)
    assert [step for step, _ in records.checkpoint_folders(tmp_path)] == [5, 10, 12]


def test_a_diverged_run_stops_with_step_cause_and_last_checkpoint(tmp_path, start_fit):
    start_fit(tmp_path, epochs=1)
    with pytest.raises(NonFiniteLossError, match=r"since step \d+ .*step-00000004.*lower --optim\.lr"):
        start_fit(tmp_path, lr=1e30, epochs=3)
    kept = records.checkpoint_folders(tmp_path)
    assert [step for step, _ in kept] == [4]


def test_micro_batches_are_refused_for_simclr_with_the_reason(tmp_path, start_fit):
    with pytest.raises(InputError, match=r"accumulate is 2, but the loss .* compares the images of a batch"):
        start_fit(tmp_path, accumulate=2)


def test_the_gradient_is_clipped_to_the_norm(tmp_path, start_fit):
    free = start_fit(tmp_path / "free", optim="sgd", lr=1.0, epochs=1)
    clipped = start_fit(tmp_path / "clipped", optim="sgd", lr=1.0, epochs=1, clip_norm=1e-6)
    moved = [torch.cat([p.flatten() for p in method.parameters()]) for method in (free, clipped)]
    assert (moved[0] - moved[1]).norm() > 1e-3
