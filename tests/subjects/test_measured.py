"""Which images a run is measured on: those that it was not trained on, and which they are is said."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from contrascope.augment.settings import PolicySettings
from contrascope.data.settings import DataSettings
from contrascope.diagnosis.settings import MonitorSettings
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.evaluation.protocol import Protocol
from contrascope.jobs.train import train
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.runs.recipes import digits_simclr
from contrascope.subjects.measured import LEAST, measured_images
from contrascope.subjects.open import open_subject
from contrascope.training.settings import TrainingSettings

PIXELS = np.random.default_rng(0).integers(0, 256, (LEAST + 4, 8, 8), dtype=np.uint8)


def write(folder, **splits):
    """A folder of gray pictures, so many of each split; `plain` lies in the folder itself."""
    rng = np.random.default_rng(len(splits))
    for split, count in splits.items():
        for i in range(count):
            path = folder / ("" if split == "plain" else split) / "a" / f"{split}{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(path)
    return folder


@pytest.fixture
def trained(tmp_path):
    def made(source, split="train", **protocol):
        settings = replace(
            digits_simclr(),
            encoder=EncoderSettings(name="convnet", width=2),
            method=SimCLRSettings(projector=ProjectorSettings(hidden=(), out=4)),
            training=TrainingSettings(epochs=1, batch_size=16),
            data=DataSettings(source=str(source), labels="none", split=split),
            monitor=MonitorSettings(times=0),
            policy=PolicySettings(name="digits"),
            protocol=Protocol(**protocol),
        )
        train(settings, tmp_path / "run")
        return str(tmp_path / "run")

    return made


def measured(thing, data=None, **more):
    return measured_images(open_subject(thing, data=data, **more))


def test_a_run_on_a_set_with_a_test_split_is_measured_there(trained):
    run = trained("digits")
    found = measured(run)
    assert "[test] (not trained on), policy digits, step" in found.what
    assert len(found.images) == 500
    labelled = measured(run, labels="digit")
    assert labelled.what == found.what
    assert "digit" in labelled.images.labels


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        ({"train": 20, "val": 17, "test": 18}, 18),
        ({"train": 20, "val": 17}, 17),
        ({"train": 20, "test": LEAST - 1, "val": LEAST}, LEAST),  # too few to measure
    ],
)
def test_a_folder_has_the_first_split_that_is_large_enough(trained, tmp_path, splits, expected):
    found = measured(trained(write(tmp_path / "pictures", **splits)))
    assert len(found.images) == expected
    assert "not trained on" in found.what


@pytest.mark.parametrize("splits", [{"plain": 20}, {"train": 20, "test": 3}])
def test_without_another_split_the_training_images_are_taken_and_it_is_said(trained, tmp_path, splits):
    found = measured(trained(write(tmp_path / "pictures", **splits)))
    assert len(found.images) == 20
    assert "trained on: there is no other split" in found.what


def test_a_run_on_every_split_has_no_other(trained, tmp_path):
    found = measured(trained(write(tmp_path / "pictures", train=20, test=20), split="all"))
    assert len(found.images) == 40
    assert "trained on: there is no other split" in found.what


def test_a_split_by_another_name_is_not_another_split(trained, tmp_path):
    found = measured(trained(write(tmp_path / "pictures", train=20, val=19), split="validation"))
    assert len(found.images) == 19
    assert "trained on: there is no other split" in found.what


def test_the_split_of_the_protocol_comes_first(trained, tmp_path):
    pictures = write(tmp_path / "pictures", train=20, val=17, test=18)
    found = measured(trained(pictures, test_split="val"))
    assert len(found.images) == 17


def test_images_that_the_user_names_are_taken_as_they_are(trained):
    run = trained("digits")
    named = measured(run, DataSettings(source="digits", split="test"))
    assert len(named.images) == 500
    assert "trained on" not in named.what
    in_memory = measured(run, PIXELS)
    assert len(in_memory.images) == len(PIXELS)
    assert "trained on" not in in_memory.what


def test_an_encoder_that_is_no_run_is_measured_on_what_it_is_given():
    found = measured("convnet", DataSettings(source="digits"), policy=PolicySettings(name="digits"))
    assert len(found.images) == 1297
    assert "trained on" not in found.what
