import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from contrascope import records
from contrascope.augment.settings import PolicySettings
from contrascope.cli import main
from contrascope.data.settings import DataSettings
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.errors import InputError
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
