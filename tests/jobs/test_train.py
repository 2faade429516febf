import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from contrascope import records
from contrascope.augment.settings import PolicySettings
from contrascope.cli import main
from contrascope.data.imageset import InMemoryImages
from contrascope.data.settings import DataSettings
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.errors import InputError
from contrascope.evaluation.protocol import Protocol
from contrascope.jobs.train import train
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.runs.build import build
from contrascope.runs.load import load_run
from contrascope.runs.recipes import digits_simclr
from contrascope.settings import to_json
from contrascope.training.settings import TrainingSettings


def tiny(**data):
    return replace(
        digits_simclr(),
        data=DataSettings(**{"source": "digits", "labels": "none", **data}),
        encoder=EncoderSettings(name="convnet", width=4),
        method=SimCLRSettings(projector=ProjectorSettings(hidden=(8,), out=8)),
        training=TrainingSettings(epochs=1, batch_size=256),
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    assert train(tiny(), out) == []
    return out


def test_a_run_leaves_its_records_and_reads_back(finished):
    for name in (records.SETTINGS, records.ENVIRONMENT, records.METRICS):
        assert (finished / name).is_file()
    assert not (finished / records.EVALUATION).exists()
    run = load_run(finished)
    assert run.settings == tiny()
    assert run.step == 5
    assert not run.method.training
    facts = records.read_json(finished / records.ENVIRONMENT)
    assert (facts["images"], facts["image_shape"], facts["processes"]) == (1297, [1, 8, 8], 1)


def test_a_pair_of_policies_from_a_file_is_copied_into_the_run_and_trains_both_views(tmp_path):
    file, out = tmp_path / "pair.json", tmp_path / "run"
    crop = {"kind": "RandomResizedCrop", "scale": [0.6, 1]}
    sides = [{"ops": [crop]}, {"ops": [crop, {"kind": "Invert", "p": 0.5}]}]
    file.write_text(json.dumps({"policies": sides}))
    words = ["--encoder.width", "4", "--training.epochs", "1", "--training.batch-size", "256"]
    words += ["--data.labels", "none", "--policy", str(file), "--out", str(out)]
    assert main(["train", "digits-simclr", *words]) == 0
    file.unlink()
    run = load_run(out)
    assert [one.name for one in run.settings.policy.policies] == ["pair 1", "pair 2"]
    assert main(["train", str(out), "--resume"]) == 0
    recorded = records.read_json(out / records.SETTINGS)
    del recorded["policy"]["policies"]
    recorded["policy"] |= {"name": "digits", "ops": []}
    records.write_json(out / records.SETTINGS, recorded)  # as runs before there were pairs
    assert load_run(out).settings.policy == PolicySettings(name="digits", size=run.settings.policy.size)


def test_a_folder_that_holds_a_run_is_refused_without_resume(finished):
    with pytest.raises(InputError, match=r"already holds a run\. Go on with --resume"):
        train(tiny(), finished)


def test_other_settings_are_refused_with_every_difference(finished):
    other = replace(tiny(), training=TrainingSettings(epochs=2, batch_size=128))
    with pytest.raises(InputError) as caught:
        train(other, finished, resume=True)
    assert "training.epochs: 1 -> 2" in str(caught.value)
    assert "training.batch_size: 256 -> 128" in str(caught.value)
    assert load_run(finished).settings == tiny()


def test_a_finished_run_resumed_stays_as_it_is(finished):
    before = {p: p.read_bytes() for p in (finished / records.CHECKPOINTS).rglob("*.safetensors")}
    lines = (finished / records.METRICS).read_bytes()
    assert train(tiny(), finished, resume=True) == []
    assert before == {p: p.read_bytes() for p in (finished / records.CHECKPOINTS).rglob("*.safetensors")}
    assert (finished / records.METRICS).read_bytes() == lines


def test_a_finished_run_with_scores_is_handed_back_without_opening_its_images(tmp_path, monkeypatch):
    settings = replace(tiny(labels=None), protocol=Protocol(k=5, probes=("knn",)))
    rows = train(settings, tmp_path / "run")
    assert len(rows) == 3
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    monkeypatch.setattr("contrascope.jobs.work.open_images", lambda *_: pytest.fail("opened"))
    assert train(settings, tmp_path / "run", resume=True) == json.loads(json.dumps(rows))
    assert before == {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": DataSettings(source="no-such-folder")}, "no-such-folder"),
        ({"training": TrainingSettings(batch_size=4096)}, "fewer than training.batch_size 4096"),
        ({"training": TrainingSettings(batch_size=64, chunk=16)}, "training.chunk is 16"),
        ({"encoder": EncoderSettings(name="no-net")}, "no-net"),
    ],
)
def test_a_start_that_fails_leaves_nothing_behind(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        train(replace(tiny(), **changes), tmp_path / "runs" / "run")
    assert not (tmp_path / "runs").exists()


def pictures(path, *, seed=0, count=40):
    values = np.random.default_rng(seed).integers(256, size=(count, 8, 8, 1), dtype=np.uint8)
    np.savez(path, train_images=values)
    return str(path)


def of_pictures(source, **training):
    many = {"epochs": 2, "batch_size": 16, "log_every": 1, **training}
    return replace(tiny(source=source, labels=None), training=TrainingSettings(**many))


def test_other_images_are_refused_before_anything_is_written(tmp_path):
    settings, out = of_pictures(pictures(tmp_path / "a.npz")), tmp_path / "run"
    train(settings, out)
    before = {
        path: path.read_bytes() for path in out.rglob("*") if path.is_file() and path.name != "run.lock"
    }
    pictures(tmp_path / "a.npz", seed=1)
    with pytest.raises(InputError, match=r"(?s)trained on other images:.*data_fingerprint: \w+ -> \w+\n"):
        train(settings, out, resume=True)
    pictures(tmp_path / "a.npz", count=80)
    with pytest.raises(InputError, match=r"(?s)images: 40 -> 80.*steps_per_epoch: 2 -> 5"):
        train(settings, out, resume=True)
    assert before == {
        path: path.read_bytes() for path in out.rglob("*") if path.is_file() and path.name != "run.lock"
    }


def test_the_same_images_in_another_place_go_on_and_the_first_environment_stays(tmp_path, capsys):
    out, old = tmp_path / "run", pictures(tmp_path / "a.npz")
    train(of_pictures(old), out)
    first = records.read_json(out / records.ENVIRONMENT)
    assert first["resumed"] == []
    moved = str(shutil.move(old, tmp_path / "b.npz"))
    records.write_json(out / records.ENVIRONMENT, {**first, "processes": 2})
    train(of_pictures(moved), out, resume=True)
    assert "contrascope: processes: 2 -> 1" in capsys.readouterr().err
    assert load_run(out).settings.data.source == moved
    now = records.read_json(out / records.ENVIRONMENT)
    (resumed,) = now.pop("resumed")
    assert {**now, "resumed": []} == {**first, "processes": 2}
    assert resumed["changed"] == ["processes: 2 -> 1"]
    assert resumed["step"] == 4


def rates(out):
    rows = [row for row in records.read_metrics(out / records.METRICS) if row["kind"] == "step"]
    return [row["step"] for row in rows], [row["lr"] for row in rows]


def test_a_run_that_has_ended_goes_on_for_more_epochs_as_it_is_told(tmp_path, capsys):
    source, out = pictures(tmp_path / "a.npz"), tmp_path / "run"
    train(of_pictures(source), out)
    records.write_json(out / records.EVALUATION, {"rows": [], "protocol": {}, "step": 4})
    before = rates(out)[1]
    more = of_pictures(source, epochs=4)
    with pytest.raises(InputError, match=r"end at step 4\. Say how it goes on to step 8"):
        train(more, out, resume=True)
    assert load_run(out).settings.training.epochs == 2
    said = replace(more, schedule=replace(more.schedule, continuation="restart"))
    train(said, out, resume=True)
    assert "from step 4 to 8 the schedule goes on by restart" in capsys.readouterr().err
    steps, after = rates(out)
    assert steps == list(range(1, 9))
    assert after == [*before, *before]
    run = load_run(out)
    assert (run.step, run.settings) == (8, more)
    assert 4 in [step for step, _ in records.checkpoint_folders(out)]
    assert not (out / records.EVALUATION).exists()
    assert records.read_json(out / "evaluation-step-00000004.json")["step"] == 4
    told = records.read_json(out / "segments.json")
    assert [(one["start"], one["stop"], one["how"]) for one in told["segments"]] == [
        (0, 4, "start"),
        (4, 8, "restart"),
    ]
    weights = records.checkpoint_folders(out)[-1][1] / "method.safetensors"
    kept = weights.read_bytes()
    train(more, out, resume=True)
    train(said, out, resume=True)
    assert weights.read_bytes() == kept
    with pytest.raises(InputError, match=r"training\.epochs: 4 -> 2"):
        train(of_pictures(source), out, resume=True)


def test_a_continued_run_killed_between_goes_on_with_the_same_bits(tmp_path, monkeypatch):
    source = pictures(tmp_path / "a.npz")
    more = of_pictures(source, epochs=4)
    more = replace(more, schedule=replace(more.schedule, continuation="restart"))
    for name in ("whole", "cut"):
        train(of_pictures(source), tmp_path / name)
    train(more, tmp_path / "whole", resume=True)
    for place in ("contrascope.runs.folder._write_continued", "contrascope.jobs.train.fit"):
        with (
            monkeypatch.context() as patch
        ):  # killed between the segments and the settings; before the first step
            patch.setattr(place, stop)
            with pytest.raises(KeyboardInterrupt):
                train(more, tmp_path / "cut", resume=True)
    real = InMemoryImages.batches
    with monkeypatch.context() as patch:  # killed after the first epoch that was added
        patch.setattr(
            InMemoryImages,
            "batches",
            lambda *args, **more: stop() if kept(tmp_path) == 6 else real(*args, **more),
        )
        with pytest.raises(KeyboardInterrupt):
            train(more, tmp_path / "cut", resume=True)
    train(load_run(tmp_path / "cut").settings, tmp_path / "cut", resume=True)
    assert rates(tmp_path / "cut") == rates(tmp_path / "whole")
    one, other = (load_run(tmp_path / name).method.state_dict() for name in ("whole", "cut"))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def kept(tmp_path):
    return records.checkpoint_folders(tmp_path / "cut")[-1][0]


def stop(*_, **__):
    raise KeyboardInterrupt


def test_a_start_that_was_killed_before_more_epochs_were_written_may_be_taken_back(tmp_path, monkeypatch):
    source, out = pictures(tmp_path / "a.npz"), tmp_path / "run"
    train(of_pictures(source), out)
    more = of_pictures(source, epochs=4)
    monkeypatch.setattr("contrascope.runs.folder._write_continued", stop)
    with pytest.raises(KeyboardInterrupt):
        train(replace(more, schedule=replace(more.schedule, continuation="restart")), out, resume=True)
    monkeypatch.undo()
    train(of_pictures(source), out, resume=True)
    assert len(records.read_json(out / "segments.json")["segments"]) == 1
    assert load_run(out).step == 4


def test_a_run_stopped_half_way_stretches_what_is_left_without_a_word(tmp_path):
    source, out = pictures(tmp_path / "a.npz"), tmp_path / "run"
    train(of_pictures(source, epochs=4, keep_last=9), out)
    whole = rates(out)[1]
    for step, folder in records.checkpoint_folders(out):
        if step > 4:
            records.remove_checkpoint(folder)
    train(of_pictures(source, epochs=6, keep_last=9), out, resume=True)
    steps, after = rates(out)
    assert steps == list(range(1, 13))
    assert after[:5] == whole[:5]
    assert after[4::2] == pytest.approx(whole[4:])  # half a position a step


@pytest.mark.parametrize("name", ["digits-moco", "digits-byol"])
def test_runs_of_version_0_1_go_on_and_are_continued(tmp_path, name):
    run = Path(shutil.copytree(Path(__file__).parents[1] / "runs" / "format0" / name, tmp_path / name))
    old = load_run(run)
    epochs = old.settings.training.epochs
    more = replace(old.settings, training=replace(old.settings.training, epochs=epochs + 1))
    more = replace(more, schedule=replace(more.schedule, continuation="restart"))
    train(more, run, resume=True)
    assert load_run(run).step == old.step * (epochs + 1) // epochs
    assert records.read_json(run / "segments.json")["segments"][1]["start"] == old.step


def test_a_folder_held_by_another_process_is_refused(tmp_path, hold_elsewhere):
    other = hold_elsewhere(tmp_path)
    try:
        other.stdout.readline()
        with pytest.raises(InputError, match=f"is held by process {other.pid}"):
            train(tiny(), tmp_path)
        assert not (tmp_path / records.SETTINGS).exists()
    finally:
        other.kill()
        other.communicate()


def test_a_run_without_checkpoint_says_how_to_go_on(tmp_path):
    records.write_json(tmp_path / records.SETTINGS, to_json(tiny()))
    with pytest.raises(InputError, match=r"has no checkpoint yet\. Train on with: contrascope train"):
        load_run(tmp_path)


def test_weights_depend_on_the_seed_alone_and_the_global_generator_is_untouched():
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    one = build(tiny(), (1, 8, 8)).state_dict()
    assert torch.equal(state, torch.random.get_rng_state())
    torch.rand(10)
    two, other = build(tiny(), (1, 8, 8)).state_dict(), build(tiny(), (1, 8, 8), seed=1).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


@pytest.fixture
def folder_with_a_bad_image(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for i in range(17):
        Image.fromarray(generator.integers(256, size=(8, 8, 3), dtype=np.uint8)).save(folder / f"{i:02}.png")
    path = folder / "05.png"
    path.write_bytes(path.read_bytes()[:60])
    return folder


def test_skipped_images_are_listed_in_the_run(tmp_path, folder_with_a_bad_image):
    settings = tiny(source=str(folder_with_a_bad_image), labels=None, on_bad_image="skip")
    settings = replace(settings, training=TrainingSettings(epochs=1, batch_size=16))
    settings = replace(settings, policy=replace(settings.policy, name="simclr"))
    train(settings, tmp_path / "run")
    listed = json.loads((tmp_path / "run" / records.BAD_IMAGES).read_text())
    assert listed["count"] == 1
    assert listed["images"][0]["name"].endswith("05.png")
    assert listed["images"][0]["reason"]
    assert records.read_json(tmp_path / "run" / records.ENVIRONMENT)["images"] == 16


def test_a_bad_image_stops_the_run_unless_it_may_be_skipped(tmp_path, folder_with_a_bad_image):
    with pytest.raises(InputError, match=r"05\.png"):
        train(tiny(source=str(folder_with_a_bad_image), labels=None), tmp_path / "run")


def test_views_may_be_smaller_than_the_clean_images_and_change_no_weight():
    whole = build(tiny_cifar("convnet", None), (3, 32, 32))
    small = build(tiny_cifar("convnet", 24), (3, 32, 32))
    for one, other in zip(whole.parameters(), small.parameters(), strict=True):
        assert torch.equal(one, other)
    assert small.encoder.resize is None
    assert small.encoder(torch.zeros(2, 3, 24, 24)).shape == small.encoder(torch.zeros(2, 3, 32, 32)).shape


def test_clean_images_smaller_than_the_views_are_brought_to_their_side():
    assert build(tiny_cifar("convnet", 48), (3, 32, 32)).encoder.resize == 48


def test_views_that_the_encoder_cannot_take_are_refused_before_training():
    with pytest.raises(InputError, match=r"does not take 3 x 21 x 21 images.*Set `resize`"):
        build(tiny_cifar("vit-tiny", 21), (3, 32, 32))


def tiny_cifar(encoder, size):
    return replace(tiny(), encoder=EncoderSettings(name=encoder), policy=PolicySettings(name="ad", size=size))
