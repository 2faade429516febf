"""A row that depends on its batch is seen, and rounding is not."""

import pytest
import torch
from torch import nn

from contrascope.diagnosis.checks.batch_dependence import batch_dependence
from contrascope.encoders.build import build_encoder
from contrascope.encoders.settings import EncoderSettings

IMAGES = torch.rand(64, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class After(nn.Module):
    """Flat pixels, and what is made of the batch."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    def forward(self, images):
        return self.change(images.flatten(1))


MIXED = {
    "standardised by the batch": lambda h: (h - h.mean(0)) / (h.std(0) + 1e-6),
    "softmax over the batch": lambda h: (10 * h).softmax(dim=0),
    "by place": lambda h: h + torch.linspace(-3, 3, len(h))[:, None],
    "reshaped across images": lambda h: h.T.reshape(len(h), -1),
    "mean of the batch first": lambda h: torch.cat((h, 9 * h.mean(0).expand_as(h)), dim=1),
    "sorted": lambda h: h.sort(dim=0).values,
}


@pytest.mark.parametrize("name", [name for name in MIXED if name != "mean of the batch first"])
def test_rows_that_are_mixed_are_seen(name):
    assert batch_dependence(After(MIXED[name]), IMAGES) > 0.3


@pytest.mark.parametrize("name", ["convnet", "resnet18", "vit-tiny"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_encoder_in_evaluation_mode_is_not_suspected(name, dtype):
    encoder = build_encoder(
        EncoderSettings(name=name, width=24 if name == "vit-tiny" else 4), channels=3, size=8
    )
    found = batch_dependence(encoder.to(dtype), IMAGES.to(dtype))
    assert found < (1e-4 if dtype == torch.float32 else 0.05)


def test_batch_norm_without_stored_statistics_is_seen():
    def made(track):
        return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, track_running_stats=track), nn.Flatten())

    assert batch_dependence(made(True), IMAGES) < 1e-4
    # statistics over 64 images and over 8 are nearly the same: small, and above rounding
    assert batch_dependence(made(False), IMAGES) > 1e-3


def test_a_constant_encoder_and_few_images_depend_on_nothing():
    assert batch_dependence(After(lambda h: torch.ones(len(h), 4)), IMAGES) == 0.0
    for count in (1, 2, 9):
        assert batch_dependence(nn.Flatten(), IMAGES[:count]) == 0.0
    assert batch_dependence(After(lambda h: h * torch.nan), IMAGES) == 0.0  # told elsewhere


def test_the_scale_does_not_matter_and_the_mode_stays():
    mixed = After(MIXED["by place"]).train()
    one, other = (batch_dependence(After(lambda h, s=s: s * MIXED["by place"](h)), IMAGES) for s in (1, 1e3))
    assert one == pytest.approx(other, rel=1e-4)
    batch_dependence(mixed, IMAGES)
    assert mixed.training
