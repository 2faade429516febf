import dataclasses

import pytest
import torch

from contrascope.augment.blur import GaussianBlur
from contrascope.augment.jitter import ColorJitter
from contrascope.augment.presets import PRESETS, build_policy, preset
from contrascope.augment.settings import PolicySettings
from contrascope.augment.views import make_views
from contrascope.errors import InputError


def jitter_of(name, **settings):
    (jitter,) = (op for op in preset(name, **settings)[0].ops if isinstance(op, ColorJitter))
    return dataclasses.astuple(jitter)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_preset_changes_images_and_stays_in_range(pictures, name, channels):
    images = pictures(6, channels, 20, 20, dtype=torch.uint8)
    policies = build_policy(PolicySettings(name=name), channels=channels, size=16)
    views, _ = make_views(images, policies, ids=torch.arange(6), seed=0, epoch=0)
    assert views.shape == (2, 6, channels, 16, 16)
    assert views.min() >= 0
    assert views.max() <= 1
    assert (views[0] - views[1]).abs().amax(dim=(1, 2, 3)).min() > 0


def test_the_two_strengths_of_huang_differ_by_a_factor_of_two():
    assert jitter_of("huang-2023") == (0.4, 0.4, 0.4, 0.1, 0.8)
    assert jitter_of("huang-2023-strength") == (0.8, 0.8, 0.8, 0.2, 1.0)
    assert jitter_of("huang-2023-strength", strength=0.125) == (0.1, 0.1, 0.1, 0.025, 1.0)


def test_the_strengths_of_cosentino_are_those_of_the_table():
    assert jitter_of("cosentino-large") == (0.4, 0.4, 0.4, 0.1, 0.8)
    assert jitter_of("cosentino-moderate") == (0.2, 0.2, 0.2, 0.05, 0.8)
    assert jitter_of("cosentino-small") == pytest.approx((0.04, 0.04, 0.04, 0.01, 0.8))


def test_byol_treats_its_two_views_differently():
    blurs = [op.p for one in preset("byol") for op in one.ops if isinstance(op, GaussianBlur)]
    assert blurs == [1.0, 0.1]
    assert [type(one.ops[-1]).__name__ for one in preset("byol")] == ["GaussianBlur", "Solarize"]


def test_wrong_names_strengths_and_channels_are_refused():
    with pytest.raises(InputError, match="Did you mean 'simclr'"):
        preset("simcrl")
    with pytest.raises(InputError, match=r"expected letters of abcde or a preset\. Did you mean 'byol'"):
        build_policy(PolicySettings(name="byool"), channels=3)
    with pytest.raises(InputError, match=r"fixed colour values; got strength=0\.5"):
        preset("moco-v2", strength=0.5)
    with pytest.raises(InputError, match="policy 'simclr' got images with 4 channels"):
        build_policy(PolicySettings(), channels=4)
