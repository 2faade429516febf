"""One trained encoder has the same answers however it is looked at: images, seeds, scales, turns, dtypes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import contrascope
from contrascope.augment.settings import PolicySettings
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.diagnosis.settings import DiagnosisSettings, MonitorSettings
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.encoders.twin import random_twin
from contrascope.jobs.train import train
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.runs.load import load_run
from contrascope.runs.recipes import digits_simclr
from contrascope.training.settings import TrainingSettings

ALL = 2000
SCENES = DataSettings(source="scenes", count=1500, labels="none")
"""Here a short training lies far from every cut; on digits the twin is so good that answers lie near one."""
EXPECTED = ("sound", "learning")


class After(nn.Module):
    """An encoder, and a linear map that is no weight of it."""

    def __init__(self, encoder, change=None, scale=1.0):
        super().__init__()
        self.encoder, self.scale = encoder, scale
        self.register_buffer("change", change)

    def forward(self, images):
        h = self.scale * self.encoder(images)
        return h if self.change is None else h @ self.change


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    settings = replace(
        digits_simclr(),
        encoder=EncoderSettings(name="convnet", width=16),
        method=SimCLRSettings(temperature=0.2, projector=ProjectorSettings(hidden=(256,), out=64)),
        training=TrainingSettings(epochs=24, batch_size=128),
        data=SCENES,
        policy=PolicySettings(name="simclr-cifar"),
        monitor=MonitorSettings(times=0),
    )
    train(settings, out)
    return out


@pytest.fixture(scope="module")
def encoder(run):
    return load_run(run).method.encoder.eval()


@pytest.fixture(scope="module")
def images():
    return open_images(replace(SCENES, split="test"))


def asked(count=ALL, seed=0):
    return DiagnosisSettings(images=count, views=2, draws=100, seed=seed)


def words(found):
    return found.verdict.sound.word, found.verdict.learning.word


@pytest.mark.slow
def test_a_few_images_of_a_run_are_answered_as_all_are(run):
    assert words(contrascope.diagnose(run, settings=asked())) == EXPECTED
    assert words(contrascope.diagnose(run, settings=asked(200))) == EXPECTED


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("count", [200, 500, ALL])
def test_neither_the_number_of_images_nor_the_seed_changes_an_answer(encoder, images, count, seed):
    found = contrascope.diagnose(encoder, images, policy="simclr-cifar", settings=asked(count, seed))
    assert words(found) == EXPECTED


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e3, 1e-3])
def test_the_scale_of_the_features_changes_no_answer(encoder, images, scale):
    found = contrascope.diagnose(
        After(encoder, scale=scale), images, policy="simclr-cifar", settings=asked(300)
    )
    assert words(found) == EXPECTED


@pytest.mark.slow
def test_a_rotation_of_the_features_changes_no_answer(encoder, images):
    dim = encoder(torch.zeros(1, 3, 32, 32)).shape[1]
    turn = torch.linalg.qr(torch.randn(dim, dim, generator=torch.Generator().manual_seed(0))).Q
    plain, turned = (
        contrascope.diagnose(After(encoder, change), images, policy="simclr-cifar", settings=asked(300))
        for change in (torch.eye(dim), turn)
    )
    assert words(turned) == words(plain) == EXPECTED
    one, other = (found.signals.learning.own.odds.value for found in (plain, turned))
    assert one == pytest.approx(other, abs=1e-2)


@pytest.mark.slow
def test_the_order_of_the_images_changes_no_answer(encoder, images):
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(3))
    by_brightness = images.images.float().mean(dim=(1, 2, 3)).argsort()
    for kept in (order, by_brightness):
        found = contrascope.diagnose(encoder, images.select(kept), policy="simclr-cifar", settings=asked(300))
        assert words(found) == EXPECTED


@pytest.mark.slow
def test_an_untrained_encoder_is_called_so_at_every_number_of_images(encoder, images):
    for count in (200, ALL):
        found = contrascope.diagnose(
            random_twin(encoder, seed=5), images, policy="simclr-cifar", settings=asked(count)
        )
        assert found.verdict.sound.reason == "weights at their initial values"


@pytest.fixture(scope="module")
def arrays(encoder, images):
    """Rows of the trained encoder and of its twin, under the same views."""
    some = images.select(torch.arange(0, 1500, 5))
    return tuple(
        contrascope.embed(one, some, policy="simclr-cifar", num_views=2).h
        for one in (encoder, random_twin(encoder))
    )


CHANGES = {
    "as they are": lambda h: h,
    "float64": lambda h: h.double(),
    "float16": lambda h: h.half(),
    "bfloat16": lambda h: h.bfloat16(),
    "numpy": lambda h: h.numpy().astype(np.float64),
    "times 1000": lambda h: 1e3 * h,
    "over 1000": lambda h: 1e-3 * h,
    "turned": lambda h: (
        h @ torch.linalg.qr(torch.sin(torch.arange(float(h.shape[2] ** 2))).view(h.shape[2], -1)).Q
    ),
    "backwards": lambda h: h.flip(1),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CHANGES)
def test_arrays_of_every_kind_have_the_same_answers(arrays, name):
    h, reference = (CHANGES[name](rows) for rows in arrays)
    assert words(contrascope.diagnose(h, reference=reference, draws=50)) == EXPECTED
