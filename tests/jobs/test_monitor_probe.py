from dataclasses import replace
from typing import get_args

import pytest
import torch

from contrascope import records
from contrascope.augment.presets import build_policy
from contrascope.augment.settings import PolicySettings
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.diagnosis.answers import judge
from contrascope.diagnosis.causes import Known
from contrascope.diagnosis.exhibits import ShownRows
from contrascope.diagnosis.learning_signals import LearningSignals
from contrascope.diagnosis.monitor.rows import monitor_row
from contrascope.diagnosis.score import NOT_CHOSEN
from contrascope.diagnosis.settings import MonitorSettings
from contrascope.diagnosis.signals import Signals, layer_signals, value_faults
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.errors import InputError
from contrascope.intervals import Estimate
from contrascope.jobs.monitor_probe import MonitorProbe, class_row
from contrascope.jobs.train import train
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.records.vocabulary import LearningWord
from contrascope.runs.build import build
from contrascope.runs.recipes import digits_simclr
from contrascope.theory.factors.gallery_recall import RecallGain
from contrascope.training.interrupt import StoppedError
from contrascope.training.settings import TrainingSettings


def tiny(epochs=4, **monitor):
    return replace(
        digits_simclr(),
        data=DataSettings(source="digits", labels="none"),
        encoder=EncoderSettings(name="convnet", width=4),
        method=SimCLRSettings(projector=ProjectorSettings(hidden=(8,), out=8)),
        training=TrainingSettings(epochs=epochs, batch_size=256),
        monitor=MonitorSettings(**{"times": 2, "images": 64, **monitor}),
    )


def point(value):
    return Estimate(value=value, low=value - 0.05, high=value + 0.05)


def probes(run):
    return [row for row in records.read_metrics(run / records.METRICS) if row["kind"] == "probe"]


def test_a_run_diagnoses_itself_evenly_and_keeps_its_best_checkpoint(tmp_path):
    wider = replace(tiny(epochs=12, images=256), encoder=EncoderSettings(name="convnet", width=8))
    method = SimCLRSettings(temperature=0.2, projector=ProjectorSettings(hidden=(32,), out=16))
    train(replace(wider, method=method), tmp_path / "run")
    found = probes(tmp_path / "run")
    assert [row["epoch"] for row in found] == [6, 12]
    assert {row["sound"] for row in found} == {"sound"}
    assert all(row["learning"] in get_args(LearningWord) and 0 <= row["h_retrieval"] <= 1 for row in found)
    assert all(row["evidence"] for row in found)
    best = records.read_json(tmp_path / "run" / records.BEST)
    assert best["step"] in [step for step, _ in records.checkpoint_folders(tmp_path / "run")]
    scores = [
        (row["h_gain_own"] + row["h_gain_standard"]) / 2 for row in found if row["learning"] not in NOT_CHOSEN
    ]
    assert best["score"] == pytest.approx(max(scores))


def test_with_labels_the_divergence_of_class_centres_stands_beside_the_verdict(tmp_path):
    settings = tiny(images=128)
    train(replace(settings, data=DataSettings(source="digits")), tmp_path / "with")
    train(settings, tmp_path / "without")
    labelled, unlabelled = probes(tmp_path / "with"), probes(tmp_path / "without")
    of_classes = {f"{layer}_{key}" for layer in "hz" for key in ("max_cosine", "mean_cosine", "centre_error")}
    for one, other in zip(labelled, unlabelled, strict=True):
        assert one.keys() - other.keys() == of_classes
        assert all(one[key] == other[key] for key in other if key != "seconds")
        assert -1 <= one["h_mean_cosine"] <= one["h_max_cosine"] <= 1
        assert 0 <= one["z_centre_error"] <= 1


def test_class_centres_by_hand_and_none_for_too_few_labels():
    h = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).repeat_interleave(4, dim=0).repeat(2, 1, 1)
    layer = layer_signals(h, draws=0)
    signals = Signals(
        h=layer,
        z=None,
        reference_h=None,
        reference_z=None,
        reference="none",
        equal_views=0.0,
        faults=value_faults(h, None),
    )
    y = torch.tensor([0] * 4 + [1] * 4)
    shown = ShownRows(h=h, z=None, standard={}, shuffled=h[0])
    assert class_row(shown, y, signals) == {
        "h_max_cosine": 0.0,
        "h_mean_cosine": 0.0,
        "h_centre_error": 0.0,
    }
    assert class_row(shown, torch.arange(8) // 3, signals) == {}
    assert class_row(shown, torch.zeros(8, dtype=torch.int64), signals) == {}
    assert class_row(shown, None, signals) == {}


def test_the_monitor_changes_no_weight_of_the_run(tmp_path):
    train(tiny(), tmp_path / "with")
    train(tiny(times=0), tmp_path / "without")
    assert probes(tmp_path / "without") == []
    one, other = (
        (records.checkpoint_folders(tmp_path / name)[-1][1] / "method.safetensors").read_bytes()
        for name in ("with", "without")
    )
    assert one == other


@pytest.fixture
def monitor():
    settings = tiny(epochs=10, times=10, stop=True)
    images = open_images(settings.data)
    return settings, lambda times=10: MonitorProbe(
        images,
        build_policy(PolicySettings(name="digits"), channels=1, size=8),
        build(settings, images.shape, seed=1),
        known=Known(method=settings.method),
        settings=replace(settings.monitor, times=times),
        epochs=10,
        seed=0,
        device=torch.device("cpu"),
    )


def test_a_collapsed_network_is_an_alarm_at_once_and_asks_to_stop(monitor):
    settings, make = monitor
    broken = build(settings, (1, 8, 8))
    for parameter in broken.encoder.parameters():
        parameter.data.zero_()
    found = make()(broken, 1)
    assert found is not None
    assert found.stop
    assert found.alarm == f"unsound: {found.row['reason']}"
    assert found.row["sound"] == "unsound"
    assert found.row["learning"] == "cannot be told"
    assert found.score is None


def test_an_untrained_network_is_an_alarm_at_once(monitor):
    settings, make = monitor
    found = make()(build(settings, (1, 8, 8)), 1)
    assert found.alarm == "unsound: weights at their initial values"


def test_a_network_that_learns_nothing_is_an_alarm_in_the_second_half_only(monitor):
    settings, make = monitor
    moved, watch = build(settings, (1, 8, 8)), make()
    source = torch.Generator().manual_seed(0)
    for norm in moved.encoder.modules():  # no longer as made, and no better
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.weight.data += 0.01 * torch.randn(norm.weight.shape, generator=source)
    early, late = watch(moved, 5), watch(moved, 6)
    assert early.row["sound"] == late.row["sound"] == "sound"
    assert early.row["learning"] == late.row["learning"] != "learning"
    assert early.alarm == ""
    assert late.alarm.startswith(late.row["learning"])
    assert not late.stop


def test_a_row_has_both_answers_their_reason_and_the_gains():
    h = torch.randn(2, 64, 8, generator=torch.Generator().manual_seed(0))
    layer = layer_signals(h, draws=0)
    plain = Signals(
        h=layer,
        z=layer,
        reference_h=None,
        reference_z=None,
        reference="none",
        equal_views=0.0,
        faults=value_faults(h, h),
    )
    row = monitor_row(plain, judge(plain))
    assert "h_gain_own" not in row
    assert row["h_effective_rank" if "h_effective_rank" in row else "h_rankme"] > 1
    gain = RecallGain(trained=point(0.9), random=point(0.1), odds=point(4.4))
    crop = replace(gain, odds=point(2.0))
    learnt = LearningSignals(own=gain, standard={"crop": crop, "all": gain}, residual={"own": gain})
    found = replace(plain, learning=learnt)
    row = monitor_row(found, judge(found))
    assert (row["h_gain_own"], row["h_gain_standard"]) == (4.4, 2.0)
    broken = replace(plain, faults=replace(plain.faults, dead_units=0.9))
    verdict = judge(broken)
    row = monitor_row(broken, verdict)
    assert (row["sound"], row["learning"]) == ("unsound", "cannot be told")
    assert row["reason"] == verdict.sound.reason
    assert row["evidence"] == verdict.sound.evidence[0]


@pytest.mark.parametrize(
    ("times", "due"), [(10, list(range(1, 11))), (3, [3, 7, 10]), (100, list(range(1, 11)))]
)
def test_diagnoses_are_spread_over_the_run(monitor, times, due):
    _, make = monitor
    assert sorted(make(times)._due) == due


def test_a_run_stops_with_its_checkpoint_when_asked_to(tmp_path):
    settings = replace(tiny(stop=True), policy=PolicySettings(name="digits"))
    broken = replace(settings, method=SimCLRSettings(projector=ProjectorSettings(hidden=(8,), out=1)))
    with pytest.raises(StoppedError, match=r"stopped at step 10: .*unsound"):
        train(broken, tmp_path / "run")
    assert records.checkpoint_folders(tmp_path / "run")[-1][0] == 2 * 5


@pytest.mark.parametrize("change", [{"times": -1}, {"images": 4}, {"views": 1}])
def test_wrong_settings_are_refused(change):
    with pytest.raises(InputError, match=f"monitor.{next(iter(change))} is"):
        MonitorSettings(**change)
